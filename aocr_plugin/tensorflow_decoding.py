"""Decodes images to the very pixels that TensorFlow's ``decode_png`` gives, which aocr called.

Needs neither TensorFlow nor PyTorch. Seen by comparing with TensorFlow 2.15:

- JPEG is decoded with libjpeg-turbo's fast integer transform and fancy upsampling, where OpenCV
  and Pillow take the slow, exact one; gray is the luma plane as stored. (CMYK: off by one here.)
- Gray of a colour PNG is (9797 R + 19234 G + 3737 B) >> 15 in the file's own depth, libpng's
  sum; 16 bits become 8 by dropping the lower ones; alpha is dropped, not blended.
- EXIF orientation is not heeded. A GIF is its first frame.

TensorFlow refuses gray GIF and BMP, WebP and TIFF; here they are read all the same.
"""

import io
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from aocr_plugin import images
from aocr_plugin.errors import ImageError

_BGR_WEIGHTS = np.array([3737, 19234, 9797], np.int64)  # of 32768


def _jpeg(data: bytes, name: str, gray: bool) -> NDArray[np.uint8]:
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, colorspace="GRAY" if gray else "BGR", fastdct=True, fastupsample=False
        )
    except ValueError as error:
        raise ImageError(f"{name}: not a JPEG that can be decoded ({error})") from error
    return pixels[:, :, 0] if gray else pixels


def _stored(data: bytes, name: str) -> NDArray[Any]:
    """Returns the pixels as stored: gray or BGR, 8 or 16 bits, alpha dropped."""
    pixels: NDArray[Any] | None = None
    if not data.startswith(b"GIF8"):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        try:
            with Image.open(io.BytesIO(data)) as image:
                pixels = np.asarray(image.convert("RGB"))[:, :, ::-1]
        except (OSError, ValueError) as error:
            raise ImageError(f"{name}: not an image that can be decoded ({error})") from error
    return pixels[:, :, :3] if pixels.ndim == 3 else pixels


def decode(data: bytes, name: str, color_type: str = "grayscale") -> NDArray[np.uint8]:
    """Decodes an image.

    Args:
        data: the encoded file.
        name: for errors.
        color_type: "grayscale" for [H, W], "color" for [H, W, 3] BGR.

    Raises:
        ImageError: not an image, or not a whole one.
    """
    images.check_bytes(data, name)
    gray = color_type.startswith("grayscale")
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data, name, gray)
    pixels = _stored(data, name)
    if gray and pixels.ndim == 3:
        pixels = (pixels.astype(np.int64) @ _BGR_WEIGHTS >> 15).astype(pixels.dtype)
    elif not gray and pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, np.newaxis], 3, axis=2)
    if pixels.dtype != np.uint8:
        pixels = (pixels >> 8).astype(np.uint8)
    return np.ascontiguousarray(pixels)

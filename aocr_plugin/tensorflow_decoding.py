"""Decodes images to the very pixels that TensorFlow's ``decode_png`` gives, which aocr called.

Needs neither TensorFlow nor PyTorch. Seen by comparing with TensorFlow 2.15:

- JPEG is decoded with libjpeg-turbo's fast integer transform and fancy upsampling, where OpenCV
  and Pillow take the slow, exact one; gray is the luma plane as stored. CMYK becomes RGB by
  multiplying with the black.
- Gray of a colour PNG is libpng's; see :mod:`aocr_plugin.png_gray`. 16 bits become 8 by dropping
  the lower ones; alpha is dropped, not blended.
- EXIF orientation is not heeded.
- What is cut off is refused. A damaged JPEG is read, to the same pixels, where libjpeg-turbo finds
  a way on; a damaged PNG is refused.

TensorFlow refuses gray GIF, animated GIF, gray CMYK, BMP, WebP and TIFF; here they are read all
the same, of an animation the first frame. Colour profiles (``iCCP``) are not heeded.
"""

import io
from typing import Any

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from aocr_plugin import images, png_gray
from aocr_plugin.errors import ImageError

_PNG, _JPEG, _GIF = b"\x89PNG", b"\xff\xd8", b"GIF8"
_BLACK_IS_FULL = b"Adobe"  # Adobe's marker: CMYK is stored inverted


def _decode_jpeg(data: bytes, colorspace: str) -> NDArray[np.uint8]:
    """Decodes with libjpeg-turbo, which goes on where a damaged stream lets it.

    Raises:
        ValueError: it cannot.
    """
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
        data, colorspace=colorspace, fastdct=True, fastupsample=False, strict=False
    )
    return pixels


def _cmyk(data: bytes) -> NDArray[np.uint8]:
    """Returns a CMYK JPEG as BGR."""
    inks = _decode_jpeg(data, "CMYK")
    parts = inks.astype(np.int64)
    if _BLACK_IS_FULL not in data[: data.find(b"\xff\xda")]:
        parts = 255 - parts
    rgb = parts[:, :, :3] * parts[:, :, 3:] // 255
    return rgb[:, :, ::-1].astype(np.uint8)


def _jpeg(data: bytes, name: str, gray: bool) -> NDArray[np.uint8]:
    try:
        if simplejpeg.decode_jpeg_header(data)[2] in ("CMYK", "YCCK"):
            pixels = _cmyk(data)
            return png_gray.to_gray(pixels, png_gray.Ancillary()) if gray else pixels
        pixels = _decode_jpeg(data, "GRAY" if gray else "BGR")
    except ValueError as error:
        raise ImageError(f"{name}: not a JPEG that can be decoded ({error})") from error
    return pixels[:, :, 0] if gray else pixels


def _gif(data: bytes, name: str) -> NDArray[np.uint8]:
    """Returns the first frame of a GIF as BGR, black where it is transparent."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ImageError(f"{name}: not a GIF that can be decoded ({error})") from error
    return np.where(pixels[:, :, 3:] > 0, pixels[:, :, 2::-1], 0).astype(np.uint8)


def _stored(data: bytes, name: str) -> NDArray[Any]:
    """Returns the pixels as stored: gray or BGR, 8 or 16 bits, alpha dropped."""
    images.check_bytes(data, name)
    pixels = images.imdecode(data, cv2.IMREAD_UNCHANGED, name)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{name}: not an image of 8 or 16 bits a colour")
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
    gray = color_type.startswith("grayscale")
    if data.startswith(_JPEG):
        images.check_bytes(data, name)
        return _jpeg(data, name, gray)
    pixels = _gif(data, name) if data.startswith(_GIF) else _stored(data, name)
    if gray and pixels.ndim == 3:
        is_png = data.startswith(_PNG)
        return png_gray.to_gray(
            pixels, png_gray.read_chunks(data) if is_png else png_gray.Ancillary()
        )
    if pixels.dtype != np.uint8:
        pixels = pixels >> 8
    if not gray and pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, np.newaxis], 3, axis=2)
    return np.ascontiguousarray(pixels, np.uint8)

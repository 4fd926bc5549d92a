"""An image in any form that a program may have it in. Needs no PyTorch."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from aocr_plugin import storage
from aocr_plugin.errors import AOCRError, ImageError
from aocr_plugin.formats import tfrecord  # noqa: F401, makes its names readable

SINGLE = (str, bytes, bytearray, memoryview, Path, np.ndarray, PillowImage.Image)
ImageLike = str | Path | bytes | NDArray[Any] | PillowImage.Image


def load_bytes(image: ImageLike, name: str) -> bytes | NDArray[Any]:
    """Returns an image's encoded bytes, or its pixels where it is given as pixels.

    Args:
        image: a file name (path, URL, ``tfrecord:///PATH#NUMBER``), encoded bytes, a uint8 array
            or a Pillow image.
        name: what messages call it.

    Raises:
        ImageError: unreadable file, or pixels of a form that is no image.
    """
    if isinstance(image, str | Path):
        try:
            return storage.read_bytes(image)
        except (OSError, ValueError, AOCRError) as error:  # ValueError: a NUL in the name
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(f"{image}: cannot read the image file ({reason})") from error
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, PillowImage.Image):
        try:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I;16"):  # Pillow's conversion would clip at 255
                return (np.asarray(image) >> 8).astype(np.uint8)
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
        except (OSError, SyntaxError, ValueError) as error:  # it decodes only now
            raise ImageError(f"{name}: not a whole image ({error})") from error
    if isinstance(image, np.ndarray):
        if (
            image.dtype != np.uint8
            or image.ndim not in (2, 3)
            or (image.ndim == 3 and image.shape[2] not in (1, 3, 4))
            or 0 in image.shape
        ):
            raise ImageError(
                f"{name}: an array must be uint8 of shape [H, W], [H, W, 1], [H, W, 3] (BGR, as "
                f"OpenCV loads it) or [H, W, 4], this is {image.dtype} {list(image.shape)}"
            )
        return image
    raise ImageError(f"{name}: {type(image).__name__} is no path, bytes, array or Pillow image")

"""How images come to the network's height: the original's canvas and MMOCR's RescaleToHeight.

Needs neither PyTorch nor MMOCR.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin import bicubic
from aocr_plugin.errors import ConfigError

INTERPOLATIONS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
"""MMCV's names of OpenCV's interpolations."""


def fitted_size(height: int, width: int, canvas_height: int, canvas_width: int) -> tuple[int, int]:
    """Returns the height and width, in pixels, that the original gives an image.

    Its arithmetic: an image whose width at the canvas's height fits is resized to that height if
    it is higher, else left as it is; one that would be too wide is resized to the canvas's width.
    """
    scaled_width = math.ceil(width / height * canvas_height)
    if scaled_width > canvas_width:
        return math.ceil(canvas_width / scaled_width * canvas_height), canvas_width
    return (height, width) if height <= canvas_height else (canvas_height, scaled_width)


def canvas_width(max_width: int, max_height: int, height: int) -> int:
    """Returns the width of the original's canvas in pixels."""
    return math.ceil(max_width / max_height * height)


def check_canvas(max_width: int, max_height: int, height: int, kernel: str) -> None:
    """Refuses what ``AOCRCanvas`` cannot do.

    Raises:
        ConfigError: unknown kernel, or a size below 1.
    """
    if kernel not in bicubic.KERNELS:
        raise ConfigError(
            f"AOCRCanvas: kernel is {kernel!r}; it must be one of {', '.join(bicubic.KERNELS)}"
        )
    if min(max_width, max_height, height) < 1:
        raise ConfigError(
            f"AOCRCanvas: max_width is {max_width}, max_height {max_height}, height {height}; "
            "each must be at least 1"
        )


def on_canvas(
    image: NDArray[np.uint8], height: int, width: int, kernel: str
) -> tuple[NDArray[np.float32], int]:
    """Puts an image on the original's canvas: bicubic, at the top left, zeros around.

    Args:
        image: [H, W] or [H, W, C].
        height: of the canvas.
        width: of the canvas.
        kernel: see :func:`bicubic.matrix`.

    Returns:
        The canvas, float32, not clipped to 0..255, and how many columns of it the image takes.
    """
    pixels = image.astype(np.float32)
    new_height, new_width = fitted_size(pixels.shape[0], pixels.shape[1], height, width)
    if (new_height, new_width) != pixels.shape[:2]:
        pixels = bicubic.resize(pixels, new_height, new_width, kernel)
    canvas = np.zeros((height, width, *pixels.shape[2:]), np.float32)
    canvas[:new_height, :new_width] = pixels
    return canvas, new_width


def rescaled_width(
    height: int,
    width: int,
    to_height: int,
    min_width: int | None = None,
    max_width: int | None = None,
    width_divisor: int = 1,
) -> int:
    """Returns the width that MMOCR's ``RescaleToHeight`` gives an image of ``height`` x ``width``.

    Args:
        height: of the image.
        width: of the image.
        to_height: of the result.
        min_width: of the result.
        max_width: of the result.
        width_divisor: the result is rounded to a multiple of it.
    """
    new_width = math.ceil(float(to_height) / height * width)
    if min_width is not None:
        new_width = max(min_width, new_width)
    if max_width is not None:
        new_width = min(max_width, new_width)
    if new_width % width_divisor != 0:
        new_width = round(new_width / width_divisor) * width_divisor
    return new_width


def resize(
    image: NDArray[Any], height: int, width: int, interpolation: str = "bilinear"
) -> NDArray[Any]:
    """Resizes an image [H, W] or [H, W, C], uint8 or float32, with OpenCV, as MMCV does.

    Args:
        image: to resize.
        height: of the result.
        width: of the result.
        interpolation: one of :data:`INTERPOLATIONS`.
    """
    return cv2.resize(image, (width, height), interpolation=INTERPOLATIONS[interpolation])

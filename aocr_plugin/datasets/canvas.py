"""The original's preprocessing, as an MMOCR transform."""

import math
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmocr.registry import TRANSFORMS

from aocr_plugin import bicubic
from aocr_plugin.errors import ConfigError


def fitted_size(height: int, width: int, canvas_height: int, canvas_width: int) -> tuple[int, int]:
    """Returns the height and width, in pixels, that the original gives an image.

    Its arithmetic: an image whose width at the canvas's height fits is resized to that height if
    it is higher, else left as it is; one that would be too wide is resized to the canvas's width.
    """
    scaled_width = math.ceil(width / height * canvas_height)
    if scaled_width > canvas_width:
        return math.ceil(canvas_width / scaled_width * canvas_height), canvas_width
    return (height, width) if height <= canvas_height else (canvas_height, scaled_width)


@TRANSFORMS.register_module()
class AOCRCanvas(BaseTransform):
    """Puts an image on the original's canvas: bicubic, at the top left, zeros around.

    An image higher than ``height`` is resized to it with its aspect ratio kept. An image that
    would then be wider than the canvas is made to fit the width instead, and is lower than the
    canvas. A lower image that fits is not resized; a lower one whose width at the canvas's height
    would not fit gets the canvas's width, even if that enlarges it.

    Required and modified keys: ``img`` (becomes float32, not clipped to 0..255), ``img_shape``;
    added: ``pad_shape``, ``valid_ratio``.

    Args:
        max_width: the original's flag; with ``max_height`` it sets the canvas's width.
        max_height: the original's flag.
        height: of the canvas in pixels.
        kernel: "tensorflow2" or "tensorflow1": whose bicubic; see :func:`bicubic.matrix`.

    Raises:
        ConfigError: unknown kernel, or a size below 1.
    """

    def __init__(
        self,
        max_width: int = 160,
        max_height: int = 60,
        height: int = 32,
        kernel: str = "tensorflow2",
    ) -> None:
        if kernel not in bicubic.KERNELS:
            raise ConfigError(
                f"AOCRCanvas: kernel is {kernel!r}; it must be one of {', '.join(bicubic.KERNELS)}"
            )
        if min(max_width, max_height, height) < 1:
            raise ConfigError(
                f"AOCRCanvas: max_width is {max_width}, max_height {max_height}, height {height}; "
                "each must be at least 1"
            )
        self.height = height
        self.width = math.ceil(max_width / max_height * height)
        self.kernel = kernel

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resizes and pads ``results["img"]`` [H, W] or [H, W, C]."""
        image = results["img"].astype(np.float32)
        height, width = image.shape[:2]
        new_height, new_width = fitted_size(height, width, self.height, self.width)
        if (new_height, new_width) != (height, width):
            image = bicubic.resize(image, new_height, new_width, self.kernel)
        canvas = np.zeros((self.height, self.width, *image.shape[2:]), np.float32)
        canvas[:new_height, :new_width] = image
        results["img"] = canvas
        results["img_shape"] = results["pad_shape"] = canvas.shape[:2]
        results["valid_ratio"] = new_width / self.width
        return results

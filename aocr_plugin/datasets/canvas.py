"""The original's preprocessing, as an MMOCR transform."""

import functools
import math
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmocr.registry import TRANSFORMS
from numpy.typing import NDArray

Image = NDArray[np.float32]
_TABLE = 1024


def _keys_cubic(distance: float) -> tuple[float, float]:
    """Returns the cubic kernel (a = -0.5) at ``distance`` and at ``distance + 1``."""
    a, x = -0.5, distance
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x += 1
    return near, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


@functools.lru_cache(maxsize=512)
def bicubic_matrix(size: int, new_size: int) -> Image:
    """Returns the matrix [new_size, size] that resizes one axis as TensorFlow 2 does.

    TensorFlow's ``resize`` with BICUBIC, half pixel centres and without antialiasing: cubic
    kernel a = -0.5 read from a table of 1024 steps; weights outside of the image are dropped
    and the rest scaled to a sum of 1. OpenCV's bicubic has a = -0.75 and repeats the border.
    """
    matrix = np.zeros((new_size, size), np.float32)
    for row in range(new_size):
        centre = (row + 0.5) * size / new_size - 0.5
        left = math.floor(centre)
        distance = round((centre - left) * _TABLE) / _TABLE
        near, far = _keys_cubic(distance)
        near_right, far_right = _keys_cubic(1 - distance)
        weights = {
            column: weight
            for column, weight in zip(
                range(left - 1, left + 3), (far, near, near_right, far_right), strict=True
            )
            if 0 <= column < size
        }
        total = sum(weights.values())
        for column, weight in weights.items():
            matrix[row, column] = weight / total
    matrix.flags.writeable = False
    return matrix


def resize_bicubic(image: Image, height: int, width: int) -> Image:
    """Resizes [H, W] or [H, W, C] to ``height`` x ``width`` as TensorFlow 2 does; not clipped."""
    rows, columns = bicubic_matrix(image.shape[0], height), bicubic_matrix(image.shape[1], width)
    resized = np.tensordot(rows, image, axes=(1, 0))
    return np.moveaxis(np.tensordot(resized, columns, axes=(1, 1)), -1, 1).astype(np.float32)


@TRANSFORMS.register_module()
class AOCRCanvas(BaseTransform):
    """Puts an image on the original's canvas: bicubic, never enlarged, zeros around.

    An image higher than ``height`` is resized to it with its aspect ratio kept; if it would then
    be wider than the canvas it is made to fit the width instead. An image that fits is not
    resized at all. It lies at the top left.

    Required and modified keys: ``img`` (becomes float32, not clipped to 0..255), ``img_shape``;
    added: ``pad_shape``, ``valid_ratio``.

    Args:
        max_width: the original's flag; with ``max_height`` it sets the canvas's width.
        max_height: the original's flag.
        height: of the canvas in pixels.
    """

    def __init__(self, max_width: int = 160, max_height: int = 60, height: int = 32) -> None:
        self.height = height
        self.width = math.ceil(max_width / max_height * height)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resizes and pads ``results["img"]`` [H, W] or [H, W, C]."""
        image = results["img"].astype(np.float32)
        height, width = image.shape[:2]
        new_height, new_width = height, width
        if height > self.height:
            new_height, new_width = self.height, math.ceil(width * self.height / height)
        if new_width > self.width:
            new_height, new_width = max(1, int(height * self.width / width)), self.width
        if (new_height, new_width) != (height, width):
            image = resize_bicubic(image, new_height, new_width)
        canvas = np.zeros((self.height, self.width, *image.shape[2:]), np.float32)
        canvas[:new_height, :new_width] = image
        results["img"] = canvas
        results["img_shape"] = results["pad_shape"] = canvas.shape[:2]
        results["valid_ratio"] = new_width / self.width
        return results

"""Bicubic resizing as TensorFlow's two releases do it. Needs NumPy only.

TensorFlow computes places and weights in float32 and reads the weights from a table of 1024
steps; the same is done here, so that the step taken is the same also where rounding decides.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
KERNELS = ("tensorflow1", "tensorflow2")
_TABLE = 1024


@functools.cache
def _table(a: float) -> NDArray[np.float64]:
    """Returns the cubic kernel [2, 1025] at i / 1024 and at 1 + i / 1024."""
    x = np.arange(_TABLE + 1) / _TABLE
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x = x + 1
    return np.stack([near, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a])


def _place(row: int, scale: np.float32, kernel: str) -> np.float32:
    """Returns where in the image the centre of an output pixel lies."""
    half = np.float32(0.5)
    if kernel == "tensorflow2":
        return np.float32((np.float32(row) + half) * scale - half)
    return np.float32(np.float32(row) * scale)


@functools.lru_cache(maxsize=512)
def matrix(size: int, new_size: int, kernel: str = "tensorflow2") -> Image:
    """Returns the matrix [new_size, size] that resizes one axis; neither kernel antialiases.

    Args:
        size: pixels there are.
        new_size: pixels wanted.
        kernel: "tensorflow2": half pixel centres, a = -0.5; weights outside of the image are
            dropped and the rest scaled to a sum of 1. "tensorflow1": pixel i lies at i times
            the scale, a = -0.75, and the border is repeated. OpenCV's is neither.
    """
    rows = np.zeros((new_size, size), np.float32)
    scale = np.float32(np.float32(size) / np.float32(new_size))
    table = _table(-0.5 if kernel == "tensorflow2" else -0.75)
    for row in range(new_size):
        place = _place(row, scale, kernel)
        left = math.floor(place)
        step = int(np.rint(np.float32(place - np.float32(left)) * np.float32(_TABLE)))
        weights = (table[1, step], table[0, step], table[0, _TABLE - step], table[1, _TABLE - step])
        for column, weight in zip(range(left - 1, left + 3), weights, strict=True):
            if kernel == "tensorflow1":
                rows[row, min(max(column, 0), size - 1)] += weight
            elif 0 <= column < size:
                rows[row, column] = weight
        if kernel == "tensorflow2":
            rows[row] /= rows[row].sum()
    rows.flags.writeable = False
    return rows


def resize(image: Image, height: int, width: int, kernel: str = "tensorflow2") -> Image:
    """Resizes an image; overshoot is not clipped.

    Args:
        image: [H, W] or [H, W, C].
        height: new, in pixels.
        width: likewise.
        kernel: see :func:`matrix`.

    Returns:
        float32 [height, width] or [height, width, C].
    """
    rows = matrix(image.shape[0], height, kernel)
    columns = matrix(image.shape[1], width, kernel)
    resized = np.tensordot(rows, image, axes=(1, 0))
    return np.moveaxis(np.tensordot(resized, columns, axes=(1, 1)), -1, 1).astype(np.float32)

"""From the plane that text is set in to the picture: turn, slant, perspective, crop."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin.synthesis.pictures import Mask, Picture

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""
Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]


@dataclass(frozen=True, slots=True)
class View:
    """How the plane is seen.

    Attributes:
        turn: radians, clockwise.
        slant: columns that a row above moves to the right, per row.
        squeeze: width in the picture to width in the plane; 1 leaves letters as they are.
        left_right: perspective across; 0.2 makes one end 1.5 times as large as the other.
        up_down: the same between top and bottom.
    """

    turn: float = 0.0
    slant: float = 0.0
    squeeze: float = 1.0
    left_right: float = 0.0
    up_down: float = 0.0

    @property
    def straight(self) -> bool:
        """Whether letters are only scaled."""
        return not (self.turn or self.slant or self.left_right or self.up_down)


def seen(
    plane: Mask, box: Box, view: View, height: int, margins: Box, max_width: int
) -> tuple[Mask, Matrix]:
    """Returns the picture's mask [height, W], and how points of the plane come into it.

    Args:
        plane: coverage [h, w].
        box: what has to be in the picture.
        view: how it is seen.
        height: of the picture.
        margins: around the box, at left, top, right and bottom, in heights of the box as seen;
            negative cuts into it.
        max_width: the picture is squeezed to it.
    """
    matrix = _projection(box, view)
    xs, ys = _corners(matrix, box)
    left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    tall = bottom - top
    left, top = left - margins[0] * tall, top - margins[1] * tall
    right, bottom = right + margins[2] * tall, bottom + margins[3] * tall
    scale = height / (bottom - top)
    width = max(4, round((right - left) * scale))
    across = scale * min(1.0, max_width / width)
    width = min(width, max_width)
    matrix = _times(
        ((across, 0.0, -left * across), (0.0, scale, -top * scale), (0.0, 0.0, 1.0)), matrix
    )
    flags = cv2.INTER_LINEAR
    array: NDArray[Any] = np.array(matrix)
    if view.left_right or view.up_down:
        return cv2.warpPerspective(plane, array, (width, height), flags=flags), matrix
    return cv2.warpAffine(plane, array[:2], (width, height), flags=flags), matrix


def tilted(picture: Picture, view: View) -> Picture:
    """Returns a whole picture [H, W, 3] seen so, at its size; its rim is drawn out."""
    if view.straight:
        return picture
    height, width = picture.shape[:2]
    box = (0.0, 0.0, float(width), float(height))
    matrix = _projection(box, view)
    xs, ys = _corners(matrix, box)
    across, down = width / (max(xs) - min(xs)), height / (max(ys) - min(ys))
    fitted = ((across, 0.0, -min(xs) * across), (0.0, down, -min(ys) * down), (0.0, 0.0, 1.0))
    array: NDArray[Any] = np.array(_times(fitted, matrix))
    mode = cv2.BORDER_REPLICATE
    return cv2.warpPerspective(picture, array, (width, height), borderMode=mode)


def _projection(box: Box, view: View) -> Matrix:
    """Returns the view as a matrix that takes the middle of the box to the origin."""
    middle, centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half_wide, half_tall = max(1.0, (box[2] - box[0]) / 2), max(1.0, (box[3] - box[1]) / 2)
    squeeze, slant = view.squeeze, view.slant
    matrix: Matrix = (
        (squeeze, -slant, slant * centre - squeeze * middle),
        (0.0, 1.0, -centre),
        (0.0, 0.0, 1.0),
    )
    if view.left_right or view.up_down:
        tilt = (view.left_right / (half_wide * squeeze), view.up_down / half_tall, 1.0)
        matrix = _times(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), tilt), matrix)
    if view.turn:
        cos, sin = math.cos(view.turn), math.sin(view.turn)
        matrix = _times(((cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0)), matrix)
    return matrix


def _times(first: Matrix, second: Matrix) -> Matrix:
    """Multiplies matrices; not by a library whose rounding differs between processors."""
    (a, b, c), (d, e, f), (g, h, i) = second
    (p, q, r), (s, t, u), (v, w, x) = first
    return (
        (p * a + q * d + r * g, p * b + q * e + r * h, p * c + q * f + r * i),
        (s * a + t * d + u * g, s * b + t * e + u * h, s * c + t * f + u * i),
        (v * a + w * d + x * g, v * b + w * e + x * h, v * c + w * f + x * i),
    )


def _corners(matrix: Matrix, box: Box) -> tuple[list[float], list[float]]:
    xs, ys = [], []
    (a, b, c), (d, e, f), (g, h, i) = matrix
    for x, y in ((box[0], box[1]), (box[2], box[1]), (box[0], box[3]), (box[2], box[3])):
        weight = g * x + h * y + i
        xs.append((a * x + b * y + c) / weight)
        ys.append((d * x + e * y + f) / weight)
    return xs, ys

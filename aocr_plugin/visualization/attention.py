"""An animation of where a network looked, as the original aocr draws it."""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aocr_plugin.visualization.reading import Pixels, Reading, weights_on_pixels

DIMMED = 0.3
FRAME_MS = 500


def resized(image: Pixels, height: int, width: int) -> Pixels:
    """Resizes a picture to be looked at."""
    shrinks = height < image.shape[0] or width < image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, (max(1, width), max(1, height)), interpolation=method)


def fit(image: Pixels, height: int, width: int, most: float = 6.0) -> Pixels:
    """Resizes to at most ``height`` x ``width``, the form kept, enlarged ``most`` times at most."""
    scale = min(height / image.shape[0], width / image.shape[1], most)
    return resized(image, round(image.shape[0] * scale), round(image.shape[1] * scale))


def lit(image: Pixels, brightness: NDArray[Any]) -> Pixels:
    """Returns the image at 30 % where ``brightness`` [W] is 0 and as it is where that is 1."""
    share = DIMMED + (1 - DIMMED) * brightness
    return np.rint(image * share.reshape(1, -1, *[1] * (image.ndim - 2))).astype(np.uint8)


def frames(image: Pixels, reading: Reading, height: int = 96) -> list[Pixels]:
    """Returns the animation: the dimmed image, then a frame a character.

    Args:
        image: the original.
        reading: what was read in it.
        height: of the frames in pixels, less where they would be wider than 1,200.
    """
    image = fit(image, height, 1200)
    width = image.shape[1]
    rows = [np.zeros(width)]
    if reading.edges is not None:
        rows += [weights_on_pixels(row, reading.edges, width) for row in reading.looks()]
    return [lit(image, row) for row in rows]


def gif(pictures: list[Pixels]) -> bytes:
    """Returns an animation of half a second a picture that starts over and over."""
    first, *rest = [Image.fromarray(picture) for picture in pictures]
    file = io.BytesIO()
    first.save(
        file, "GIF", save_all=True, append_images=rest, duration=FRAME_MS, loop=0, optimize=False
    )
    return file.getvalue()

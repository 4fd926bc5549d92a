"""Further looks at an image whose first reading is unsure: framed, stretched and shifted."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin.inference.prediction import Prediction

Pixels = NDArray[Any]
View = Callable[[Pixels], Pixels]

SURE = 0.9
"""A first reading of at least this score stands, whatever kind of score it is."""


def _framed(pixels: Pixels, share: float) -> Pixels:
    """Adds that share of the height above and below, of the edges' pixels."""
    added = round(share * pixels.shape[0])
    return np.pad(pixels, [(added, added), *[(0, 0)] * (pixels.ndim - 1)], mode="edge")


def _lower(pixels: Pixels, share: float) -> Pixels:
    """Adds that share of the height above and cuts as much off below: letters sit lower."""
    moved = min(round(share * pixels.shape[0]), pixels.shape[0] - 1)
    return np.pad(
        pixels[: pixels.shape[0] - moved],
        [(moved, 0), *[(0, 0)] * (pixels.ndim - 1)],
        mode="edge",
    )


def _stretched(pixels: Pixels, factor: float) -> Pixels:
    """Makes an image that many times as wide."""
    width = max(1, round(factor * pixels.shape[1]))
    return cv2.resize(pixels, (width, pixels.shape[0]))


VIEWS: dict[str, View] = {
    "framed": lambda pixels: _framed(pixels, 0.12),
    "wide": lambda pixels: _stretched(pixels, 1.25),
    "narrow": lambda pixels: _stretched(pixels, 0.8),
    "low": lambda pixels: _lower(pixels, 0.08),
    "wider": lambda pixels: _stretched(pixels, 1.5),
}
"""In the order in which each brought the most to those before it (docs/WEIGHTS.md)."""

MOST = 1 + len(VIEWS)
"""Views that there are, the image as it is included."""


def most_probable(readings: Sequence[Prediction]) -> Prediction:
    """Returns the reading with the best score; of equal ones the first; one without text last.

    Views show the same text, so that its whole probability may choose, which for turned images
    would favour the shorter one (:func:`aocr_plugin.inference.turning.most_certain`).
    """
    return max(readings, key=lambda one: (bool(one.text), one.score))

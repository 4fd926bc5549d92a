"""One image of a test run: what was read in it, and where the network looked."""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
"""uint8, [H, W] gray or [H, W, 3] RGB."""


@dataclass(frozen=True)
class Reading:
    """A prediction beside its label.

    Attributes:
        name: the image: path, URL or number in a TFRecord file.
        label: what should have been read.
        text: what was read.
        symbols: the text's n characters as the decoder gave them, one a step.
        char_scores: [n] probability of each.
        score: probability of the text, or None where the postprocessor gives none.
        correct: whether text and label agree.
        attention: [L, T] weights of every step over the encoder's T columns, or None.
        edges: [T + 1] where columns begin and end, as shares of the image's width; what lies
            beyond 1 is padding. None without attention.
    """

    name: str
    label: str
    text: str
    symbols: list[str]
    char_scores: list[float]
    score: float | None
    correct: bool
    attention: NDArray[np.float32] | None = None
    edges: NDArray[np.float64] | None = None

    def looks(self) -> NDArray[np.float32]:
        """Returns [n, T]: the attention of the text's characters; none without attention."""
        if self.attention is None:
            return np.zeros((0, 0), np.float32)
        return self.attention[: len(self.symbols)]


def split_symbols(text: str, count: int, unknown_token: str | None = None) -> list[str]:
    """Returns the ``count`` symbols of a text; an unknown symbol's token is one of them."""
    if len(text) == count or not unknown_token:
        return list(text)
    return re.findall(f"{re.escape(unknown_token)}|.", text, re.DOTALL)


def column_edges(
    columns: int, *, valid_width: float, input_width: int, stride: int | None = 4
) -> NDArray[np.float64]:
    """Returns where an encoder's columns lie on the image that was put in.

    The image fills the first ``valid_width`` pixels of the network's input, at whatever size it
    was resized to; the rest is padding, from its canvas or from its batch. A column of a masked
    encoder is as wide as one of an encoder that reads the padding too: there are only fewer.

    Args:
        columns: T, those of the image alone or those of the whole input.
        valid_width: pixels of the input's width that the image fills.
        input_width: pixels of the batch's width.
        stride: pixels a column, where the backbone says it; used if T agrees with it.

    Returns:
        [T + 1] edges as shares of the image's width.
    """
    pixels = input_width / columns
    if stride and columns in (math.ceil(valid_width / stride), math.ceil(input_width / stride)):
        pixels = stride
    return np.arange(columns + 1) * pixels / valid_width


def weights_on_pixels(
    weights: NDArray[Any], edges: NDArray[np.float64], width: int
) -> NDArray[np.float64]:
    """Spreads a step's weights over an image's pixels.

    Args:
        weights: [T] attention of one step.
        edges: [T + 1] as of :func:`column_edges`.
        width: pixels W of the picture.

    Returns:
        [W] in 0..1: the weight at each pixel against the step's greatest, drawn straight from a
        column's middle to the next one's. Where the network looked at padding all are small.
    """
    middles = (edges[:-1] + edges[1:]) / 2
    heights = np.asarray(weights, np.float64) / max(float(np.max(weights)), 1e-12)
    return np.interp((np.arange(width) + 0.5) / width, middles, heights)


def centre(weights: NDArray[Any], edges: NDArray[np.float64]) -> float:
    """Returns the mean place looked at on the image, as a share of its width within 0..1."""
    inside = np.asarray(weights, np.float64) * (edges[:-1] < 1)
    if inside.sum() <= 0:
        return 1.0
    middles = (edges[:-1] + edges[1:]) / 2
    return float(np.clip((inside * middles).sum() / inside.sum(), 0.0, 1.0))


def share_on_padding(weights: NDArray[Any], edges: NDArray[np.float64]) -> float:
    """Returns the share of a step's weight that lies beyond the image."""
    return float(np.asarray(weights, np.float64)[edges[:-1] >= 1].sum())

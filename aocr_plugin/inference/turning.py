"""Text that runs from top to bottom: which images may hold some, and which reading counts."""

from collections.abc import Sequence

import numpy as np

from aocr_plugin.inference.prediction import Prediction

VERTICAL = 1.5
"""An image this many times taller than wide may hold vertical text."""

COLUMN = 3.0
"""One less tall than this many times its width may also be one upright character, such as I."""


def turns(height: float, width: float) -> tuple[int, ...]:
    """Returns by how many degrees to the left an image is to be turned before it is read."""
    if height < VERTICAL * width:
        return (0,)
    return (0, 90, 270) if height < COLUMN * width else (90, 270)


def most_certain(readings: Sequence[Prediction]) -> Prediction:
    """Returns the reading with the best mean of its characters' scores.

    Of equal ones the least turned counts.

    That is the rule of MMOCR's test-time augmentation. The probability of the whole text would
    favour the image that shows fewer characters.
    """

    def certainty(one: Prediction) -> tuple[float, int]:
        return float(np.mean(one.char_scores or [0.0])), -one.turn

    return max(readings, key=certainty)

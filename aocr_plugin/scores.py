"""The score of a word from the probabilities of its characters. Needs no PyTorch."""

import math
from collections.abc import Sequence

from aocr_plugin.errors import ConfigError

SCORES = ("product", "geometric", "minimum")


def check_score(kind: str) -> str:
    """Returns ``kind`` if it is one of :data:`SCORES`.

    Raises:
        ConfigError: it is not.
    """
    if kind not in SCORES:
        raise ConfigError(f"score is '{kind}'; it is one of {', '.join(SCORES)}")
    return kind


def word_score(probabilities: Sequence[float], kind: str = "product") -> float:
    """Returns the score of a word from the probabilities of its characters and end symbol.

    Args:
        probabilities: at least one, each in [0, 1].
        kind: "product", the probability of the whole text; "geometric", their geometric mean,
            which does not fall with the length; "minimum", the least certain one.
    """
    if kind == "minimum":
        return min(probabilities)
    if kind == "geometric" and min(probabilities) > 0.0:
        return math.exp(math.fsum(map(math.log, probabilities)) / len(probabilities))
    return math.prod(probabilities)

"""Chance for one image, from its seed and index alone."""

import hashlib
import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Dice:
    """Draws for one image; the same seed, part and index give the same draws everywhere.

    Python's own generator, not NumPy's: of thousands of single draws an image each costs a tenth.
    Nothing but its ``random()`` is used, whose sequence Python promises to keep between versions.

    Args:
        seed: of the whole set.
        index: of the image.
        part: of the images; parts share none, whatever their seeds.
    """

    def __init__(self, seed: int, index: int, part: str = "") -> None:
        key = hashlib.sha256(f"{seed}/{index}/{part}".encode()).digest()
        self.random = random.Random(int.from_bytes(key, "big")).random

    def chance(self, share: float) -> bool:
        """Returns true in ``share`` of the cases."""
        return self.random() < share

    def between(self, low: float, high: float) -> float:
        """Returns a number from ``low`` to ``high``."""
        return low + (high - low) * self.random()

    def whole(self, low: int, high: int) -> int:
        """Returns a whole number from ``low`` to ``high``, both possible."""
        return low + int(self.random() * (high - low + 1))

    def near(self, mean: float, spread: float) -> float:
        """Returns a number around ``mean``; bell-shaped, never over 3 * ``spread`` away."""
        draw = self.random
        return mean + 2 * spread * (draw() + draw() + draw() - 1.5)

    def pick(self, things: Sequence[T]) -> T:
        """Returns one of ``things``, each as likely."""
        return things[int(self.random() * len(things))]

    def text(self, characters: Sequence[str], length: int) -> str:
        """Returns a text of ``length`` of the characters."""
        return "".join([self.pick(characters) for _ in range(length)])


class Shares(Generic[T]):
    """Things with a weight each, to draw from.

    Args:
        weights: weight by thing, 0 or more; only their ratios count.
    """

    def __init__(self, weights: Mapping[T, float]) -> None:
        self.things = [thing for thing, weight in weights.items() if weight > 0]
        self._sums = list(accumulate(weight for weight in weights.values() if weight > 0))

    def draw(self, dice: Dice) -> T:
        """Returns one of the things, as often as its weight says."""
        return self.things[bisect(self._sums, dice.random() * self._sums[-1])]

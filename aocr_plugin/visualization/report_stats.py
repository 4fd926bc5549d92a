"""What a report counts over all images of a test run, as pure functions."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from aocr_plugin.evaluation.calibration import Bin as CalibrationBin
from aocr_plugin.evaluation.calibration import bins_of_equal_mass


class Outcome(NamedTuple):
    """One image: label (in the dictionary's case), what was read, its score if there is one."""

    label: str
    text: str
    score: float | None

    @property
    def correct(self) -> bool:
        """Whether text and label agree."""
        return self.label == self.text


class Bin(NamedTuple):
    """Images of one kind.

    Attributes:
        low: least value in it.
        high: greatest value (lengths), or the limit (scores).
        total: images.
        correct: those of them read without error.
    """

    low: float
    high: float
    total: int
    correct: int


def edits(label: str, text: str) -> list[tuple[str, int, int]]:
    """Returns the edits that make ``text`` of ``label``: (kind, place in label, place in text).

    A kind is "replace", "delete" (of the label's character) or "insert" (of the text's).
    """
    return [(edit.tag, edit.src_pos, edit.dest_pos) for edit in Levenshtein.editops(label, text)]


def confusions(outcomes: Iterable[Outcome]) -> Counter[tuple[str, str]]:
    """Returns how often which character was read as which; "" is none (missed, or made up)."""
    counts: Counter[tuple[str, str]] = Counter()
    for label, text, _ in outcomes:
        for kind, i, j in edits(label, text):
            counts[label[i] if kind != "insert" else "", text[j] if kind != "delete" else ""] += 1
    return counts


def by_length(outcomes: Sequence[Outcome], most: int = 16) -> list[Bin]:
    """Returns images by length of label, in at most ``most`` ranges of equal width."""
    lengths = sorted({len(outcome.label) for outcome in outcomes})
    if not lengths:
        return []
    width = -(-(lengths[-1] - lengths[0] + 1) // most)
    groups: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((len(outcome.label) - lengths[0]) // width, []).append(outcome)
    return [
        Bin(
            low := lengths[0] + number * width,
            low + width - 1,
            len(group),
            sum(outcome.correct for outcome in group),
        )
        for number, group in sorted(groups.items())
    ]


def by_score(outcomes: Iterable[Outcome], number: int = 20) -> list[Bin]:
    """Returns images by score in ``number`` equal ranges of 0..1; those without are left out."""
    groups: list[list[Outcome]] = [[] for _ in range(number)]
    for outcome in outcomes:
        if outcome.score is not None and math.isfinite(outcome.score):
            place = min(number - 1, max(0, int(outcome.score * number)))
            groups[place].append(outcome)
    return [
        Bin(
            place / number,
            (place + 1) / number,
            len(group),
            sum(outcome.correct for outcome in group),
        )
        for place, group in enumerate(groups)
    ]


def calibration(outcomes: Sequence[Outcome]) -> list[CalibrationBin]:
    """Returns images by score in bins of equal mass, as the metric ``ece`` has them."""
    known = [outcome for outcome in outcomes if outcome.score is not None]
    if not known:
        return []
    scores = [min(1.0, max(0.0, outcome.score or 0.0)) for outcome in known]
    return bins_of_equal_mass(scores, [outcome.correct for outcome in known])

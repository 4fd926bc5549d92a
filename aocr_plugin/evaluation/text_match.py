"""Measures of a prediction against its label, as pure functions. Needs no PyTorch."""

import re

from rapidfuzz.distance import Levenshtein

_NOT_ALPHANUMERIC = re.compile(r"[\W_]")


def alphanumeric(text: str) -> str:
    """Returns the text in lower case without anything but letters and digits (of any script)."""
    return _NOT_ALPHANUMERIC.sub("", text.lower())


def exact(prediction: str, label: str) -> bool:
    """Whether the two are the same."""
    return prediction == label


def ignore_case(prediction: str, label: str) -> bool:
    """Whether the two are the same but for case."""
    return prediction.lower() == label.lower()


def ignore_case_symbol(prediction: str, label: str) -> bool:
    """Whether the two have the same letters and digits, case aside (the field's protocol)."""
    return alphanumeric(prediction) == alphanumeric(label)


def distance(prediction: str, label: str) -> int:
    """Returns the edit distance (Levenshtein) in characters."""
    return Levenshtein.distance(prediction, label)


def one_minus_ned(prediction: str, label: str) -> float:
    """Returns 1 - distance / length of the longer text; 1 where both are empty."""
    return 1.0 - distance(prediction, label) / max(1, len(prediction), len(label))


def aocr_accuracy(prediction: str, label: str) -> float:
    """Returns the original's accuracy of an image: 1 - min(1, distance / label length).

    With an empty label, on which the original divides by zero, it is 1 if nothing was read.
    """
    if not label:
        return float(not prediction)
    return 1.0 - min(1.0, distance(prediction, label) / len(label))

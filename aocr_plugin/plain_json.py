"""Numbers that JSON has a place for. Needs no PyTorch."""

import math
from typing import Any


def without_nan(value: Any) -> Any:
    """Returns the value with None for every float that is not finite: JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return value

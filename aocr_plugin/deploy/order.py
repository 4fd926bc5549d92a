"""The order of symbols in which MMDeploy's SDK, like MMOCR's ``Dictionary``, expects the output.

Characters first, then start, end, padding and unknown; aocr has padding, start and end in front.
"""

from typing import Any


def sdk_order(dictionary: Any) -> list[int]:
    """Returns the dictionary's indexes in the SDK's order."""
    names = ("start", "end", "padding", "unknown")
    found = [getattr(dictionary, f"{name}_idx", None) for name in names]
    special = list(dict.fromkeys(index for index in found if index is not None))
    return [*(i for i in range(len(dictionary.dict)) if i not in special), *special]


def sdk_parameters(dictionary: Any) -> dict[str, Any]:
    """Returns what the SDK's ``AttnConvertor`` is told of the dictionary beside its file."""
    return {
        "with_start": dictionary.start_idx is not None,
        "with_end": dictionary.end_idx is not None,
        "same_start_end": dictionary.start_idx == dictionary.end_idx,
        "with_padding": dictionary.padding_idx is not None,
        "with_unknown": dictionary.unknown_idx is not None,
    }


def characters(dictionary: Any) -> list[str]:
    """Returns the dictionary's characters in the SDK's order, special symbols left out."""
    count = len(sdk_order(dictionary)) - len(
        {
            index
            for name in ("start", "end", "padding", "unknown")
            if (index := getattr(dictionary, f"{name}_idx", None)) is not None
        }
    )
    return [dictionary.dict[index] for index in sdk_order(dictionary)[:count]]

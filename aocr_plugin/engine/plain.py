"""Checkpoints of nothing but tensors and plain data, so that they load without running code."""

from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

_HISTORY = "__history_buffer__"


def to_plain(value: Any) -> Any:
    """Returns ``value`` made of dict, list, str, numbers, None and tensors only.

    MMEngine's ``HistoryBuffer`` becomes a marked dict that :func:`from_plain` turns back.

    Raises:
        TypeError: something in it has no plain form.
    """
    if isinstance(value, np.generic):  # before float: NumPy's float64 is one
        return value.item()
    if value is None or isinstance(value, str | bool | int | float | torch.Tensor):
        return value
    if isinstance(value, dict):
        return {to_plain(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.astype(np.float64))
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {_HISTORY: [to_plain(log), to_plain(count)], "max_length": value.max_length}
    raise TypeError(f"{type(value).__name__} has no plain form to put into a checkpoint")


def from_plain(value: Any) -> Any:
    """Turns the marked dicts of :func:`to_plain` back into ``HistoryBuffer``."""
    if isinstance(value, dict):
        if _HISTORY in value:
            log, count = (entry.numpy() for entry in value[_HISTORY])
            return HistoryBuffer(log, count, value["max_length"])
        return {key: from_plain(entry) for key, entry in value.items()}
    return value

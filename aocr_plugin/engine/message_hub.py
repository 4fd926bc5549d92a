"""What a training logs, without waiting for the GPU in every step."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import Tensor

_MOST = 1000  # values of a key that are kept as tensors


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.dtype == other.dtype


class DeferredMessageHub(MessageHub):
    """MMEngine's ``MessageHub``, which turns a tensor into a number when somebody wants it.

    MMEngine's takes each step's losses off the GPU at once, so the processor waits for the step's
    end before it prepares the next one, and then the GPU waits for the processor. Here they are
    read when they are logged or saved, all in one go. The numbers are the same. A history is whole
    when it is asked for: what wants it later asks again.

    Args:
        name: as for ``MessageHub``.
        **kwargs: as for ``MessageHub``.
    """

    _instance_dict: OrderedDict[str, MessageHub]

    def __init__(self, name: str, **kwargs: Any) -> None:
        self._waiting: dict[str, list[tuple[Tensor, int]]] = {}
        super().__init__(name, **kwargs)

    def update_scalar(self, key: str, value: Any, count: int = 1, resumed: bool = True) -> None:
        """Adds a value to a key's history; a tensor of one value may change afterwards."""
        if not isinstance(value, Tensor) or value.numel() != 1:
            self._read([key])
            super().update_scalar(key, value, count, resumed)
            return
        if not isinstance(count, int):
            raise TypeError(f"count is {count!r}; it must be a whole number")
        self._set_resumed_keys(key, resumed)
        waiting = self._waiting.get(key)
        if waiting and (len(waiting) == _MOST or not _alike(waiting[-1][0], value)):
            self._read([key])
        self._waiting.setdefault(key, []).append((value.detach().clone().reshape(()), count))

    def get_scalar(self, key: str) -> HistoryBuffer:
        """Returns a key's history."""
        self._read([key])
        if key not in self._log_scalars:
            raise KeyError(f"{key} is not found in the message hub {self.instance_name}")
        history: HistoryBuffer = self._log_scalars[key]
        return history

    @property
    def log_scalars(self) -> OrderedDict[str, HistoryBuffer]:
        """The histories by key."""
        self._read(list(self._waiting))
        found: OrderedDict[str, HistoryBuffer] = self._log_scalars
        return found

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps."""
        self._read(list(self._waiting))
        state: dict[str, Any] = super().state_dict()
        return state

    def load_state_dict(self, state_dict: Any) -> None:
        """Takes what :meth:`state_dict` gave, or another hub's histories."""
        if isinstance(state_dict, MessageHub):  # all of it is replaced
            self._waiting.clear()
        if isinstance(state_dict, DeferredMessageHub):
            state_dict._read(list(state_dict._waiting))
        super().load_state_dict(state_dict)

    def _read(self, keys: Iterable[str]) -> None:
        """Turns the keys' tensors into numbers."""
        for key in keys:
            waiting = self._waiting.pop(key, [])
            if not waiting:
                continue
            tensors, counts = zip(*waiting, strict=True)
            for value, count in zip(torch.stack(tensors).tolist(), counts, strict=True):
                super().update_scalar(key, value, count, self._resumed_keys[key])


DeferredMessageHub._instance_dict = MessageHub._instance_dict  # MMEngine's parts look there

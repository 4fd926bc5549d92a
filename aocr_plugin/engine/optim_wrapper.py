"""One switch for the precision of training, on CPUs too."""

import functools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmocr.registry import OPTIM_WRAPPERS
from torch import nn

from aocr_plugin.engine import param_groups
from aocr_plugin.errors import ConfigError

PRECISIONS = ("fp32", "bf16", "fp16", "auto")


def _seconds(dtype: torch.dtype) -> float:
    """Returns the time of a convolution, forward and backward, of this network's typical size."""
    conv = nn.Conv2d(128, 128, 3, padding=1, dtype=dtype)
    conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = torch.rand(16, 128, 8, 32).to(dtype=dtype, memory_format=torch.channels_last)
    image.requires_grad_(True)
    times = []
    for _ in range(6):
        start = time.perf_counter()
        conv(image).float().sum().backward()
        times.append(time.perf_counter() - start)
    return sorted(times)[1]


@functools.cache
def cpu_bf16_pays() -> bool:
    """Measures (a fraction of a second) whether this CPU is faster in bfloat16."""
    state = torch.get_rng_state()
    try:
        return _seconds(torch.bfloat16) < 0.8 * _seconds(torch.float32)
    except RuntimeError:
        return False
    finally:
        torch.set_rng_state(state)


def choose_precision(precision: str, device: str) -> str:
    """Returns the precision to use on a device.

    Args:
        precision: one of :data:`PRECISIONS`; "auto" is bf16 where the device is faster in it,
            else fp32.
        device: "cpu", "cuda", …

    Raises:
        ConfigError: unknown, or not to be had on this device.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is '{precision}'; it is one of {', '.join(PRECISIONS)}")
    if precision == "fp16" and device == "cpu":
        raise ConfigError("precision 'fp16' needs a GPU; on a CPU set it to 'bf16' or 'auto'")
    if precision != "auto":
        return precision
    if device == "cuda":
        return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp32"
    return "bf16" if device == "cpu" and cpu_bf16_pays() else "fp32"


class Lead:
    """How far the processor may be ahead of a GPU.

    While the GPU works at a step, the processor gets the next one ready. Without a limit it would
    hold the batches of many steps, and the times that are logged would be its own alone.

    Args:
        device: "cuda", or another, for which there is nothing to wait for.
        steps: that may be under way.
    """

    def __init__(self, device: str, steps: int = 2) -> None:
        self.device, self.steps = device, steps
        self._ends: deque[torch.cuda.Event] = deque()

    def end_step(self) -> None:
        """Waits, asleep, until no more than ``steps`` steps are under way."""
        if self.device != "cuda":
            return
        end = torch.cuda.Event(blocking=True)
        end.record()
        self._ends.append(end)
        if len(self._ends) > self.steps:
            self._ends.popleft().synchronize()


@OPTIM_WRAPPERS.register_module()
class PrecisionOptimWrapper(OptimWrapper):
    """Optimiser wrapper whose precision is one setting.

    MMEngine's ``AmpOptimWrapper`` refuses to run without a GPU; bf16 on a CPU works and is, on
    CPUs that have it, about twice as fast.

    Parameters with the same settings are one group: :mod:`aocr_plugin.engine.param_groups`.

    Args:
        precision: "fp32", "bf16", "fp16" (GPU only) or "auto".
        **kwargs: as for MMEngine's ``OptimWrapper``.
    """

    def __init__(self, precision: str = "fp32", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._merged = param_groups.merge(self.optimizer)
        self.device = get_device()
        self.precision = choose_precision(precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device, enabled=self.precision == "fp16")
        self._lead = Lead(self.device)

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Back-propagates the (scaled) loss."""
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Clips the gradients and updates the parameters."""
        if self.clip_grad_kwargs:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()
        self._lead.end_step()

    def _clip_grad(self) -> None:
        """Clips the gradients; unlike MMEngine's it does not wait for their norm."""
        groups = self.optimizer.param_groups
        learning = [
            parameter
            for group in groups
            for parameter in group["params"]
            if parameter.requires_grad and parameter.grad is not None
        ]
        norm = self.clip_func(learning, **self.clip_grad_kwargs) if learning else None
        if norm is not None:  # clipping by value has none
            self.message_hub.update_scalar(f"train/{self.grad_name}", norm)

    def state_dict(self) -> dict[str, Any]:
        """Returns the optimiser's state and the scaler's."""
        return super().state_dict() | {"loss_scaler": self.scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what :meth:`state_dict` gave; a missing scaler state is passed over."""
        state_dict = param_groups.regroup(state_dict, self.optimizer, self._merged)
        state_dict = dict(state_dict)
        scaler = state_dict.pop("loss_scaler", None)
        if scaler:
            self.scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Runs the forward pass in the chosen precision."""
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.precision)
        with (
            super().optim_context(model),
            torch.autocast(self.device, dtype=dtype, enabled=dtype is not None),
        ):
            yield

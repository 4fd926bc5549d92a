"""A loss and its gradients as two CUDA graphs that share memory with those of other batches."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Precision(NamedTuple):
    """What ``torch.autocast`` was set to.

    Attributes:
        enabled: whether it was on.
        dtype: of what it lets be computed in less precision.
    """

    enabled: bool
    dtype: torch.dtype


def _forward(loss: nn.Module, given: Sequence[Tensor], precision: Precision) -> Tensor:
    """Returns a loss; weights are converted in it, not once for several."""
    kind = given[0].device.type
    with torch.autocast(kind, precision.dtype, precision.enabled, cache_enabled=False):
        value: Tensor = loss(*given)
    return value


def _backward(
    value: Tensor, parameters: Sequence[Tensor], slope: Tensor
) -> Sequence[Tensor | None]:
    """Returns gradients, in the precision of the forward pass; autocast is none of their business.

    MMEngine learns outside of it; in it, STN's products in float32 would be of bfloat16.
    """
    with torch.autocast(value.device.type, enabled=False):
        return torch.autograd.grad(value, parameters, slope, allow_unused=True)


class Recording:
    """A loss and its gradients for one size of batch, as two graphs.

    PyTorch's ``make_graphed_callables`` gives each size gradients of its own, empties what was kept
    of pinned memory, and ends the training with an error where a thread pins batches meanwhile.

    Args:
        loss: of the tensors ``given``.
        given: a batch; later ones are copied into a copy of it.
        precision: that it is learnt in.
        shared: what all recordings of a model have in common.
    """

    def __init__(
        self, loss: nn.Module, given: Sequence[Tensor], precision: Precision, shared: "Shared"
    ) -> None:
        self.shared = shared
        self._given = [tensor.clone() for tensor in given]
        shared.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(shared.stream), _aliases(loss) as aliases:
            # once as always: kernels are chosen, and is seen which parameters learn
            value = _forward(loss, self._given, precision)
            self.slope = torch.ones_like(value)
            wanted = [alias for alias in aliases if alias.requires_grad]
            found = _backward(value, wanted, self.slope)
            used = [alias for alias, grad in zip(wanted, found, strict=True) if grad is not None]
            self.parameters = [aliases[alias] for alias in used]
            self.gradients = [shared.gradient(parameter) for parameter in self.parameters]
            del value, found
            torch.cuda.synchronize()
            self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
            with _captured(self.forward, shared.pool):
                self.loss = _forward(loss, self._given, precision)
            with _captured(self.backward, shared.pool):
                found = _backward(self.loss, used, self.slope)
                torch._foreach_copy_(self.gradients, [grad for grad in found if grad is not None])
            del found
        self.loss = self.loss.detach()
        torch.cuda.current_stream().wait_stream(shared.stream)

    def __call__(self, given: Sequence[Tensor]) -> Tensor:
        """Returns the loss of a batch."""
        for place, tensor in zip(self._given, given, strict=True):
            place.copy_(tensor)
        loss: Tensor = _Replay.apply(self, *self.parameters)
        return loss


def _stay() -> None:
    """Stands for ``flatten_parameters``, which moves weights to other memory."""


class Shared:
    """What a model's recordings have in common: a stream, memory and gradients.

    They read the weights where these lie, so LSTMs do not put theirs together anew from now on.

    Args:
        model: that is recorded.
    """

    def __init__(self, model: nn.Module) -> None:
        for part in model.modules():
            if isinstance(part, nn.RNNBase):
                part.flatten_parameters = _stay  # type: ignore[method-assign]
        self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()
        self.turn = 0  # number of the loss that was computed last
        self._gradients: dict[Tensor, Tensor] = {}

    def gradient(self, parameter: Tensor) -> Tensor:
        """Returns where a parameter's gradient is written."""
        if parameter not in self._gradients:
            self._gradients[parameter] = torch.empty_like(parameter, requires_grad=False)
        return self._gradients[parameter]


class _Replay(torch.autograd.Function):
    """A recorded loss, learnt from through the recorded gradients."""

    @staticmethod
    def forward(ctx: Any, recording: Recording, *parameters: Tensor) -> Tensor:
        recording.shared.turn += 1
        ctx.recording, ctx.turn = recording, recording.shared.turn
        recording.forward.replay()
        return recording.loss.clone()  # the next replay writes into it

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        recording: Recording = ctx.recording
        if ctx.turn != recording.shared.turn:
            raise RuntimeError(
                "the loss of another batch was computed before this one was learnt from, and "
                "recorded batches share their memory: learn from each first, or set "
                "cuda_graphs=False"
            )
        recording.slope.copy_(grads[0])
        recording.backward.replay()
        return None, *(gradient.detach() for gradient in recording.gradients)


@contextmanager
def _aliases(module: nn.Module) -> Iterator[dict[nn.Parameter, nn.Parameter]]:
    """Lets others that share their memory stand for a module's parameters, which they map to.

    Autograd remembers of a parameter, as long as any loss of it is alive, on which stream it was
    used first, and would wait for that one, which must not be while something is recorded.
    """
    places = [
        (part, name, parameter)
        for part in module.modules()
        for name, parameter in part.named_parameters(recurse=False, remove_duplicate=False)
    ]
    own = {
        parameter: nn.Parameter(parameter.detach(), parameter.requires_grad)
        for _, _, parameter in places
    }
    try:
        for part, name, parameter in places:
            setattr(part, name, own[parameter])
        yield {alias: parameter for parameter, alias in own.items()}
    finally:
        for part, name, parameter in places:
            setattr(part, name, parameter)


@contextmanager
def _captured(graph: torch.cuda.CUDAGraph, pool: Any) -> Iterator[None]:
    """Records into a graph what the current stream is asked for; other threads go on."""
    graph.capture_begin(pool, capture_error_mode="thread_local")
    try:
        yield
    finally:
        graph.capture_end()

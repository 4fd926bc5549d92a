"""CUDA graphs: a training step's forward and backward pass as two launches.

An attention decoder is thousands of small kernels, which a GPU has done before Python has asked for
the next. Recorded once for a size of batch, they are replayed without Python.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from aocr_plugin.models.transfers import moved

_TRIED = 2  # batches of a size that are learnt from one by one before it is recorded
_MOST = 96  # sizes recorded; each keeps a batch
_Size = tuple[Any, ...]


class _Loss(nn.Module):
    """A recogniser's loss as a function of tensors.

    Args:
        model: an ``AOCR`` with ``AttentionDecoder``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor, targets: Tensor, widths: Tensor | None = None) -> Tensor:
        """Maps images [N, C, H, W], symbols [N, L], start first, and widths [N] to the mean loss.

        Without widths nothing is padding.
        """
        feat, encoded = self.model.encode_lines(images, widths)
        decoder = self.model.decoder
        logits = decoder.teacher_forced(feat, encoded, targets[:, :-1]).logits
        loss = decoder.module_loss
        mean: Tensor = loss.per_image(logits, targets[:, 1:], loss.label_smoothing).mean()
        return mean


class _Precision(NamedTuple):
    """What ``torch.autocast`` was set to.

    Attributes:
        enabled: whether it was on.
        dtype: of what it lets be computed in less precision.
    """

    enabled: bool
    dtype: torch.dtype


def _forward(loss: nn.Module, given: Sequence[Tensor], precision: _Precision) -> Tensor:
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


class _Recording:
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
        self, loss: nn.Module, given: Sequence[Tensor], precision: _Precision, shared: "_Shared"
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


class _Shared:
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
    def forward(ctx: Any, recording: _Recording, *parameters: Tensor) -> Tensor:
        recording.shared.turn += 1
        ctx.recording, ctx.turn = recording, recording.shared.turn
        recording.forward.replay()
        return recording.loss.clone()  # the next replay writes into it

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        recording: _Recording = ctx.recording
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


def rounded_width(width: int) -> int:
    """Returns the width that padded batches are made, so that few sizes do.

    Eight to the doubling, so at most an eighth more; a multiple of 8.
    """
    step = max(8, 2 ** (width.bit_length() - 4))
    return -(-width // step) * step


class GraphedLoss:
    """The loss of batches, recorded for each size of batch that comes again.

    Learning is the same as without, but that a batch with padding gets a little more of it, up to
    a width that others have too: only BatchNorm's averages over a batch know of that. One GPU
    alone: with several processes, on a CPU, for sizes seen too seldom and while gradients of
    several batches are added up, nothing is recorded.

    The recordings share their memory, so a batch has to be learnt from before the next one's loss
    is computed, and its gradients hold until then: what MMEngine's runner does. Where weights have
    moved, begin or cease to learn, or a layer's mode has changed, recording begins anew.

    Args:
        model: an ``AOCR`` with ``AttentionDecoder``.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model: Any = model
        self._seen: Counter[_Size] = Counter()
        self._graphs: dict[_Size, _Recording] = {}
        self._shared: _Shared | None = None
        self._state: list[Any] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets a copy of the model record for itself."""
        return GraphedLoss, (self._model,)

    def is_ready(self, images: Tensor) -> bool:
        """Whether batches can be recorded and replayed here and now."""
        learning = self._model.training and torch.is_grad_enabled()
        alone = not dist.is_initialized() or dist.get_world_size() == 1
        if not (images.is_cuda and learning and alone):
            return False
        # a replay would write into the gradients that are added to
        return all(parameter.grad is None for parameter in self._model.parameters())

    def __call__(self, images: Tensor, rows: Tensor, widths: Tensor | None = None) -> Tensor | None:
        """Returns the loss of a batch, or None where it has to be computed as always.

        Args:
            images: [N, C, H, W], of which :meth:`is_ready` is true.
            rows: [N, L] start, characters, end and padding of each label.
            widths: [N] pixel columns that are not padding, on the images' device, or None: all.
        """
        padding = self._model.decoder.module_loss.pad_idx
        rows = F.pad(rows, (0, -rows.size(1) % 4), value=padding)  # fewer sizes
        width = images.size(3) if widths is None else rounded_width(images.size(3))
        precision = _Precision(torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda"))
        size = (*images.shape[:3], width, rows.size(1), widths is not None, precision)
        self._forget_if_changed()
        self._seen[size] += 1
        if size not in self._graphs and (self._seen[size] <= _TRIED or len(self._graphs) == _MOST):
            return None
        if width > images.size(3):
            images = F.pad(images, (0, width - images.size(3)))
        given = [images, moved(rows, images.device), *([] if widths is None else [widths])]
        if size not in self._graphs:
            self._graphs[size] = self._record(given, precision)
        return self._graphs[size](given)

    def _forget_if_changed(self) -> None:
        """Drops recordings of another state of the network than today's."""
        state: list[Any] = [(p.data_ptr(), p.requires_grad) for p in self._model.parameters()]
        state += [buffer.data_ptr() for buffer in self._model.buffers()]
        state += [part.training for part in self._model.modules()]
        if state != self._state:
            self._graphs.clear()
            self._seen.clear()
            self._shared, self._state = None, state

    def _record(self, given: Sequence[Tensor], precision: _Precision) -> _Recording:
        """Records the loss of a size; BatchNorm's averages do not move by that."""
        self._shared = self._shared or _Shared(self._model)
        before = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        recording = _Recording(_Loss(self._model), given, precision, self._shared)
        for buffer, values in before:
            buffer.copy_(values)
        return recording

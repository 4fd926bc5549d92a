"""CUDA graphs: a training step's forward and backward pass as two launches.

An attention decoder is thousands of small kernels, which a GPU has done before Python has asked for
the next. Recorded once for a size of batch, they are replayed without Python.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from aocr_plugin.models.recognizers.recordings import Precision, Recording, Shared
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
        self._graphs: dict[_Size, Recording] = {}
        self._shared: Shared | None = None
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
        precision = Precision(torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda"))
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

    def _record(self, given: Sequence[Tensor], precision: Precision) -> Recording:
        """Records the loss of a size; BatchNorm's averages do not move by that."""
        self._shared = self._shared or Shared(self._model)
        before = [(buffer, buffer.clone()) for buffer in self._model.buffers()]
        recording = Recording(_Loss(self._model), given, precision, self._shared)
        for buffer, values in before:
            buffer.copy_(values)
        return recording

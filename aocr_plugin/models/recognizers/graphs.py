"""CUDA graphs: a training step's forward and backward pass as two launches.

An attention decoder is thousands of small kernels, which a GPU has done before Python has asked for
the next. Recorded once for a size of batch, they are replayed without Python.
"""

from collections import Counter
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aocr_plugin.models.transfers import moved

_TRIED = 2  # batches of a size that are learnt from one by one before it is recorded
_MOST = 4  # sizes recorded; each keeps memory of its own


class _Loss(nn.Module):
    """A recogniser's loss as a function of tensors.

    Args:
        model: an ``AOCR`` with ``AttentionDecoder``.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        """Maps images [N, C, H, W] and symbols [N, L], start symbol first, to the mean loss."""
        feat, encoded = self.model.encode(images, None)
        decoder = self.model.decoder
        logits = decoder.teacher_forced(feat, encoded, targets[:, :-1]).logits
        loss = decoder.module_loss
        mean: Tensor = loss.per_image(logits, targets[:, 1:], loss.label_smoothing).mean()
        return mean


class GraphedLoss:
    """The loss of batches without padding, recorded for each size of batch that comes again.

    Learning is the same as without. One GPU alone: with several processes, on a CPU, for sizes seen
    too seldom and while gradients of several batches are added up, nothing is recorded.

    Args:
        model: an ``AOCR`` with ``AttentionDecoder``.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model: Any = model
        self._seen: Counter[tuple[int, ...]] = Counter()
        self._graphs: dict[tuple[int, ...], Any] = {}

    def is_ready(self, images: Tensor) -> bool:
        """Whether batches can be recorded and replayed here and now."""
        learning = self._model.training and torch.is_grad_enabled()
        alone = not dist.is_initialized() or dist.get_world_size() == 1
        if not (images.is_cuda and learning and alone):
            return False
        # a replay would write into the gradients that are added to
        return all(parameter.grad is None for parameter in self._model.parameters())

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor | None:
        """Returns the loss of a batch, or None where it has to be computed as always.

        Args:
            images: [N, C, H, W], of which :meth:`is_ready` is true.
            rows: [N, L] start, characters, end and padding of each label.
        """
        padding = self._model.decoder.module_loss.pad_idx
        rows = nn.functional.pad(rows, (0, -rows.size(1) % 4), value=padding)  # fewer sizes
        targets = moved(rows, images.device)
        size = (*images.shape, rows.size(1))
        self._seen[size] += 1
        enabled, dtype = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
        with torch.autocast("cuda", dtype, enabled=enabled, cache_enabled=False):
            if size not in self._graphs:
                if self._seen[size] <= _TRIED or len(self._graphs) == _MOST:
                    return None
                self._graphs[size] = torch.cuda.make_graphed_callables(
                    _Loss(self._model), (images, targets), allow_unused_input=True
                )
            loss: Tensor = self._graphs[size](images, targets)
        return loss.clone()  # the next replay writes into it

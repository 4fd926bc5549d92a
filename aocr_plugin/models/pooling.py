"""Max pooling that keeps little until the backward pass, and is quick where there is none.

PyTorch keeps the pooling's whole input, of which it needs the shape alone, and the place of each
maximum as a 64-bit number. Of the network's activations those are a third.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from aocr_plugin.models.widths import recorded


class _MaxPool(torch.autograd.Function):
    """Keeps the places of the maxima as 32-bit numbers."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: tuple[int, int]) -> Tensor:
        pooled, places = F.max_pool2d(x, window, ceil_mode=True, return_indices=True)
        ctx.save_for_backward(places.int())
        ctx.size = x.shape[2:]
        ctx.layout = torch.contiguous_format
        if x.is_contiguous(memory_format=torch.channels_last):
            ctx.layout = torch.channels_last
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        grad = grads[0].contiguous(memory_format=ctx.layout)
        return torch.ops.aten.max_unpool2d(grad, places.long(), ctx.size), None


def _halved(x: Tensor, dim: int) -> Tensor:
    """Returns the larger of each two neighbours along ``dim``, 2 or 3; the last may be alone."""
    first, second = (x[:, :, start::2] if dim == 2 else x[..., start::2] for start in (0, 1))
    if x.size(dim) % 2 == 0:
        return torch.maximum(first, second)
    larger = first.clone(memory_format=torch.preserve_format)
    pairs = larger.narrow(dim, 0, x.size(dim) // 2)
    torch.maximum(pairs, second, out=pairs)
    return larger


def reads(x: Tensor) -> bool:
    """Whether [N, C, H, W] lies channels last on a CPU and nothing learns from or records this."""
    watched = torch.is_grad_enabled() or recorded() or torch.compiler.is_compiling()
    is_last = x.is_contiguous(memory_format=torch.channels_last)
    return x.device.type == "cpu" and is_last and not watched


def max_pool(x: Tensor, window: tuple[int, int]) -> Tensor:
    """Maps [N, C, H, W] to [N, C, ceil(H / window[0]), ceil(W / window[1])].

    Windows do not overlap; one that reaches over the edge counts what is inside. Output and
    gradient are those of ``torch.nn.functional.max_pool2d``, which a GPU takes. It finds the places
    of the maxima too, so where only values are wanted and windows are two high or wide, neighbours
    are compared instead.
    """
    if x.device.type == "cpu" and x.requires_grad and torch.is_grad_enabled():
        pooled: Tensor = _MaxPool.apply(x, window)
        return pooled
    if max(window) == 2 and reads(x):
        for dim, size in zip((2, 3), window, strict=True):
            x = _halved(x, dim) if size == 2 else x
        return x
    return F.max_pool2d(x, window, ceil_mode=True)


class Pooled(NamedTuple):
    """The largest value of each window."""

    values: Tensor  # [N, C, h, w]
    places: Tensor  # [N, C, h, w], int32: in the flattened plane


def pool_by_rank(
    x: Tensor, falling: Tensor | None, window: tuple[int, int], valid: Tensor | None
) -> Pooled:
    """Pools channels-last [N, C, H, W] by what is largest after normalisation.

    Args:
        x: not yet normalised.
        falling: [C], whether the channel's weight is negative: its smallest value is the largest
            then. None: no weight is.
        window: height and width, no overlap; counts what is inside.
        valid: [N, 1, 1, W] or None. A window that begins in the image and ends in the padding
            counts its image alone; the zeros that padding becomes change nothing after ReLU.
    """
    sign = None
    if falling is not None:
        sign = torch.where(falling, -1.0, 1.0).to(x.dtype).view(1, -1, 1, 1)
    rising = x if sign is None else x * sign
    values, places = F.max_pool2d(rising, window, ceil_mode=True, return_indices=True)
    if valid is not None and window[1] > 1:
        widths = valid.sum(dim=3, dtype=torch.float32).flatten().long()
        (cut,) = torch.where((widths % window[1] > 0) & (widths < x.size(3)))
        column = (widths[cut] // window[1] * window[1])[:, None] + torch.arange(window[1])
        ends = rising[cut[:, None], :, :, column.clamp(max=x.size(3) - 1)].permute(0, 2, 3, 1)
        beyond = (column >= widths[cut, None])[:, None, None]
        ends = ends.masked_fill(beyond, torch.finfo(x.dtype).min)  # [cut, C, H, window[1]]
        best, place = F.max_pool2d(ends, window, ceil_mode=True, return_indices=True)
        place = place // window[1] * x.size(3) + place % window[1] + column[:, :1, None, None]
        values[cut, :, :, column[:, 0] // window[1]] = best[..., 0]
        places[cut, :, :, column[:, 0] // window[1]] = place[..., 0]
    if sign is not None:
        values = values * sign
    return Pooled(values, places.int())

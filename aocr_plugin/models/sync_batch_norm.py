"""BatchNorm over the batches of all processes, on CPUs.

PyTorch's ``SyncBatchNorm`` refuses CPU tensors, and so does mmcv's; MMEngine's ``sync_bn`` offers
these two. Without one, each process normalises by its own part of the batch, and two processes do
not train what one does with the doubled batch.

PyTorch's own kernels add up a channels-last batch number by number in float32: on images with large
even areas their mean and variance are wrong in the fourth digit, by how much depends on the number
of images, and the gradients, through ReLU and max-pooling, in the second. So in float32 the layers
here take mean and variance by means, which PyTorch sums up pairwise, and hand the gradient's kernel
a few images at a time and add up its sums in float64, in one process too.

Source: the formulas are those of Ioffe and Szegedy, "Batch Normalization" (2015); statistics and
normalisation are PyTorch's own kernels where these are exact.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

Norm = nn.modules.batchnorm._BatchNorm
_AT_ONCE = 2048  # values of a channel that a kernel adds up


def _ranks() -> int:
    """Returns the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def _inexact(x: Tensor) -> bool:
    """Whether PyTorch's sums over [N, C, ...] are those that are wrong in the fourth digit."""
    return x.dim() == 4 and x.dtype == torch.float32 and not x.is_cuda and not x.is_contiguous()


def _parts(x: Tensor) -> tuple[Tensor, ...]:
    """Cuts channels-last [N, C, H, W] into parts [n, C, 1, W] whose sums are exact enough."""
    lines = x.permute(0, 2, 3, 1).reshape(-1, 1, x.size(3), x.size(1)).permute(0, 3, 1, 2)
    return lines.split(max(1, _AT_ONCE // x.size(3)))


class _Normalise(torch.autograd.Function):
    """Normalises [N, C, ...] by mean and variance [C] of the batches of all ranks."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        var: Tensor,
        total: float,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, var)
        ctx.total, ctx.eps = total, eps
        return nn.functional.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        x, weight, mean, var = ctx.saved_tensors
        scale = torch.rsqrt(var + ctx.eps)
        unit = torch.ones_like(mean) if weight is None else weight
        # sums over this rank of grads[0] * x, normalised, and of grads[0]
        pairs: Any = [(grads[0], x)]
        if _inexact(x):
            slopes = grads[0].contiguous(memory_format=torch.channels_last)
            pairs = zip(_parts(slopes), _parts(x), strict=True)
        found = [
            torch.stack(
                torch.ops.aten.native_batch_norm_backward(
                    *pair, unit, mean, var, None, None, False, ctx.eps, [False, True, True]
                )[1:]
            )
            for pair in pairs
        ]
        grad_weight, grad_bias = found[0] if len(found) == 1 else _sum(found)
        sums = torch.stack([grad_weight, grad_bias]).to(mean.dtype)
        if _ranks() > 1:
            dist.all_reduce(sums)
        sums /= -ctx.total
        slope = (unit * scale).to(x.dtype).view(1, -1, *[1] * (x.dim() - 2))
        # unit * scale * (grads[0] - its mean - x, normalised, times the mean of their product)
        grad = nn.functional.batch_norm(
            x, mean, var, unit * scale * sums[0], unit * scale * sums[1], False, 0.0, ctx.eps
        )
        grad.addcmul_(grads[0], slope)
        if weight is None:
            return grad, None, None, None, None, None, None
        return grad, grad_weight, grad_bias, None, None, None, None


def world_statistics(x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Returns mean [C] and biased variance [C] of [N, C, ...] over all ranks, and their count."""
    mean, var = _statistics(x)
    mine = torch.cat([mean, var, mean.new_tensor([x.numel() // x.size(1)])])
    parts = [mine]
    if _ranks() > 1:
        parts = [torch.empty_like(mine) for _ in range(_ranks())]
        dist.all_gather(parts, mine)
    stacked = torch.stack(parts)
    means, variances, counts = (*stacked[:, :-1].chunk(2, dim=1), stacked[:, -1:])
    total = counts.sum()
    mean = (means * counts).sum(dim=0) / total
    var = ((variances + (means - mean) ** 2) * counts).sum(dim=0) / total
    return mean, var, float(total)


def _statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns mean [C] and biased variance [C] of this process's [N, C, ...]."""
    if not _inexact(x):
        return _kernel_statistics(x)
    rest = (0, 2, 3)
    mean = x.mean(rest, keepdim=True)  # these sums PyTorch makes pairwise
    return mean.flatten(), (x - mean).square_().mean(rest)


def _kernel_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns mean [C] and biased variance [C] of [N, C, ...] as PyTorch's kernel adds them up."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    unused = torch.zeros(x.size(1), dtype=dtype, device=x.device)  # asks for sums of that precision
    mean, var = torch.batch_norm_update_stats(x, unused, unused.clone(), 0.0)
    return mean, var


def _sum(parts: list[Tensor]) -> Tensor:
    """Returns the sum of float32 tensors, added up in float64."""
    return torch.stack(parts).sum(dim=0, dtype=torch.float64).to(parts[0].dtype)


class _Synced(Norm):
    """What the layers below share; see the module's docstring."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises [N, C, ...]; as ``BatchNorm`` where it does not train or is alone.

        Alone, channels-last float32 is normalised here all the same, for its exacter sums.
        """
        if not self.training or (_ranks() == 1 and not _inexact(x)):
            return super().forward(x)
        self._check_input_dim(x)
        with torch.no_grad():
            mean, var, total = world_statistics(x)
            if self.track_running_stats and self.running_mean is not None:
                self._follow(mean, var * (total / max(1.0, total - 1)))
        result: Tensor = _Normalise.apply(x, self.weight, self.bias, mean, var, total, self.eps)
        return result

    def _follow(self, mean: Tensor, var: Tensor) -> None:
        """Moves the running averages."""
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        share = self.momentum
        if share is None:
            share = 1.0 / float(self.num_batches_tracked)  # type: ignore[arg-type]
        self.running_mean.lerp_(mean.to(self.running_mean), share)  # type: ignore[union-attr]
        self.running_var.lerp_(var.to(self.running_var), share)  # type: ignore[union-attr]


class SyncedBatchNorm1d(_Synced, nn.BatchNorm1d):
    """``BatchNorm1d`` over all processes."""


class SyncedBatchNorm2d(_Synced, nn.BatchNorm2d):
    """``BatchNorm2d`` over all processes."""


_KINDS: dict[type[Norm], type[Norm]] = {
    nn.BatchNorm1d: SyncedBatchNorm1d,
    nn.BatchNorm2d: SyncedBatchNorm2d,
}


def synced(module: nn.Module) -> nn.Module:
    """Replaces each ``BatchNorm1d`` and ``BatchNorm2d`` of a model by one over all processes.

    Weights, running averages and their names stay, so checkpoints fit either form.

    Args:
        module: changed in place.

    Returns:
        The same module, or what stands for it if it is a BatchNorm itself.
    """
    kind = _KINDS.get(type(module))  # type: ignore[arg-type]
    if kind is not None:
        layer = kind.__new__(kind)
        layer.__dict__ = module.__dict__
        return layer
    for name, child in module.named_children():
        setattr(module, name, synced(child))
    return module

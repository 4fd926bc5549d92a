"""BatchNorm over the batches of all processes, on CPUs, with the pooling and ReLU that follow it.

PyTorch's ``SyncBatchNorm`` refuses CPU tensors, and so does mmcv's; MMEngine's ``sync_bn`` offers
these two. Without one, each process normalises by its own part of the batch, and two processes do
not train what one does with the doubled batch.

PyTorch's own kernels add up a channels-last batch number by number in float32: on images with large
even areas their mean and variance are wrong in the fourth digit, by how much depends on the number
of images, and the gradients, through ReLU and max-pooling, in the second. So in float32 the layers
here make all sums as plain sums, which PyTorch makes pairwise, in one process too.

Most of a small network's time beside its convolutions goes into passes over what they put out.
Normalising keeps the order of a channel's values (or turns it round), so the largest of a window is
found first and what is normalised, freed of padding and cut off at zero is a quarter or half as
much; backwards, all but one pass go over that smaller part too.

Source: the formulas are those of Ioffe and Szegedy, "Batch Normalization" (2015); normalisation is
PyTorch's own kernel, and so are the sums where that is exact.
"""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from aocr_plugin.models.pooling import pool_by_rank

Norm = nn.modules.batchnorm._BatchNorm


def _ranks() -> int:
    """Returns the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def _channels_last(x: Tensor) -> bool:
    """Whether [N, C, H, W] lies channels last."""
    return x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)


def _inexact(x: Tensor) -> bool:
    """Whether PyTorch's sums over [N, C, ...] are those that are wrong in the fourth digit."""
    return x.dim() == 4 and x.dtype == torch.float32 and not x.is_cuda and not x.is_contiguous()


def _sums(grad: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Returns the sums [C] of grad * (x - mean) / sqrt(var + eps) and of grad, both [N, C, ...]."""
    if _inexact(x):
        rest = (0, 2, 3)
        products = (x - mean.view(1, -1, 1, 1)).mul_(grad)
        return products.sum(rest) * torch.rsqrt(var + eps), grad.sum(rest)
    found = torch.ops.aten.native_batch_norm_backward(
        grad, x, torch.ones_like(mean), mean, var, None, None, False, eps, [False, True, True]
    )
    return found[1], found[2]


class _Normalise(torch.autograd.Function):
    """Normalises [N, C, ...] by mean and variance [C] of the batches of all ranks.

    With ``relu`` it does what comes after that, too: pools by ``window``, if there is one, sets
    what is not ``valid`` [N, 1, 1, W] to zero, and what is below zero.
    """

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
        relu: bool = False,
        window: tuple[int, int] | None = None,
        valid: Tensor | None = None,
    ) -> Tensor:
        values, places = x, None
        if window is not None:
            falling = None if weight is None or bool((weight >= 0).all()) else weight < 0
            values, places = pool_by_rank(x, falling, window, valid)
        y = F.batch_norm(values, mean, var, weight, bias, False, 0.0, eps)
        if valid is not None:
            if window is not None:
                valid = F.max_pool2d(valid, (1, window[1]), ceil_mode=True)
            y.mul_(valid)
        if relu:
            y.relu_()
        ctx.save_for_backward(x, values, places, y if relu else None, weight, mean, var)
        ctx.total, ctx.eps, ctx.has_bias = total, eps, bias is not None
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        x, values, places, y, weight, mean, var = ctx.saved_tensors
        (grad_y,) = grads
        if _channels_last(x):
            grad_y = grad_y.contiguous(memory_format=torch.channels_last)
        if y is not None:
            grad_y = torch.ops.aten.threshold_backward(grad_y, y, 0)
        scale = torch.rsqrt(var + ctx.eps)
        grad_weight, grad_bias = _sums(grad_y, values, mean, var, ctx.eps)
        sums = torch.stack([grad_weight, grad_bias]).to(mean.dtype)
        if _ranks() > 1:
            dist.all_reduce(sums)
        sums /= -ctx.total
        slope = scale if weight is None else weight * scale
        # slope * (grad_y - its mean - x, normalised, times the mean of their product)
        grad = F.batch_norm(x, mean, var, slope * sums[0], slope * sums[1], False, 0.0, ctx.eps)
        of_each = slope.to(x.dtype).view(1, -1, *[1] * (x.dim() - 2))
        if places is None:
            grad.addcmul_(grad_y, of_each)
        else:
            n, c = x.shape[:2]
            flat = grad.permute(0, 2, 3, 1).view(n, -1, c)
            where, more = (t.permute(0, 2, 3, 1).view(n, -1, c) for t in (places, grad_y * of_each))
            flat.scatter_add_(1, where.long(), more)
        of_weights = (
            None if weight is None else grad_weight,
            grad_bias if ctx.has_bias else None,
        )
        return grad, *of_weights, *(None,) * 7


def world_statistics(x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Returns mean [C] and biased variance [C] of [N, C, ...] over all ranks, and their count."""
    mean, var = _statistics(x)
    count = x.numel() // x.size(1)
    if _ranks() == 1:
        return mean, var, float(count)
    mine = torch.cat([mean, var, mean.new_tensor([count])])
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
    return mean.flatten(), F.mse_loss(x, mean.expand_as(x), reduction="none").mean(rest)


def _kernel_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns mean [C] and biased variance [C] of [N, C, ...] as PyTorch's kernel adds them up."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    unused = torch.zeros(x.size(1), dtype=dtype, device=x.device)  # asks for sums of that precision
    mean, var = torch.batch_norm_update_stats(x, unused, unused.clone(), 0.0)
    return mean, var


class _Synced(Norm):
    """What the layers below share; see the module's docstring."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalises [N, C, ...]; as ``BatchNorm`` where it does not train or is alone.

        Alone, channels-last float32 is normalised here all the same, for its exacter sums.
        """
        if not self.training or (_ranks() == 1 and not _inexact(x)):
            return super().forward(x)
        return self._normalised(x)

    def _normalised(self, x: Tensor, *what_follows: Any) -> Tensor:
        """Normalises [N, C, ...] by the batch's own mean and variance; see ``_Normalise``."""
        self._check_input_dim(x)
        with torch.no_grad():
            mean, var, total = world_statistics(x)
            if self.track_running_stats and self.running_mean is not None:
                self._follow(mean, var * (total / max(1.0, total - 1)))
        result: Tensor = _Normalise.apply(
            x, self.weight, self.bias, mean, var, total, self.eps, *what_follows
        )
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

    def activates(self, x: Tensor) -> bool:
        """Whether ``activated`` takes [N, C, H, W]: while it learns, channels last, on a CPU.

        Not where hooks look at the layer, which want to see what it alone does.
        """
        hooks = [self._forward_pre_hooks, self._forward_hooks]
        hooks += [self._backward_pre_hooks, self._backward_hooks]
        learns = self.training and torch.is_grad_enabled() and not any(hooks)
        return learns and x.device.type == "cpu" and _channels_last(x)

    def activated(
        self, x: Tensor, window: tuple[int, int] | None = None, valid: Tensor | None = None
    ) -> Tensor:
        """Maps [N, C, H, W] to relu(max_pool(norm(x) * valid)) in fewer passes.

        Args:
            x: channels last, on a CPU.
            window: height and width of the pooling's windows, as in
                :func:`aocr_plugin.models.pooling.max_pool`; None: nothing is pooled.
            valid: [N, 1, 1, W], 1 where a column is image and 0 where it is padding.
        """
        return self._normalised(x, True, window, valid)


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

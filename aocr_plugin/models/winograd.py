"""3 x 3 convolutions that learn with fewer the multiplications.

PyTorch's float32 convolutions on CPUs multiply out every product, and the gradient of their weights
runs at about half the speed of their output. Winograd's minimal filtering F(4 x 4, 3 x 3) makes
4 x 4 outputs of 36 products a pair of channels instead of 144, in 36 plain matrix products,
forwards and backwards. What that saves is more than what its transforms cost from some 100 channels
on.

Only training in float32 on a CPU takes it: its rounding errors are those of float32 times a few
(1e-5 of the largest output), too small to matter for learning, but reading stays the same to the
last digit.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.3, for
the three matrices; the gradients are the transforms' transposes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_TILE = 4  # outputs a tile has each way; it reads two pixels more
_PATCH = _TILE + 2
_FEWEST_CHANNELS = 128  # where it begins to pay; few channels take much memory for little time


def _both_ways(rows: list[list[float]]) -> Tensor:
    """Returns the matrix that applies one to the rows and to the columns of a flattened square."""
    matrix = torch.tensor(rows, dtype=torch.float64)
    return torch.kron(matrix, matrix).float()


_IMAGE = _both_ways(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = _both_ways(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_OUTPUT = _both_ways(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
)


def _tiles(size: int) -> int:
    return -(-size // _TILE)


def _transformed_image(x: Tensor) -> Tensor:
    """Maps [N, C, H, W] to [36, tiles, C]."""
    n, c, h, w = x.shape
    rows, columns = _tiles(h), _tiles(w)
    right, below = columns * _TILE - w + 1, rows * _TILE - h + 1
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, right, 1, below))
    image, row, pixel, channel = padded.stride()
    patches = padded.as_strided(
        (n, rows, columns, _PATCH, _PATCH, c),
        (image, _TILE * row, _TILE * pixel, row, pixel, channel),
    )
    return torch.matmul(_IMAGE, patches.reshape(-1, _PATCH**2, c)).transpose(0, 1)


def _transformed_kernel(weight: Tensor) -> Tensor:
    """Maps [K, C, 3, 3] to [36, C, K]."""
    k, c = weight.shape[:2]
    return torch.matmul(_KERNEL, weight.permute(0, 2, 3, 1).reshape(k, 9, c)).permute(1, 2, 0)


def _transformed_slopes(grad: Tensor) -> Tensor:
    """Maps the gradient [N, K, H, W] of the output to that of the products, [36, tiles, K]."""
    n, k, h, w = grad.shape
    rows, columns = _tiles(h), _tiles(w)
    whole = F.pad(grad.permute(0, 2, 3, 1), (0, 0, 0, columns * _TILE - w, 0, rows * _TILE - h))
    tiles = whole.reshape(n, rows, _TILE, columns, _TILE, k).transpose(2, 3)
    return torch.matmul(_OUTPUT.T, tiles.reshape(-1, _TILE**2, k)).transpose(0, 1)


def _output(products: Tensor, n: int, h: int, w: int) -> Tensor:
    """Maps the products [36, tiles, K] to [N, K, H, W], channels last."""
    k = products.size(2)
    tiles = torch.mm(_OUTPUT, products.view(_PATCH**2, -1))
    tiles = tiles.view(_TILE, _TILE, n, _tiles(h), _tiles(w), k)
    y = products.new_empty(n, h, w, k)
    for i in range(_TILE):
        for j in range(_TILE):
            part = y[:, i::_TILE, j::_TILE]
            part.copy_(tiles[i, j, :, : part.size(1), : part.size(2)])
    return y.permute(0, 3, 1, 2)


def _image_slopes(patches: Tensor, n: int, h: int, w: int) -> Tensor:
    """Maps the gradient [36, tiles, C] of the transformed image to that of [N, C, H, W].

    Adds up what tiles share: a tile's last two rows and columns are its neighbours' first two.
    """
    c = patches.size(2)
    rows, columns = _tiles(h), _tiles(w)
    slopes = torch.mm(_IMAGE.T, patches.reshape(_PATCH**2, -1))
    slopes = slopes.view(_PATCH, _PATCH, n, rows, columns, c).permute(2, 3, 0, 4, 1, 5)
    padded = patches.new_zeros(n, rows + 1, _TILE, columns + 1, _TILE, c)
    own, shared = slice(0, _TILE), slice(_TILE, _PATCH)
    first = slice(0, _PATCH - _TILE)
    padded[:, :-1, :, :-1] = slopes[:, :, own, :, own]
    padded[:, 1:, first, :-1] += slopes[:, :, shared, :, own]
    padded[:, :-1, :, 1:, first] += slopes[:, :, own, :, shared]
    padded[:, 1:, first, 1:, first] += slopes[:, :, shared, :, shared]
    whole = padded.view(n, (rows + 1) * _TILE, (columns + 1) * _TILE, c)
    return whole[:, 1 : h + 1, 1 : w + 1].contiguous().permute(0, 3, 1, 2)


class _Winograd(torch.autograd.Function):
    """Convolves [N, C, H, W] by [K, C, 3, 3] with a padding of 1; both channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)  # not its transform, which takes 2.25 times the memory
        ctx.shape = x.size(0), x.size(2), x.size(3)
        return _output(torch.bmm(_transformed_image(x), _transformed_kernel(weight)), *ctx.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        slopes = _transformed_slopes(grads[0])
        of_x = of_weight = None
        if ctx.needs_input_grad[1]:
            products = torch.bmm(slopes.transpose(1, 2), _transformed_image(x)).view(_PATCH**2, -1)
            k, c = weight.shape[:2]
            of_weight = torch.mm(_KERNEL.T, products).view(3, 3, k, c).permute(2, 3, 0, 1)
            del products
        if ctx.needs_input_grad[0]:
            patches = torch.bmm(slopes, _transformed_kernel(weight).transpose(1, 2))
            del slopes
            of_x = _image_slopes(patches, *ctx.shape)
        return of_x, of_weight


class LearningConv2d(nn.Conv2d):
    """``Conv2d``; one of 3 x 3 learns by Winograd's products where that is faster.

    That is in training, in float32, on a CPU, with images channels last, stride 1, padding 1, no
    bias and 128 channels or more in. Elsewhere it is PyTorch's.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, H, W] to [N, K, H', W']."""
        if self.training and torch.is_grad_enabled() and self._learns_faster(x):
            result: Tensor = _Winograd.apply(x, self.weight)
            return result
        return super().forward(x)

    def _learns_faster(self, x: Tensor) -> bool:
        """Whether Winograd's products make this convolution, and faster."""
        return (
            self.kernel_size == (3, 3)
            and self.padding == (1, 1)
            and self.padding_mode == "zeros"
            and self.stride == self.dilation == (1, 1)
            and self.groups == 1
            and self.bias is None
            and self.in_channels >= _FEWEST_CHANNELS
            and x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and x.is_contiguous(memory_format=torch.channels_last)
        )

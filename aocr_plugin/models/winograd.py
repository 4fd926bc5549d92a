"""Small convolutions that learn with fewer multiplications.

PyTorch's float32 convolutions on CPUs multiply out every product, and the gradient of their weights
runs at about half the speed of their output. Winograd's minimal filtering F(4 x 4, 3 x 3) makes
4 x 4 outputs of 36 products a pair of channels instead of 144, F(2 x 2, 2 x 2) makes 2 x 2 of 9
instead of 16, in as many plain matrix products, forwards and backwards. The gradient of the weights
gains from 64 channels on; the output and the gradient of the image, whose transforms cost as much
and whose convolutions PyTorch is better at, from 128 on, with 2 x 2 kernels from two to three
hundred. Where the processor has AVX-512, PyTorch's convolutions gain more than the transforms:
there all of it begins as late.

Only training in float32 on a CPU takes it: its rounding errors are those of float32 times a few
(1e-5 of the largest output), too small to matter for learning, but reading stays the same to the
last digit.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), section 4.3, for
F(4, 3)'s three matrices; those of F(2, 2) are products of polynomials at 0, 1 and infinity. The
gradients are the transforms' transposes.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

# channels in times channels out, where the gradient of the weights begins to pay
_FEWEST = 128 * 128 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 64 * 64


class _Filter(NamedTuple):
    """Winograd's way for one size of kernel; the matrices act on flattened squares."""

    tile: int  # outputs a tile has each way
    patch: int  # pixels it reads each way
    fewest: int  # channels in times channels out, where output and image's gradient begin to pay
    image: Tensor  # [patch², patch²]
    kernel: Tensor  # [patch², kernel²]
    output: Tensor  # [tile², patch²]

    def tiles(self, size: int) -> int:
        """Returns how many tiles cover ``size`` outputs."""
        return -(-size // self.tile)


def _filter(fewest: int, *ways: list[list[float]]) -> _Filter:
    """Makes the matrices of those for one direction: of image, kernel and output."""
    image, kernel, output = (torch.tensor(rows, dtype=torch.float64) for rows in ways)
    matrices = (torch.kron(way, way).float() for way in (image, kernel, output))
    return _Filter(len(output), len(image), fewest, *matrices)


_FILTERS = {  # by the kernel's side
    2: _filter(
        512 * 256,
        [[1, -1, 0], [0, 1, 0], [0, -1, 1]],
        [[1, 0], [1, 1], [0, 1]],
        [[1, 1, 0], [0, 1, 1]],
    ),
    3: _filter(
        128 * 128,
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ],
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        [
            [1, 1, 1, 1, 1, 0],
            [0, 1, -1, 2, -2, 0],
            [0, 1, 1, 4, 4, 0],
            [0, 1, -1, 8, -8, 1],
        ],
    ),
}


class _Sizes(NamedTuple):
    """Sizes of one convolution."""

    n: int  # images
    height: int  # of them
    width: int
    padding: int  # zeros at every side
    h: int  # of the output
    w: int


def _sizes(x: Tensor, kernel: int, padding: int) -> _Sizes:
    n, _, height, width = x.shape
    more = 2 * padding - kernel + 1
    return _Sizes(n, height, width, padding, height + more, width + more)


def _transformed_image(x: Tensor, way: _Filter, sizes: _Sizes) -> Tensor:
    """Maps [N, C, H, W] to [patch², tiles, C]."""
    n, height, width, before, h, w = sizes
    rows, columns = way.tiles(h), way.tiles(w)
    more = way.patch - way.tile - before
    below, right = rows * way.tile - height + more, columns * way.tile - width + more
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, before, right, before, below))
    image, row, pixel, channel = padded.stride()
    patches = padded.as_strided(
        (n, rows, columns, way.patch, way.patch, x.size(1)),
        (image, way.tile * row, way.tile * pixel, row, pixel, channel),
    )
    return torch.matmul(way.image, patches.reshape(-1, way.patch**2, x.size(1))).transpose(0, 1)


def _transformed_kernel(weight: Tensor, way: _Filter) -> Tensor:
    """Maps [K, C, side, side] to [patch², C, K]."""
    k, c = weight.shape[:2]
    flat = weight.permute(0, 2, 3, 1).reshape(k, -1, c)
    return torch.matmul(way.kernel, flat).permute(1, 2, 0)


def _transformed_slopes(grad: Tensor, way: _Filter, sizes: _Sizes) -> Tensor:
    """Maps the gradient [N, K, h, w] of the output to that of the products, [patch², tiles, K]."""
    n, k, h, w = grad.shape
    rows, columns = way.tiles(h), way.tiles(w)
    below, right = rows * way.tile - h, columns * way.tile - w
    whole = F.pad(grad.permute(0, 2, 3, 1), (0, 0, 0, right, 0, below))
    tiles = whole.reshape(n, rows, way.tile, columns, way.tile, k).transpose(2, 3)
    return torch.matmul(way.output.T, tiles.reshape(-1, way.tile**2, k)).transpose(0, 1)


def _output(products: Tensor, way: _Filter, sizes: _Sizes) -> Tensor:
    """Maps the products [patch², tiles, K] to [N, K, h, w], channels last."""
    n, h, w, k = sizes.n, sizes.h, sizes.w, products.size(2)
    tiles = torch.mm(way.output, products.view(way.patch**2, -1))
    tiles = tiles.view(way.tile, way.tile, n, way.tiles(h), way.tiles(w), k)
    y = products.new_empty(n, h, w, k)
    for i in range(way.tile):
        for j in range(way.tile):
            part = y[:, i :: way.tile, j :: way.tile]
            part.copy_(tiles[i, j, :, : part.size(1), : part.size(2)])
    return y.permute(0, 3, 1, 2)


def _image_slopes(patches: Tensor, way: _Filter, sizes: _Sizes) -> Tensor:
    """Maps the gradient [patch², tiles, C] of the transformed image to that of [N, C, H, W].

    Adds up what tiles share: a tile's last rows and columns are its neighbours' first.
    """
    n, height, width, before, h, w = sizes
    c, rows, columns = patches.size(2), way.tiles(h), way.tiles(w)
    slopes = torch.matmul(way.image.T, patches.transpose(0, 1))
    slopes = slopes.view(n, rows, columns, way.patch, way.patch, c).transpose(2, 3)
    more = way.patch - way.tile
    whole = patches.new_empty(n, rows * way.tile + more, columns * way.tile + more, c)
    whole[:, -more:] = 0
    whole[:, :-more, -more:] = 0
    image, row, pixel, channel = whole.stride()
    strides = (image, way.tile * row, row, way.tile * pixel, pixel, channel)
    own, shared = slice(0, way.tile), slice(way.tile, way.patch)
    for down, right in ((own, own), (own, shared), (shared, own), (shared, shared)):
        part = slopes[:, :, down, :, right]
        place = whole.as_strided(part.shape, strides, down.start * row + right.start * pixel)
        if down is own and right is own:
            place.copy_(part)
        else:
            place.add_(part)
    whole = whole[:, before : before + height, before : before + width]
    return whole.contiguous().permute(0, 3, 1, 2)


class _Winograd(torch.autograd.Function):
    """Convolves [N, C, H, W], channels last, by [K, C, side, side]; padded with zeros."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int) -> Tensor:
        way, sizes = _FILTERS[weight.size(2)], _sizes(x, weight.size(2), padding)
        ctx.save_for_backward(x, weight)  # not its transform, which takes 2.25 times the memory
        ctx.sizes = sizes
        if weight.size(0) * weight.size(1) < way.fewest:
            return F.conv2d(x, weight, padding=padding)
        products = torch.bmm(_transformed_image(x, way, sizes), _transformed_kernel(weight, way))
        return _output(products, way, sizes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        k, c, side, _ = weight.shape
        way, sizes = _FILTERS[side], ctx.sizes
        for_x, for_weight, _ = ctx.needs_input_grad
        of_x = of_weight = None
        if for_x and k * c < way.fewest:
            of_x, for_x = conv2d_input(x.shape, weight, grads[0], padding=sizes.padding), False
        if not (for_x or for_weight):
            return of_x, None, None
        slopes = _transformed_slopes(grads[0], way, sizes)
        if for_weight:
            products = torch.bmm(slopes.transpose(1, 2), _transformed_image(x, way, sizes))
            flat = torch.mm(way.kernel.T, products.view(way.patch**2, -1))
            of_weight = flat.view(side, side, k, c).permute(2, 3, 0, 1)
            del products
        if for_x:
            patches = torch.bmm(slopes, _transformed_kernel(weight, way).transpose(1, 2))
            del slopes
            of_x = _image_slopes(patches, way, sizes)
        return of_x, of_weight, None


class LearningConv2d(nn.Conv2d):
    """``Conv2d``; one of 2 x 2 or 3 x 3 learns by Winograd's products where that is faster.

    That is in training, in float32, on a CPU, with images channels last, stride 1, no bias and many
    channels. Elsewhere it is PyTorch's.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, H, W] to [N, K, H', W']."""
        if self.training and torch.is_grad_enabled() and self._learns_faster(x):
            result: Tensor = _Winograd.apply(x, self.weight, int(self.padding[0]))
            return result
        return super().forward(x)

    def _learns_faster(self, x: Tensor) -> bool:
        """Whether Winograd's products make this convolution, and faster."""
        return (
            self.kernel_size in ((2, 2), (3, 3))
            and self.padding in ((0, 0), (1, 1))
            and min(x.shape[2:]) + 2 * self.padding[0] >= self.kernel_size[0]
            and self.padding_mode == "zeros"
            and self.stride == self.dilation == (1, 1)
            and self.groups == 1
            and self.bias is None
            and self.in_channels * self.out_channels >= _FEWEST
            and x.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and x.is_contiguous(memory_format=torch.channels_last)
        )

"""OpenCV's and TensorFlow's resizing in PyTorch's operations, for graphs that hold it.

Sizes are tensors, so that a trace of it takes images of any size, and have one element each: of
tensors without a dimension the exporter to ONNX makes float32 even where they are float64. OpenCV's
results are met bit for bit by "nearest" and "bilinear"; by "area" but for ties of rounding (1 in
10,000 pixels of noise, by 1), by "bicubic" to within 1. C channels, H, W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Resize = Callable[[Tensor, Tensor, Tensor], Tensor]

_UNIT = 2048.0  # of OpenCV's weights, which are whole numbers
_SLIVER = 1e-3  # parts of a pixel below it are left out of an area by OpenCV
_TABLE = 1024  # steps of TensorFlow's table of weights


def _scale(size: Tensor, new_size: Tensor) -> Tensor:
    return 1.0 / (new_size.double() / size.double())


def _rows(new_size: Tensor) -> Tensor:
    """Returns 0, 1, ... up to a size of one element; float64."""
    return torch.arange(new_size.squeeze(0), dtype=torch.float64)  # type: ignore[call-overload]


def _whole(weights: Tensor) -> Tensor:
    return torch.round(weights.float() * _UNIT).double()


def _clamped(index: Tensor, size: Tensor) -> Tensor:
    return torch.minimum(index.clamp(min=0), size - 1)


def _pair(size: Tensor, new_size: Tensor, area: bool, edge: bool) -> tuple[Tensor, ...]:
    """Returns indexes and weights of the two pixels that a linear result is made of.

    Args:
        size: pixels there are.
        new_size: pixels wanted.
        area: as OpenCV's "area" does where it enlarges.
        edge: no weight on what lies outside of the image.
    """
    rows, scale = _rows(new_size), _scale(size, new_size)
    if area:
        first = torch.floor(rows * scale)
        inverse = new_size.double() / size.double()
        part = ((rows + 1) - (first + 1) * inverse).float()
        part = torch.where(part <= 0, torch.zeros_like(part), part - torch.floor(part))
    else:
        place = ((rows + 0.5) * scale - 0.5).float()
        first = torch.floor(place)
        part = place - first
    index = first.long()
    if edge:
        outside = (index < 0) | (index >= size - 1)
        part = torch.where(outside, torch.zeros_like(part), part)
    pair = _clamped(index, size), _clamped(index + 1, size)
    return *pair, _whole(1.0 - part), _whole(part)


def bilinear(x: Tensor, size: Tensor, new: Tensor, area: bool = False) -> Tensor:
    """Resizes as ``cv2.INTER_LINEAR`` does, cut off where OpenCV's whole numbers are.

    Args:
        x: [C, H, W], float32.
        size: int64 [2]: H and W.
        new: int64 [2]: height and width wanted.
        area: see :func:`area`.
    """
    top, bottom, upper, lower = _pair(size[:1], new[:1], area, edge=False)
    left, right, near, far = _pair(size[1:], new[1:], area, edge=True)

    def line(index: Tensor, weights: Tensor) -> Tensor:
        row = x.index_select(1, index).double()
        mixed = row.index_select(2, left) * near + row.index_select(2, right) * far
        return torch.floor(torch.floor(mixed / 16) * weights[:, None] / 65536)

    return torch.floor((line(top, upper) + line(bottom, lower) + 2) / 4).float()


def _cover(size: Tensor, new_size: Tensor) -> Tensor:
    """Returns what share of each result [new_size, size] each pixel is."""
    scale, columns = _scale(size, new_size), _rows(size)
    start = _rows(new_size)[:, None] * scale
    end = start + scale
    part = torch.minimum(columns + 1, end) - torch.maximum(columns, start)
    part = torch.where(part > _SLIVER, part.clamp(max=1.0), torch.zeros_like(part))
    return (part / torch.minimum(scale, size - start)).float()


def area(x: Tensor, size: Tensor, new: Tensor) -> Tensor:
    """Resizes as ``cv2.INTER_AREA`` does; arguments as of :func:`bilinear`."""
    mean = _cover(size[:1], new[:1]) @ x @ _cover(size[1:], new[1:]).transpose(0, 1)
    half = (size[:1] == 2 * new[:1]) & (size[1:] == 2 * new[1:])
    shrunk = torch.where(half, torch.floor(mean + 0.5), torch.round(mean))
    enlarges = (size[:1] < new[:1]) | (size[1:] < new[1:])
    return torch.where(enlarges, bilinear(x, size, new, area=True), shrunk)


def nearest(x: Tensor, size: Tensor, new: Tensor) -> Tensor:
    """Resizes as ``cv2.INTER_NEAREST`` does; arguments as of :func:`bilinear`."""
    rows = torch.floor(_rows(new[:1]) * _scale(size[:1], new[:1])).long()
    columns = torch.floor(_rows(new[1:]) * _scale(size[1:], new[1:])).long()
    return x.index_select(1, _clamped(rows, size[:1])).index_select(2, _clamped(columns, size[1:]))


def _mixed(x: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> Tensor:
    """Adds up pixels: of each result [C, m, n] those at index [m, K] with weights [m, K]."""
    (index, weights), (index_across, weights_across) = rows, columns
    x = (x[:, index] * weights[:, :, None]).sum(2)
    return (x[:, :, index_across] * weights_across).sum(3)


def _cubic(x: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """Returns the cubic kernel at x and at 1 + x, 0 <= x <= 1."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    x = x + 1
    return near, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def _cubic_taps(size: Tensor, new_size: Tensor) -> tuple[Tensor, Tensor]:
    place = ((_rows(new_size) + 0.5) * _scale(size, new_size) - 0.5).float()
    first = torch.floor(place)
    near, before = _cubic(place - first, -0.75)
    far, _ = _cubic(1 - (place - first), -0.75)
    weights = torch.stack([before, near, far, 1 - before - near - far], 1)
    index = first.long()[:, None] + torch.arange(-1, 3)
    return _clamped(index, size), _whole(weights) / _UNIT


def bicubic(x: Tensor, size: Tensor, new: Tensor) -> Tensor:
    """Resizes as ``cv2.INTER_CUBIC`` does; arguments as of :func:`bilinear`."""
    mixed = _mixed(x.double(), _cubic_taps(size[:1], new[:1]), _cubic_taps(size[1:], new[1:]))
    return torch.round(mixed).clamp(0, 255).float()


OPENCV: dict[str, Resize] = {
    "nearest": nearest,
    "bilinear": bilinear,
    "bicubic": bicubic,
    "area": area,
}
"""By MMCV's names."""


def _tensorflow_taps(
    size: Tensor, new_size: Tensor, canvas: int, kernel: str
) -> tuple[Tensor, Tensor]:
    """Returns index and weights [canvas, 4], no weight behind ``new_size``; see ``bicubic.py``."""
    x = torch.arange(_TABLE + 1, dtype=torch.float64) / _TABLE
    near, far = (part.float() for part in _cubic(x, -0.5 if kernel == "tensorflow2" else -0.75))
    rows = torch.arange(canvas, dtype=torch.float32)
    scale = size.float() / new_size.float()
    place = (rows + 0.5) * scale - 0.5 if kernel == "tensorflow2" else rows * scale
    left = torch.floor(place)
    step = torch.round((place - left) * _TABLE).long()
    back = _TABLE - step
    weights = torch.stack([far[step], near[step], near[back], far[back]], 1)
    index = left.long()[:, None] + torch.arange(-1, 3)
    if kernel == "tensorflow2":
        inside = (index >= 0) & (index < size)
        weights = torch.where(inside, weights, torch.zeros_like(weights))
        weights = weights / weights.sum(1, keepdim=True)
    used = torch.arange(canvas)[:, None] < new_size
    return _clamped(index, size), torch.where(used, weights, torch.zeros_like(weights))


def on_canvas(
    x: Tensor, size: Tensor, fitted: Tensor, canvas: tuple[int, int], kernel: str
) -> Tensor:
    """Resizes as TensorFlow does, to the top left of a canvas of zeros; not rounded.

    Args:
        x: [C, H, W], float32.
        size: int64 [2]: H and W.
        fitted: int64 [2]: height and width that it gets; its own leave it as it is.
        canvas: height and width.
        kernel: see ``bicubic.matrix``.
    """
    rows = _tensorflow_taps(size[:1], fitted[:1], canvas[0], kernel)
    columns = _tensorflow_taps(size[1:], fitted[1:], canvas[1], kernel)
    return _mixed(x, rows, columns)

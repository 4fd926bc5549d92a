"""What this machine reaches at its best: plain convolutions, matrix products, copies.

The fastest of several shapes and repeats counts, so that it is a limit and no average. A precision
that the processor has no instructions for is left out, with the reason: PyTorch would compute it
all the same, slower than in float32.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

CONVOLUTIONS = ((64, 32, 64), (128, 16, 64), (256, 8, 64), (256, 16, 64), (512, 8, 64))
"""Channels in and out, height, width; 3 x 3 kernels over 16 images."""
PRODUCTS = ((512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (4096, 512, 512))
"""Rows, inner size, columns."""
BATCH = 16
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def fastest(run: Callable[[], Any], repeats: int) -> float:
    """Returns the seconds of the fastest of several runs, after one that does not count."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def _convolution(precision: str, channels: int, height: int, width: int) -> Callable[[], Any]:
    """Returns what convolves once."""
    image = torch.rand(BATCH, channels, height, width).contiguous(memory_format=torch.channels_last)
    if precision == "int8":
        return _quantized(torch.ao.nn.quantized.Conv2d(channels, channels, 3, padding=1), image)
    dtype = DTYPES[precision]
    layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False, dtype=dtype)
    layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    image = image.to(dtype)
    return lambda: layer(image)


def _product(precision: str, rows: int, inner: int, columns: int) -> Callable[[], Any]:
    """Returns what multiplies once."""
    left = torch.rand(rows, inner)
    if precision == "int8":
        return _quantized(torch.ao.nn.quantized.Linear(inner, columns), left)
    dtype = DTYPES[precision]
    left, right = left.to(dtype), torch.rand(inner, columns).to(dtype)
    return lambda: torch.mm(left, right)


def _quantized(layer: nn.Module, values: Tensor) -> Callable[[], Any]:
    """Returns what runs a quantised layer once, on values between 0 and 1 in 8 bits."""
    quantized = torch.quantize_per_tensor(values, 1 / 255, 0, torch.quint8)
    return lambda: layer(quantized)


def missing(precision: str) -> str | None:
    """Returns why a precision is not measured on this machine, or None."""
    if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "the processor has no bfloat16 instructions that PyTorch uses; it would emulate them"
    if precision == "int8" and torch.backends.quantized.engine not in ("x86", "fbgemm", "onednn"):
        return f"PyTorch's quantised kernels here are '{torch.backends.quantized.engine}'"
    return None


@torch.inference_mode()
def limits(repeats: int) -> dict[str, Any]:
    """Measures the machine.

    Args:
        repeats: runs of each shape.

    Returns:
        By precision, ``convolution`` and ``product`` in MACs a second with the shapes that
        reached them, or the reason why it is ``missing``; ``bandwidth`` in bytes a second.
    """
    found: dict[str, Any] = {}
    for precision in (*DTYPES, "int8"):
        reason = missing(precision)
        if reason is None:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # quantised tensors will go some day
                    found[precision] = _best(precision, repeats)
                continue
            except (RuntimeError, AttributeError, NotImplementedError) as error:
                reason = str(error).splitlines()[0]
        found[precision] = {"missing": reason}
    found["bandwidth"] = bandwidth(repeats)
    return found


def better(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Returns the better figures of two measurements by :func:`limits`."""
    found: dict[str, Any] = {"bandwidth": max(first["bandwidth"], second["bandwidth"])}
    for precision in (*DTYPES, "int8"):
        found[precision] = dict(first[precision])
        for kind in ("convolution", "product"):
            if second[precision].get(kind, 0) > found[precision].get(kind, 0):
                found[precision] |= {
                    key: value for key, value in second[precision].items() if key.startswith(kind)
                }
    return found


def _best(precision: str, repeats: int) -> dict[str, Any]:
    """Returns the fastest convolution and the fastest product of a precision."""
    speeds: dict[str, dict[str, float]] = {"convolution": {}, "product": {}}
    for channels, height, width in CONVOLUTIONS:
        macs = BATCH * height * width * channels * channels * 9
        name = f"{channels} channels, {height} x {width}"
        seconds = fastest(_convolution(precision, channels, height, width), repeats)
        speeds["convolution"][name] = macs / seconds
    for shape in PRODUCTS:
        macs = shape[0] * shape[1] * shape[2]
        seconds = fastest(_product(precision, *shape), repeats)
        speeds["product"][" x ".join(map(str, shape))] = macs / seconds
    result: dict[str, Any] = {}
    for kind, by_shape in speeds.items():
        shape_name = max(by_shape, key=by_shape.__getitem__)
        result |= {kind: by_shape[shape_name], f"{kind}_shape": shape_name}
    return result


def bandwidth(repeats: int, size: int = 256 * 2**20) -> float:
    """Returns the bytes a second that a copy larger than any cache reads and writes."""
    source = torch.ones(size // 4)
    target = torch.empty_like(source)
    return 2 * size / fastest(lambda: target.copy_(source), repeats)

"""What is image and what is padding in a batch of lines of several widths."""

from collections.abc import Sequence

import numpy as np
import torch
from mmocr.structures import TextRecogDataSample
from torch import Tensor

from aocr_plugin.labelled_batch import LabelledBatch
from aocr_plugin.models.transfers import moved


def valid_columns(widths: Tensor, x: Tensor) -> Tensor:
    """Returns [N, 1, 1, W] like ``x`` [N, C, H, W]: 1 before ``widths`` [N], 0 from there on."""
    columns = torch.arange(x.size(3), device=x.device)
    return (columns < widths[:, None])[:, None, None, :].to(x.dtype)


def recorded() -> bool:
    """Whether what runs is recorded as a graph, an export's or a trace's, for other sizes too."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined]
    return tracing or torch.onnx.is_in_onnx_export()


def without_padding(x: Tensor, valid: Tensor) -> Tensor:
    """Sets the columns of [N, C, H, W] that are not ``valid`` [N, 1, 1, W] to zero, in place.

    On a CPU, where nothing learns, those that all images have are left alone: a batch of similar
    widths is read over once less. A graph that is exported or traced gets a new tensor.
    """
    if recorded():
        return x * valid
    if torch.is_grad_enabled() or x.device.type != "cpu" or torch.compiler.is_compiling():
        return x.mul_(valid)
    first = int(valid.sum(dim=3).min())
    x[..., first:].mul_(valid[..., first:])
    return x


def zero_beyond(x: Tensor, widths: Tensor) -> Tensor:
    """Sets the columns of [N, C, H, W] at and beyond ``widths`` [N] to zero."""
    return x * valid_columns(widths, x)


def valid_widths(
    data_samples: Sequence[TextRecogDataSample] | LabelledBatch | None,
    width: int,
    device: torch.device | str,
) -> Tensor | None:
    """Reads the unpadded widths of a batch from MMOCR's ``valid_ratio``.

    Args:
        data_samples: the batch's samples; ``valid_ratio`` is the unpadded share of the width,
            as MMOCR's ``TextRecogDataPreprocessor`` leaves it.
        width: the batch's width in pixels, padding included.
        device: where the result goes.

    Returns:
        [N] widths in pixels, or None where no image is padded or nothing is known.
    """
    if not data_samples:
        return None
    if isinstance(data_samples, LabelledBatch):
        ratios = data_samples.get("valid_ratio", 1.0)
    else:
        ratios = [float(sample.get("valid_ratio", 1.0)) for sample in data_samples]
    if min(ratios) >= 1.0:
        return None
    widths = np.rint(np.asarray(ratios, dtype=np.float64) * width).clip(min=1)
    return moved(torch.from_numpy(widths.astype(np.int64)), device)

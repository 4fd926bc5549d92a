"""Convolutions that read: what they put out is cut off at zero on the way.

PyTorch's convolution puts its weights into the processor's order in every call, and ReLU is a pass
of its own over what came out. oneDNN, which carries it out, does both better if it is asked to:
the weights are put in order once, and ReLU comes before the output is stored. One image's features
take 0.7 to 0.8 of the time, those of 64 about 0.95. What comes out differs by float32's rounding.

PyTorch's compiler asks oneDNN in the same way; there is no layer in PyTorch that does.
"""

from typing import Any

import torch
from torch import Tensor, nn

from aocr_plugin.models.pooling import reads

_LIKELY = (16, 16, 64)
"""Images, height and width that the weights are put in order for; others are hardly slower."""


def available() -> bool:
    """Whether this PyTorch has what :class:`RectifiedConv2d` needs."""
    names = ("_convolution_pointwise", "_reorder_convolution_weight")
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in names
    )


class RectifiedConv2d(nn.Conv2d):
    """relu(conv(x)), in one go where it reads in float32 on a CPU; elsewhere PyTorch's two.

    Args:
        conv: whose weights it takes.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        self.__dict__ |= conv.__dict__
        self._ordered: Tensor | None = None
        self._ordered_from: tuple[int, int | None] | None = None  # address, version of the weights

    def __getstate__(self) -> dict[str, Any]:
        """Returns what is copied and pickled: all but the weights in order, which cannot be."""
        return self.__dict__ | {"_ordered": None}

    def _settings(self) -> tuple[list[int], list[int], list[int], int]:
        """Returns padding, stride, dilation and groups."""
        return list(map(int, self.padding)), list(self.stride), list(self.dilation), self.groups

    def _in_order(self) -> Tensor:
        """Returns the weights in oneDNN's order, made anew if they have changed."""
        ordered, version = self._ordered, None
        if not self.weight.is_inference():  # which have no version
            version = self.weight._version
        if ordered is None or self._ordered_from != (self.weight.data_ptr(), version):
            likely = [_LIKELY[0], self.in_channels, *_LIKELY[1:]]
            ordered = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight.detach(), *self._settings(), likely
            )
            self._ordered, self._ordered_from = ordered, (self.weight.data_ptr(), version)
        return ordered

    def forward(self, x: Tensor) -> Tensor:
        """Maps [N, C, H, W] to [N, K, H', W'], not below zero."""
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or not reads(x):
            return torch.relu(super().forward(x))
        rectified: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._in_order(), self.bias, *self._settings(), "relu", [], ""
        )
        return rectified

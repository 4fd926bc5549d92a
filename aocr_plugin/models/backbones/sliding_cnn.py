"""aocr's sliding convolutional network.

Source: aocr 0.7.x (``cnn.py``), itself after Shi et al., "An End-to-End Trainable Neural Network
for Image-based Sequence Recognition" (2015). The network is written anew in PyTorch; with the
default arguments it computes what the original's TensorFlow graph computes.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmocr.registry import MODELS
from torch import Tensor, nn

from aocr_plugin.models.dropout import ByteDropout
from aocr_plugin.models.initialisation import glorot_conv_
from aocr_plugin.models.pooling import max_pool
from aocr_plugin.models.rectified_conv import RectifiedConv2d
from aocr_plugin.models.sync_batch_norm import SyncedBatchNorm2d
from aocr_plugin.models.widths import valid_columns, without_padding
from aocr_plugin.models.winograd import LearningConv2d

_KERNELS = (3, 3, 3, 3, 3, 3, 2)
_AOCR_NORM = (False, False, True, False, True, False, True)
_POOLS = ((2, 2), (2, 2), None, (2, 1), None, (2, 1), (2, 1))


class ConvBlock(nn.Module):
    """Convolution with TensorFlow's 'same' padding, optional BatchNorm, ReLU, optional pooling.

    An even kernel is padded at the bottom and right, as TensorFlow does. ReLU comes after the
    pooling, which leaves fewer values: the result is the same. In an exported graph it comes right
    after the convolution, of which runtimes make it a part; see also :meth:`SlidingCNN.rectify`.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel: side of the square kernel in pixels.
        norm: whether BatchNorm stands between convolution and ReLU.
        pool: height and width of the max pooling's window and of its steps; a window that reaches
            over the edge counts. None: no pooling.
        bn_momentum: weight of the newest batch in BatchNorm's running averages.
        bn_eps: added to BatchNorm's variance.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        norm: bool,
        bn_momentum: float,
        bn_eps: float,
        pool: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.pool = pool
        before, after = (kernel - 1) // 2, kernel // 2
        self.padding = (before, after, before, after) if before != after else None
        self.conv = LearningConv2d(
            in_channels,
            out_channels,
            kernel,
            padding=0 if self.padding else before,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels, bn_eps, bn_momentum) if norm else None
        glorot_conv_(self.conv)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Maps [N, C, H, W] to [N, out_channels, H, W], pooled.

        Args:
            x: the images or features.
            valid: [N, 1, 1, W], 1 where a column is image and 0 where it is padding, which stays
                zero.
        """
        if self.padding:
            x = F.pad(x, self.padding)
        x = self.conv(x)
        if isinstance(self.norm, SyncedBatchNorm2d) and self.norm.activates(x):
            return self.norm.activated(x, self.pool, valid)
        if self.norm is not None:
            x = self.norm(x)
        exported = torch.onnx.is_in_onnx_export()
        if exported:
            x = torch.relu(x)
        if valid is not None:
            x = without_padding(x, valid)
        if self.pool is not None:
            x = max_pool(x, self.pool)
        if exported or isinstance(self.conv, RectifiedConv2d):
            return x
        return torch.relu_(x)  # nothing before it needs its output to learn


@MODELS.register_module()
class SlidingCNN(BaseModule):
    """Seven convolutions that turn a text line of height 32 into a row of features.

    Pooling halves the height five times and the width twice, rounding up, so a feature column
    stands for four pixel columns. The defaults are the original's.

    Args:
        in_channels: 1 for gray, 3 for colour.
        channels: channels of the seven convolutions.
        dropout: probability with which a feature is dropped after the last pooling while
            training.
        bn_momentum: weight of the newest batch in BatchNorm's running averages. The original's
            0.01 (0.99 in TensorFlow's sense) makes them lag hundreds of steps behind the
            weights: 'trains well, tests badly' early on. 0.1 is better.
        bn_eps: added to BatchNorm's variance.
        norm_all: better than the original where True: BatchNorm after every convolution
            instead of the third, fifth and seventh alone; training starts faster.
        init_cfg: MMEngine's initialisation config.

    Raises:
        ValueError: ``channels`` has not seven entries.
    """

    stride = 4
    """Pixel columns to one feature column."""

    def __init__(
        self,
        in_channels: int = 1,
        channels: Sequence[int] = (64, 128, 256, 256, 512, 512, 512),
        dropout: float = 0.5,
        bn_momentum: float = 0.01,
        bn_eps: float = 1e-3,
        norm_all: bool = False,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if len(channels) != len(_KERNELS):
            raise ValueError(f"SlidingCNN has 7 convolutions, channels has {len(channels)} entries")
        widths = [in_channels, *channels]
        self.out_channels = widths[-1]
        self.blocks = nn.ModuleList(
            ConvBlock(
                widths[i],
                widths[i + 1],
                kernel,
                norm=norm_all or _AOCR_NORM[i],
                bn_momentum=bn_momentum,
                bn_eps=bn_eps,
                pool=_POOLS[i],
            )
            for i, kernel in enumerate(_KERNELS)
        )
        self.dropout = ByteDropout(dropout)

    def forward(self, inputs: Tensor, widths: Tensor | None = None) -> Tensor:
        """Computes the features of a batch.

        Args:
            inputs: [N, C, 32, W], normalised.
            widths: [N], pixel columns of each image that are not padding. Where given, the
                padding stays zero after every block, so that an image's features do not depend
                on what it was padded to. None: padding is looked at like the rest, as in the
                original.

        Returns:
            [N, channels[-1], 1, T] with T = ceil(W / 4).
        """
        valid = None if widths is None else valid_columns(widths, inputs)
        return self.masked(inputs, valid)[0]

    def masked(self, x: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Computes the features of a batch whose columns are ``valid`` or padding.

        Args:
            x: [N, C, 32, W], normalised.
            valid: [N, 1, 1, W], 1 and 0, or None: all columns are.

        Returns:
            The features [N, channels[-1], 1, T] and which of their columns are valid, [N, 1, 1, T].
        """
        if valid is not None:
            x = x * valid
        for block, pool in zip(self.blocks, _POOLS, strict=True):
            x = block(x, valid)
            if valid is not None and pool is not None and pool[1] > 1:
                valid = F.max_pool2d(valid, (1, pool[1]), ceil_mode=True)
        return self.dropout(x), valid

    def rectify(self) -> None:
        """Makes ReLU a part of the convolutions.

        For reading on a CPU, after BatchNorm has been folded into them, and where
        ``rectified_conv.available()``.
        """
        for block in self.blocks:
            block.conv = RectifiedConv2d(block.conv)  # type: ignore[arg-type]

    def feature_lengths(self, widths: Tensor) -> Tensor:
        """Returns how many feature columns an image of each width in ``widths`` has."""
        return (widths + self.stride - 1) // self.stride

"""Normalisation of whole batches."""

from typing import Any

import torch
from mmengine.model import ImgDataPreprocessor
from mmocr.models.textrecog.data_preprocessors import TextRecogDataPreprocessor
from mmocr.registry import MODELS
from torch import Tensor

from aocr_plugin.labelled_batch import LabelledBatch
from aocr_plugin.models.transfers import moved
from aocr_plugin.models.widths import zero_beyond


@MODELS.register_module()
class StackedDataPreprocessor(TextRecogDataPreprocessor):
    """MMOCR's ``TextRecogDataPreprocessor``, and for batches of ``stacked_collate`` a faster way.

    Those are moved in one piece, without waiting, and normalised at once; the padding is zero
    afterwards, as MMOCR's is. Settings that this has no place for (``pad_value``,
    ``pad_size_divisor``, ``batch_augments``) and samples that hold more than a text go MMOCR's way,
    image by image.

    Args:
        **kwargs: as for ``TextRecogDataPreprocessor``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._non_blocking = True  # MMOCR's passes this argument of MMEngine's over

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns ``inputs`` [N, C, H, W] normalised, and the samples knowing the batch's size."""
        samples = data.get("data_samples")
        if not isinstance(samples, LabelledBatch):
            return super().forward(data, training)
        if samples.made or not self._is_plain(data["inputs"]):
            images = [
                image[:, :height, :width]
                for image, (height, width) in zip(data["inputs"], samples.sizes, strict=True)
            ]
            listed = {"inputs": images, "data_samples": samples.samples}
            return super().forward(data | listed, training)
        there = {"inputs": moved(data["inputs"], self.device)}
        data = ImgDataPreprocessor.forward(self, data | there, training)
        inputs = data["inputs"]
        for side, axis in ((1, 3), (0, 2)):
            own = [size[side] for size in samples.sizes]
            if min(own) < inputs.size(axis):
                turned = inputs.transpose(axis, 3)
                turned = zero_beyond(turned, moved(torch.tensor(own), inputs.device))
                inputs = turned.transpose(axis, 3)
        height, width = inputs.shape[2:]
        shapes, ratios = samples.get("img_shape"), samples.get("valid_ratio")
        return data | {
            "inputs": inputs,
            "data_samples": samples.put(
                valid_ratio=[
                    ratio * shape[1] / width for ratio, shape in zip(ratios, shapes, strict=True)
                ],
                batch_input_shape=[(height, width)] * len(samples),
            ),
        }

    def _is_plain(self, inputs: Tensor) -> bool:
        """Whether a batch can be normalised in one piece."""
        means = self.mean.numel() if self._enable_normalize else 1
        return (
            self.pad_value == 0
            and self.pad_size_divisor == 1
            and self.batch_augments is None
            and means in (1, inputs.size(1))
        )

"""Normalisation of whole batches."""

from typing import Any

import torch
from mmengine.model import ImgDataPreprocessor
from mmocr.models.textrecog.data_preprocessors import TextRecogDataPreprocessor
from mmocr.registry import MODELS

from aocr_plugin.labelled_batch import LabelledBatch
from aocr_plugin.models.widths import zero_beyond


@MODELS.register_module()
class StackedDataPreprocessor(TextRecogDataPreprocessor):
    """MMOCR's ``TextRecogDataPreprocessor``, and for batches of ``stacked_collate`` a faster way.

    Those are moved in one piece, without waiting, and normalised at once; the padding is zero
    afterwards, as MMOCR's is. Other batches are left to MMOCR.

    Args:
        **kwargs: as for ``TextRecogDataPreprocessor``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._non_blocking = True  # MMOCR's passes this argument of MMEngine's over

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns ``inputs`` [N, C, H, W] normalised, and the samples knowing the batch's size."""
        samples = data["data_samples"]
        if not isinstance(samples, LabelledBatch) or (training and self.batch_augments is not None):
            listed = list(samples) if isinstance(samples, LabelledBatch) else samples
            return super().forward(data | {"data_samples": listed}, training)
        data = ImgDataPreprocessor.forward(self, data, training)
        inputs = data["inputs"]
        for side, axis in ((1, 3), (0, 2)):
            sizes = samples.sizes(side)
            if min(sizes) < inputs.size(axis):
                turned = inputs.transpose(axis, 3)
                turned = zero_beyond(turned, torch.tensor(sizes, device=inputs.device))
                inputs = turned.transpose(axis, 3)
        data["inputs"] = inputs
        samples.padded_to(inputs.size(2), inputs.size(3))
        return data

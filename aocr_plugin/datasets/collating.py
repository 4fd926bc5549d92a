"""Batches that are put together in the data workers.

MMEngine's ``pseudo_collate`` hands every image and every sample over by itself, and the training
process moves, normalises and pads them one by one, which a GPU has to wait for. Here a batch is one
tensor and a few lists.
"""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.registry import FUNCTIONS

from aocr_plugin.errors import ConfigError
from aocr_plugin.labelled_batch import LabelledBatch


@FUNCTIONS.register_module()
def stacked_collate(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stacks images in one tensor, for :class:`StackedDataPreprocessor`.

    Args:
        batch: N results of MMOCR's ``PackTextRecogInputs``: ``inputs`` [C, H, W] and
            labelled ``data_samples``.

    Returns:
        ``inputs`` [N, C, highest, widest], smaller images at the top left, zeros around, and
        ``data_samples``, a :class:`LabelledBatch`.

    Raises:
        ConfigError: images have different numbers of channels.
    """
    images = [item["inputs"] for item in batch]
    channels = {image.size(0) for image in images}
    if len(channels) > 1:
        raise ConfigError(
            f"a batch has images of {' and '.join(map(str, sorted(channels)))} channels: set "
            "color_type of LoadImageFromFile alike in all pipelines"
        )
    dtype = functools.reduce(torch.promote_types, [image.dtype for image in images])
    height, width = (max(image.size(side) for image in images) for side in (1, 2))
    stacked = torch.zeros(len(images), *channels, height, width, dtype=dtype)
    for place, image in zip(stacked, images, strict=True):
        place[:, : image.size(1), : image.size(2)] = image
    sizes = [(image.size(1), image.size(2)) for image in images]
    samples = LabelledBatch.of([item["data_samples"] for item in batch], sizes)
    return {"inputs": stacked, "data_samples": samples}

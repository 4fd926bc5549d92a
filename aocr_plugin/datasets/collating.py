"""Batches that are put together in the data workers.

MMEngine's ``pseudo_collate`` hands every image and every sample over by itself, and the training
process moves, normalises and pads them one by one, which a GPU has to wait for. Here a batch is one
tensor and a few lists.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.registry import FUNCTIONS
from numpy.typing import NDArray
from torch import Tensor

from aocr_plugin.errors import ConfigError
from aocr_plugin.labelled_batch import LabelledBatch


def _planes(image: Tensor | NDArray[Any]) -> NDArray[Any]:
    """Returns an image as an array [C, H, W]."""
    if isinstance(image, Tensor):
        return image.numpy()
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


@FUNCTIONS.register_module()
def stacked_collate(batch: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stacks images in one tensor, for :class:`StackedDataPreprocessor`.

    Args:
        batch: N results of :class:`PackLine` or of MMOCR's ``PackTextRecogInputs``: images and
            labelled ``data_samples``.

    Returns:
        ``inputs`` [N, C, highest, widest], smaller images at the top left, zeros around, and
        ``data_samples``, a :class:`LabelledBatch`.

    Raises:
        ConfigError: images have different numbers of channels.
    """
    images = [_planes(item["inputs"]) for item in batch]
    channels = {image.shape[0] for image in images}
    if len(channels) > 1:
        raise ConfigError(
            f"a batch has images of {' and '.join(map(str, sorted(channels)))} channels: set "
            "color_type of LoadImageFromFile alike in all pipelines"
        )
    sizes = [(image.shape[1], image.shape[2]) for image in images]
    height, width = (max(size[side] for size in sizes) for side in (0, 1))
    dtype = np.result_type(*{image.dtype for image in images})
    stacked = torch.from_numpy(np.zeros((len(images), *channels, height, width), dtype))
    for place, image, size in zip(stacked.numpy(), images, sizes, strict=True):
        place[:, : size[0], : size[1]] = image
    samples = LabelledBatch.of([item["data_samples"] for item in batch], sizes)
    return {"inputs": stacked, "data_samples": samples}

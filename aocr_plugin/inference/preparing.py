"""From an image's pixels to what PyTorch's networks take, by MMOCR's transforms or without."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import LabelData
from mmocr.structures import TextRecogDataSample
from numpy.typing import NDArray

from aocr_plugin.errors import ConfigError
from aocr_plugin.runtime.pipeline import LABELS, LOADERS, Pipeline

Prepare = Callable[[NDArray[Any], str], dict[str, Any] | None]
"""From pixels [H, W] or [H, W, 3] and a name to ``inputs`` [C, H, W] and ``data_samples``, as
MMOCR's ``PackTextRecogInputs`` gives them, or None where the pipeline rejects the image."""


def plain(steps: list[dict[str, Any]]) -> Prepare | None:
    """Returns what prepares as a checkpoint's pipeline does, without MMOCR's transforms.

    Importing those takes longer than reading an image. None: the pipeline has others than known.
    """
    try:
        pipeline = Pipeline(steps)
    except ConfigError:
        return None

    def prepare(pixels: NDArray[Any], name: str) -> dict[str, Any]:
        found, used = pipeline.fitted(pixels)
        planes = found[None] if found.ndim == 2 else found.transpose(2, 0, 1)
        sample = TextRecogDataSample()
        size = found.shape[:2]
        known = {"img_path": name, "ori_shape": pixels.shape[:2], "img_shape": size}
        for key, value in (known | {"pad_shape": size, "valid_ratio": used}).items():
            sample.set_field(value, key, field_type="metainfo")  # set_metainfo would copy
        sample.gt_text = LabelData()
        return {"inputs": torch.from_numpy(np.ascontiguousarray(planes)), "data_samples": sample}

    return prepare


def by_mmocr(steps: list[dict[str, Any]]) -> Prepare:
    """Returns what prepares by a checkpoint's own transforms, but for those of files and labels."""
    from mmcv.transforms import Compose
    from mmocr.registry import TRANSFORMS

    kinds = [str(step.get("type", "")).removeprefix("mmocr.") for step in steps]
    with DefaultScope.overwrite_default_scope("mmocr"):
        transforms = [
            TRANSFORMS.build(step)
            for step, kind in zip(steps, kinds, strict=True)
            if kind not in LOADERS and kind != LABELS
        ]
    composed = Compose(transforms)

    def prepare(pixels: NDArray[Any], name: str) -> dict[str, Any] | None:
        size = pixels.shape[:2]
        data: dict[str, Any] | None = composed(
            {"img": pixels, "img_path": name, "img_shape": size, "ori_shape": size}
        )
        return data

    return prepare

"""From a checkpoint's description and weights to a model."""

from typing import Any

import torch
from mmengine.registry import DefaultScope
from mmocr.registry import MODELS

from aocr_plugin.errors import CheckpointError


def build_model(model: dict[str, Any], state: dict[str, torch.Tensor], name: str) -> Any:
    """Builds a described model and loads its weights, strictly.

    Raises:
        CheckpointError: the description cannot be built, or weights and description disagree.
    """
    with DefaultScope.overwrite_default_scope("mmocr"):
        try:
            built = MODELS.build(_without_init(model))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{name}: cannot build its model: {error}") from error
    try:
        built.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{name}: weights do not fit the described model: {error}") from error
    return built


def _without_init(value: Any) -> Any:
    """Drops ``init_cfg``: weights come from the checkpoint, nothing else is to be fetched."""
    if isinstance(value, dict):
        return {key: _without_init(entry) for key, entry in value.items() if key != "init_cfg"}
    if isinstance(value, list):
        return [_without_init(entry) for entry in value]
    return value

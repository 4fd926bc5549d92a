"""A config for MMDeploy out of a checkpoint alone."""

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config

from aocr_plugin import resizing
from aocr_plugin.deploy.task import PREPROCESSOR
from aocr_plugin.engine import checkpoint_file
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import network
from aocr_plugin.inference.model import build_model


def from_checkpoint(checkpoint: str | Path, width: int | None) -> Config:
    """Returns what MMDeploy reads of a model config: model, pipeline, dictionary.

    Args:
        checkpoint: a ``.pth`` file of ``tools/train.py``.
        width: of a static export, in pixels, or None.

    Raises:
        CheckpointError: it cannot be used.
        ConfigError: its model cannot be exported.
    """
    loaded = checkpoint_file.load(checkpoint)
    described = checkpoint_file.description(loaded, checkpoint)
    built = build_model(described["model"], loaded["state_dict"], str(checkpoint))
    network.check(built)
    model = copy.deepcopy(described["model"])
    model["data_preprocessor"]["pad_value"] = network.padding_value(built)
    pipeline = copy.deepcopy(described["test_pipeline"])
    if width is not None:
        canvas = next((s for s in pipeline if s["type"] == "AOCRCanvas"), None)
        for step in pipeline:
            if step["type"] == "RescaleToHeight":
                step["max_width"] = min(width, step.get("max_width") or width)
        if canvas is None:
            model["data_preprocessor"] |= {"type": PREPROCESSOR, "width": width}
    if not str(pipeline[0]["type"]).startswith(("Load", "mmocr.Load")):
        raise ConfigError(f"{checkpoint}: the pipeline does not begin with loading an image")
    dataset = {"type": "AOCRDataset", "ann_file": "", "pipeline": pipeline, "test_mode": True}
    found: dict[str, Any] = {
        "default_scope": "mmocr",
        "model": model,
        "dictionary": model["decoder"]["dictionary"],
        "test_pipeline": pipeline,
        "test_dataloader": {"batch_size": 1, "num_workers": 0, "dataset": dataset},
        "visualizer": {"type": "TextRecogLocalVisualizer", "name": "deploy"},
    }
    return Config(found)


def canvas_width(model_cfg: Config) -> int | None:
    """Returns the width of the original's canvas in a config's pipeline, or None."""
    for step in model_cfg.test_pipeline:
        if step["type"] == "AOCRCanvas":
            sides = int(step.get("max_width", 160)), int(step.get("max_height", 60))
            return resizing.canvas_width(*sides, int(step.get("height", 32)))
    return None

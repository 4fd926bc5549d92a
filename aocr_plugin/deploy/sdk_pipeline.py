"""A checkpoint's pipeline in the transforms that MMDeploy's SDK knows."""

from collections.abc import Sequence
from typing import Any

from aocr_plugin import resizing
from aocr_plugin.errors import ConfigError

META_KEYS = ["ori_shape", "img_shape", "pad_shape", "scale_factor", "img_norm_cfg", "valid_ratio"]


def sdk_transforms(
    pipeline: Sequence[dict[str, Any]], preprocessor: dict[str, Any], width: int | None
) -> list[dict[str, Any]]:
    """Returns the ``transforms`` of ``pipeline.json``.

    The original's canvas becomes the SDK's resize and padding: bilinear where TensorFlow's was
    bicubic, and low images are enlarged; see ``docs/DEPLOYMENT.md`` for what that changes.

    Args:
        pipeline: the checkpoint's ``test_pipeline``.
        preprocessor: config of the data preprocessor.
        width: of a static export, in pixels, or None.

    Raises:
        ConfigError: a step that the SDK has not.
    """
    before: list[dict[str, Any]] = []
    canvas: tuple[int, int] | None = None
    for step in pipeline:
        arguments = {key: value for key, value in step.items() if key != "type"}
        kind = str(step["type"]).removeprefix("mmocr.")
        if kind in ("LoadImageFromFile", "LoadAOCRImage"):
            color = arguments.get("color_type", "color")
            before.append({"type": "LoadImageFromFile", "color_type": color})
        elif kind == "RescaleToHeight":
            before.append({"type": kind, **arguments})
        elif kind == "PadToWidth":
            canvas = (0, int(arguments["width"]))
        elif kind == "AOCRCanvas":
            height = int(arguments.get("height", 32))
            sides = int(arguments.get("max_width", 160)), int(arguments.get("max_height", 60))
            canvas = (height, resizing.canvas_width(*sides, height))
            before.append({"type": "Resize", "size": [canvas[1], height], "keep_ratio": True})
        elif kind not in ("LoadOCRAnnotations", "PackTextRecogInputs"):
            raise ConfigError(f"MMDeploy's SDK has no {kind}; leave --dump-info out")
    padding = float(preprocessor.get("pad_value", 0))
    mean, std = preprocessor.get("mean") or [0.0], preprocessor.get("std") or [1.0]
    colour = before[0]["color_type"] != "grayscale"
    normalise = {
        "type": "Normalize",
        "mean": list(mean) * (3 if colour and len(mean) == 1 else 1),
        "std": list(std) * (3 if colour and len(std) == 1 else 1),
        "to_rgb": bool(preprocessor.get("bgr_to_rgb", False)),
    }
    pad: list[dict[str, Any]] = []
    if canvas is not None:  # zeros, as pixels
        pad = [{"type": "Pad", "size": [canvas[1], canvas[0] or 32], "pad_val": 0}]
        return [*before, *pad, normalise, *_end()]
    if width is not None:
        pad = [{"type": "Pad", "size": [width, 32], "pad_val": padding}]
    return [*before, normalise, *pad, *_end()]


def _end() -> list[dict[str, Any]]:
    return [
        {"type": "DefaultFormatBundle"},
        {"type": "Collect", "keys": ["img"], "meta_keys": META_KEYS},
    ]

"""Where the encoder's columns lie on an image. Needs no PyTorch."""

from typing import Any

from aocr_plugin import resizing

STRIDE = 4
"""Pixels of the network's input to one column of attention."""


def filled_width(pipeline: list[dict[str, Any]], width: int, height: int) -> int:
    """Returns how many pixels of the network's input an image fills from the left.

    Args:
        pipeline: the model's ``test_pipeline``.
        width: of the image in pixels.
        height: of the image in pixels.
    """
    for step in pipeline:
        kind = str(step.get("type", "")).removeprefix("mmocr.")
        if kind == "AOCRCanvas":
            tall = int(step.get("height", 32))
            wide = resizing.canvas_width(
                int(step.get("max_width", 160)), int(step.get("max_height", 60)), tall
            )
            height, width = resizing.fitted_size(height, width, tall, wide)
        elif kind == "RescaleToHeight":
            tall = int(step["height"])
            bounds = {key: step.get(key) for key in ("min_width", "max_width")}
            divisor = int(step.get("width_divisor", 1))
            width = resizing.rescaled_width(height, width, tall, **bounds, width_divisor=divisor)
            height = tall
        elif kind == "Resize":
            width, height = step["scale"]
    return max(1, width)


def column_share(pipeline: list[dict[str, Any]], width: int, height: int) -> float:
    """Returns a column's width as a share of the image's; see :func:`filled_width`."""
    return STRIDE / filled_width(pipeline, width, height)

"""The original's preprocessing, as an MMOCR transform."""

from typing import Any

from mmcv.transforms import BaseTransform
from mmocr.registry import TRANSFORMS

from aocr_plugin import resizing


@TRANSFORMS.register_module()
class AOCRCanvas(BaseTransform):
    """Puts an image on the original's canvas: bicubic, at the top left, zeros around.

    An image higher than ``height`` is resized to it with its aspect ratio kept. An image that
    would then be wider than the canvas is made to fit the width instead, and is lower than the
    canvas. A lower image that fits is not resized; a lower one whose width at the canvas's height
    would not fit gets the canvas's width, even if that enlarges it.

    Required and modified keys: ``img`` (becomes float32, not clipped to 0..255), ``img_shape``;
    added: ``pad_shape``, ``valid_ratio``.

    Args:
        max_width: the original's flag; with ``max_height`` it sets the canvas's width.
        max_height: the original's flag.
        height: of the canvas in pixels.
        kernel: "tensorflow2" or "tensorflow1": whose bicubic; see :func:`bicubic.matrix`.

    Raises:
        ConfigError: unknown kernel, or a size below 1.
    """

    def __init__(
        self,
        max_width: int = 160,
        max_height: int = 60,
        height: int = 32,
        kernel: str = "tensorflow2",
    ) -> None:
        resizing.check_canvas(max_width, max_height, height, kernel)
        self.height = height
        self.width = resizing.canvas_width(max_width, max_height, height)
        self.kernel = kernel

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resizes and pads ``results["img"]`` [H, W] or [H, W, C]."""
        canvas, used = resizing.on_canvas(results["img"], self.height, self.width, self.kernel)
        results["img"] = canvas
        results["img_shape"] = results["pad_shape"] = canvas.shape[:2]
        results["valid_ratio"] = used / self.width
        return results

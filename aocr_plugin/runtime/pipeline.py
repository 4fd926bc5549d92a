"""A checkpoint's pipeline without MMOCR: from an image file's bytes to the network's pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin import images, resizing, tensorflow_decoding
from aocr_plugin.errors import ConfigError

Pixels = NDArray[Any]
Step = Callable[[Pixels], tuple[Pixels, float | None]]
"""From pixels to pixels, and the share of the width that is image where a step sets one."""

LOADERS = {"LoadImageFromFile": images.decode, "LoadAOCRImage": tensorflow_decoding.decode}
_COLORS = {"LoadImageFromFile": "color", "LoadAOCRImage": "grayscale"}  # if nothing is said
LABELS = "LoadOCRAnnotations"
_PASSED_OVER = (LABELS, "PackTextRecogInputs")


class Pipeline:
    """Decodes and resizes as a checkpoint's pipeline does.

    ``LoadImageFromFile`` and ``LoadAOCRImage`` (colour or gray), ``RescaleToHeight``,
    ``PadToWidth`` (zeros or ``pad_val``), ``Resize`` to a fixed ``scale`` and ``AOCRCanvas`` are
    known.

    Args:
        steps: the checkpoint's ``test_pipeline``.

    Raises:
        ConfigError: there is another step, or another argument.
    """

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self._decode, self.color_type = loader(steps)
        self._steps: list[Step] = []
        for step in steps:
            arguments = dict(step)
            kind = str(arguments.pop("type")).removeprefix("mmocr.")
            if kind in _MAKERS:
                try:
                    self._steps.append(_MAKERS[kind](**arguments))
                except (TypeError, ValueError) as error:  # of another kind or number
                    raise ConfigError(f"{kind} of the pipeline: {error}") from error
            elif kind not in LOADERS and kind not in _PASSED_OVER:
                raise ConfigError(
                    f"the pipeline has {kind}, which only MMOCR can run; outside of it are known "
                    f"{', '.join([*LOADERS, *_MAKERS])}"
                )

    def decode(self, image: bytes | Pixels, name: str) -> Pixels:
        """Returns the pixels [H, W] or [H, W, 3] BGR of an encoded image, or of pixels.

        Raises:
            ImageError: no whole image.
        """
        decode = self._decode if isinstance(image, bytes) else images.decode
        return decode(image, name, self.color_type)

    def __call__(self, pixels: Pixels) -> Pixels:
        """Resizes pixels as the network wants them."""
        return self.fitted(pixels)[0]

    def fitted(self, pixels: Pixels) -> tuple[Pixels, float]:
        """Returns resized pixels, and the share of their width that is no padding."""
        used = 1.0
        for step in self._steps:
            pixels, share = step(pixels)
            used = used if share is None else share
        return pixels, used


def loader(steps: list[dict[str, Any]]) -> tuple[Callable[..., Pixels], str]:
    """Returns what decodes images as a pipeline's loader does, and its ``color_type``."""
    decode: Callable[..., Pixels] = images.decode
    color_type = "color"
    for step in steps:
        kind = str(step.get("type")).removeprefix("mmocr.")
        if kind in LOADERS:
            decode, color_type = LOADERS[kind], str(step.get("color_type", _COLORS[kind]))
    return decode, color_type


def _check_whole(**sizes: Any) -> None:
    """Raises a TypeError where a size is no whole number above 0."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < 1:
            raise TypeError(f"{name} is {size!r}, which is no whole number above 0")


def _rescale_to_height(
    height: int,
    min_width: int | None = None,
    max_width: int | None = None,
    width_divisor: int = 1,
    resize_type: str = "Resize",
    interpolation: str = "bilinear",
) -> Step:
    if resize_type != "Resize" or interpolation not in resizing.INTERPOLATIONS:
        raise TypeError(f"resize_type '{resize_type}' with interpolation '{interpolation}'")
    limits = {"min_width": min_width, "max_width": max_width}
    limits = {key: value for key, value in limits.items() if value is not None}
    _check_whole(height=height, width_divisor=width_divisor, **limits)

    def run(pixels: Pixels) -> tuple[Pixels, None]:
        size = pixels.shape[0], pixels.shape[1]
        width = resizing.rescaled_width(*size, height, min_width, max_width, width_divisor)
        return resizing.resize(pixels, height, width, interpolation), None

    return run


def _resize(scale: Any, keep_ratio: bool = False, interpolation: str = "bilinear") -> Step:
    if keep_ratio or interpolation not in resizing.INTERPOLATIONS:
        raise TypeError(f"keep_ratio={keep_ratio} with interpolation '{interpolation}'")
    width, height = scale
    _check_whole(width=width, height=height)
    return lambda pixels: (resizing.resize(pixels, height, width, interpolation), None)


def _pad_to_width(width: int, pad_cfg: dict[str, Any] | None = None) -> Step:
    value = (pad_cfg or {}).get("pad_val", 0)
    _check_whole(width=width)
    others = set(pad_cfg or {}) - {"type", "pad_val"}
    if others or not isinstance(value, int | float):
        raise TypeError(f"pad_cfg={pad_cfg}")

    def run(pixels: Pixels) -> tuple[Pixels, float]:
        missing = max(0, width - pixels.shape[1])
        wanted = [(0, 0), (0, missing), *[(0, 0)] * (pixels.ndim - 2)]
        used = min(1.0, pixels.shape[1] / width)
        return np.pad(pixels, wanted, constant_values=value), used

    return run


def _canvas(
    max_width: int = 160, max_height: int = 60, height: int = 32, kernel: str = "tensorflow2"
) -> Step:
    _check_whole(max_width=max_width, max_height=max_height, height=height)
    resizing.check_canvas(max_width, max_height, height, kernel)
    width = resizing.canvas_width(max_width, max_height, height)

    def run(pixels: Pixels) -> tuple[Pixels, float]:
        canvas, used = resizing.on_canvas(pixels, height, width, kernel)
        return canvas, used / width

    return run


_MAKERS: dict[str, Callable[..., Step]] = {
    "RescaleToHeight": _rescale_to_height,
    "PadToWidth": _pad_to_width,
    "Resize": _resize,
    "AOCRCanvas": _canvas,
}

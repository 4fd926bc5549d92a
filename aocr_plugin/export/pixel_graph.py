"""From an image's decoded pixels to the network's input, in PyTorch's operations, to be traced.

C channels, H, W pixels.
"""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aocr_plugin import resizing
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import interpolation
from aocr_plugin.runtime.model_info import ModelInfo
from aocr_plugin.runtime.pipeline import Pipeline

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From pixels [C, H, W] and their int64 [H, W] to the same of the result."""

SHARES = (3737, 19234, 9797)
"""Of blue, green and red in gray, in 1/32768: libpng's, which OpenCV and TensorFlow call."""


def gray(pixels: Tensor, is_png: Tensor) -> Tensor:
    """Returns gray [1, H, W] of pixels [3, H, W] BGR: cut off for a PNG, rounded for a JPEG."""
    sums = sum(float(share) * one for share, one in zip(SHARES, pixels.unbind(0), strict=True))
    rounding = torch.where(is_png, 0.0, 0.5)
    return torch.floor(sums / 32768 + rounding)[None].clamp(max=255)


def _double(value: int) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)  # a number before / would be multiplied


def _resize_to(kind: str) -> interpolation.Resize:
    if kind not in interpolation.OPENCV:
        raise ConfigError(
            f"the checkpoint's pipeline resizes with interpolation '{kind}'; in one file are known "
            f"{', '.join(interpolation.OPENCV)}"
        )
    return interpolation.OPENCV[kind]


def _rescale_to_height(
    height: int,
    min_width: int | None = None,
    max_width: int | None = None,
    width_divisor: int = 1,
    resize_type: str = "Resize",
    interpolation: str = "bilinear",
) -> Step:
    resize = _resize_to(interpolation)

    def run(x: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        exact = size.double()
        width = torch.ceil(_double(height) / exact[:1] * exact[1:])
        width = width.clamp(min_width, max_width) if min_width or max_width else width
        width = torch.round(width / width_divisor) * width_divisor
        new = torch.cat([torch.tensor([height]), width.long()])
        return resize(x, size, new), new

    return run


def _fixed(scale: Any, keep_ratio: bool = False, interpolation: str = "bilinear") -> Step:
    resize = _resize_to(interpolation)

    def run(x: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        new = torch.tensor([scale[1], scale[0]])
        return resize(x, size, new), new

    return run


def _pad_to_width(width: int, pad_cfg: dict[str, Any] | None = None) -> Step:
    value = float((pad_cfg or {}).get("pad_val", 0))

    def run(x: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        wanted = torch.maximum(size[1:], torch.tensor([width]))
        columns = torch.arange(wanted.squeeze(0))  # type: ignore[call-overload]
        x = x.index_select(2, torch.minimum(columns, size[1:] - 1))
        return torch.where(columns < size[1:], x, value), torch.cat([size[:1], wanted])

    return run


def _canvas(
    max_width: int = 160, max_height: int = 60, height: int = 32, kernel: str = "tensorflow2"
) -> Step:
    width = resizing.canvas_width(max_width, max_height, height)

    def run(x: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        exact = size.double()
        scaled = torch.ceil(exact[1:] / exact[:1] * height)
        too_wide = scaled > width
        rows = torch.where(too_wide, torch.ceil(_double(width) / scaled * height), _double(height))
        columns = torch.where(too_wide, _double(width), scaled)
        as_it_is = (size[:1] <= height) & ~too_wide
        fitted = torch.where(as_it_is, size, torch.cat([rows, columns]).long())
        new = torch.tensor([height, width])
        return interpolation.on_canvas(x, size, fitted, (height, width), kernel), new

    return run


_MAKERS: dict[str, Callable[..., Step]] = {
    "RescaleToHeight": _rescale_to_height,
    "Resize": _fixed,
    "PadToWidth": _pad_to_width,
    "AOCRCanvas": _canvas,
}


class Preparation(nn.Module):
    """What a checkpoint's pipeline and data preprocessor do to pixels.

    Args:
        info: the model's.

    Raises:
        ConfigError: the pipeline has what cannot be in the graph.
    """

    def __init__(self, info: ModelInfo) -> None:
        super().__init__()
        known = Pipeline(info.pipeline)  # says what it does not know
        self.gray = known.color_type.startswith("grayscale")
        self.bgr_to_rgb = info.bgr_to_rgb
        self.steps: list[Step] = []
        for step in info.pipeline:
            arguments = dict(step)
            kind = str(arguments.pop("type")).removeprefix("mmocr.")
            if kind in _MAKERS:
                self.steps.append(_MAKERS[kind](**arguments))
        self.register_buffer("mean", torch.tensor(info.mean)[:, None, None])
        self.register_buffer("factor", 1 / torch.tensor(info.std)[:, None, None])

    def forward(self, image: Tensor, size: Tensor, is_png: Tensor) -> Tensor:
        """Prepares an image.

        Args:
            image: uint8 [H, W, 3], BGR.
            size: its shape, int64 [3].
            is_png: bool; else it is a JPEG.

        Returns:
            Normalised pixels [C, 32, W].
        """
        x = image.float().permute(2, 0, 1)
        if self.gray:
            x = gray(x, is_png)
        elif self.bgr_to_rgb:
            x = x.flip(0)
        now = size[:2]
        for step in self.steps:
            x, now = step(x, now)
        return (x - self.mean) * self.factor  # type: ignore[operator]


def traced(preparation: Preparation, opset: int) -> Any:
    """Returns the preparation as an ONNX model: inputs image, size and is_png, output prepared."""
    import onnx

    image = torch.randint(0, 255, (40, 100, 3), dtype=torch.uint8)
    inputs = (image, torch.tensor(image.shape), torch.tensor(True))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shapes that are constants, said of every line
        path = Path(folder) / "preparation.onnx"
        torch.onnx.export(
            preparation.eval(),
            inputs,
            str(path),
            dynamo=False,
            opset_version=opset,
            input_names=["image", "size", "is_png"],
            output_names=["prepared"],
            dynamic_axes={"image": {0: "height", 1: "width"}, "prepared": {2: "new_width"}},
        )
        return onnx.load(path)

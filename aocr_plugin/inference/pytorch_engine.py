"""A checkpoint in PyTorch as an engine of ``Recognizer``."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from mmcv.cnn import fuse_conv_bn
from mmengine.dataset import pseudo_collate
from numpy.typing import NDArray

from aocr_plugin import images as image_files
from aocr_plugin.datasets.collating import stacked_collate
from aocr_plugin.engine import checkpoint_file
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference import preparing
from aocr_plugin.inference.model import build_model, set_search
from aocr_plugin.inference.prediction import Prediction, from_sample
from aocr_plugin.models import rectified_conv
from aocr_plugin.models.backbones.sliding_cnn import SlidingCNN
from aocr_plugin.models.data_preprocessor import StackedDataPreprocessor
from aocr_plugin.models.recognizers.aocr import AOCR
from aocr_plugin.runtime.pipeline import loader

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16}


class PyTorchEngine:
    """A trained checkpoint, with all that its decoder can do.

    Args:
        checkpoint: a ``.pth`` file of ``tools/train.py``.
        device: "cpu", "cuda", "cuda:1"; None takes a GPU where there is one.
        attention: keep the attention weights in the predictions.
        precision: "fp32" or "bf16"; None is fp32.
        compiled: translate the backbone and the decoder's step with ``torch.compile``; the first
            images of a kind then take tens of seconds.
        score: kind of word score, or None for the checkpoint's own.
        by_mmocr: prepare images by MMOCR's transforms even where the pipeline can do without them,
            for what is compared with another runtime.
        search: arguments of :class:`SearchSettings`; what is None is as the checkpoint has it.

    Raises:
        CheckpointError: the file cannot be used.
        ConfigError: there is no such device or precision, no compiler, or a setting for texts is
            out of range, cannot be satisfied by any text, or not by this checkpoint's decoder.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str | None = None,
        attention: bool = False,
        precision: str | None = None,
        compiled: bool = False,
        score: str | None = None,
        by_mmocr: bool = False,
        **search: Any,
    ) -> None:
        if (precision or "fp32") not in PRECISIONS:
            raise ConfigError(
                f"precision is '{precision}'; in PyTorch it is one of {', '.join(PRECISIONS)}"
            )
        self.precision = PRECISIONS[precision or "fp32"]
        self.device = find_device(device)
        loaded = checkpoint_file.load(checkpoint)
        self.description = checkpoint_file.description(loaded, checkpoint)
        model, state = self.description["model"], loaded["state_dict"]
        self.model = build_model(model, state, str(checkpoint))
        self.model.to(self.device).eval()
        if isinstance(getattr(self.model, "backbone", None), SlidingCNN):
            fuse_conv_bn(self.model.backbone)  # the weights take BatchNorm's scale and shift
            plain = self.device.type == "cpu" and self.precision is None and not compiled
            if plain and rectified_conv.available():
                self.model.backbone.rectify()
        if isinstance(self.model, AOCR) and self.model.with_backbone:
            self.model.backbone.to(memory_format=torch.channels_last)  # a quarter faster on CPUs
            self.model.memory_format = torch.channels_last
        if compiled:
            compile_model(self.model)
        self.model.decoder.keep_attention = attention
        set_search(self.model, {k: v for k, v in search.items() if v is not None}, score)
        steps = self.description["test_pipeline"]
        self._decode, self._color = loader(steps)
        self._prepare = (None if by_mmocr else preparing.plain(steps)) or preparing.by_mmocr(steps)
        stacks = isinstance(self.model.data_preprocessor, StackedDataPreprocessor)
        self._collate = stacked_collate if stacks else pseudo_collate

    @property
    def charset(self) -> str:
        """Every character that can be read."""
        dictionary = self.model.decoder.dictionary
        return str(getattr(dictionary, "characters", "".join(dictionary.dict)))

    def decode(self, image: bytes | NDArray[Any], name: str) -> NDArray[Any]:
        """Returns an image's pixels as the checkpoint's pipeline takes them.

        Raises:
            ImageError: no whole image.
        """
        decode = self._decode if isinstance(image, bytes) else image_files.decode
        pixels: NDArray[Any] = decode(image, name, self._color)
        return pixels

    def prepare(self, image: bytes | NDArray[Any], name: str) -> dict[str, Any]:
        """Decodes an image and runs the checkpoint's pipeline on it.

        Raises:
            ImageError: no whole image, or the pipeline rejects it.
        """
        data = self._prepare(self.decode(image, name), name)
        if data is None:
            raise ImageError(f"{name}: the checkpoint's pipeline rejects this image")
        return data

    @staticmethod
    def width(prepared: dict[str, Any]) -> int:
        """Returns the width of a prepared image in pixels."""
        return int(prepared["inputs"].shape[-1])

    @torch.inference_mode()
    def read(self, prepared: list[dict[str, Any]], sources: list[str | None]) -> list[Prediction]:
        """Reads a batch of prepared images.

        Args:
            prepared: of :meth:`prepare`.
            sources: their file names, or None.
        """
        data = self.model.data_preprocessor(self._collate(prepared), False)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            samples = self.model(**data, mode="predict")
        return [from_sample(sample, name) for sample, name in zip(samples, sources, strict=True)]


def find_device(name: str | None) -> torch.device:
    """Returns the device; None takes a GPU where there is one.

    Raises:
        ConfigError: unknown, or not on this machine.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise ConfigError(f"device '{name}' is unknown; give cpu, cuda or cuda:1") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device '{name}' is not on this machine, or PyTorch is a CPU build")
    return device


def compile_model(model: Any) -> None:
    """Has the parts where the time goes compiled when they first run.

    Raises:
        ConfigError: there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise ConfigError(
            f"compiled=True needs a C++ compiler, and '{compiler}' is not on this machine: install "
            "one, name it in CXX, or leave compiled out"
        )
    for part in (model.backbone, getattr(model.decoder, "step", None)):
        if isinstance(part, torch.nn.Module):
            part.compile(dynamic=True)

"""Images in, text out: the Python interface to a trained checkpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmocr.registry import TRANSFORMS
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps

from aocr_plugin import images as image_files
from aocr_plugin.engine import checkpoint_file
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.model import build_model

_SINGLE = (str, bytes, bytearray, memoryview, Path, np.ndarray, PillowImage.Image)
ImageLike = str | Path | bytes | NDArray[Any] | PillowImage.Image


@dataclass(frozen=True)
class Prediction:
    """What was read in one image.

    Attributes:
        text: the text.
        score: probability of the whole text in [0, 1]: the product of its characters' and the
            end symbol's.
        char_scores: one probability in [0, 1] for each character of ``text``.
        source: the image's file name, where it had one.
        error: why nothing was read, or None; then text is empty and score 0.
        attention: [L, T] weights over the feature columns, where they were asked for.
    """

    text: str
    score: float
    char_scores: list[float] = field(default_factory=list)
    source: str | None = None
    error: str | None = None
    attention: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the prediction as a JSON object (without attention)."""
        if self.error is not None:
            return {"file": self.source, "error": self.error}
        return {
            "file": self.source,
            "text": self.text,
            "score": round(self.score, 6),
            "char_scores": [round(score, 6) for score in self.char_scores],
        }


def _load_bytes(image: ImageLike, name: str) -> bytes | NDArray[Any]:
    """Returns an image's encoded bytes, or its pixels where it is given as pixels.

    Raises:
        ImageError: unreadable file, or pixels of a form that is no image.
    """
    if isinstance(image, str | Path):
        try:
            return Path(image).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(f"{image}: cannot read the image file ({reason})") from error
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, PillowImage.Image):
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # Pillow's conversion would clip at 255
            return (np.asarray(image) >> 8).astype(np.uint8)
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])
    if isinstance(image, np.ndarray):
        if (
            image.dtype != np.uint8
            or image.ndim not in (2, 3)
            or (image.ndim == 3 and image.shape[2] not in (1, 3, 4))
            or 0 in image.shape
        ):
            raise ImageError(
                f"{name}: an array must be uint8 of shape [H, W], [H, W, 1], [H, W, 3] (BGR, as "
                f"OpenCV loads it) or [H, W, 4], this is {image.dtype} {list(image.shape)}"
            )
        return image
    raise ImageError(f"{name}: {type(image).__name__} is no path, bytes, array or Pillow image")


class Recognizer:
    """Reads the text in images with a trained checkpoint.

    The checkpoint says everything: sizes, charset, preprocessing. It is loaded with
    ``weights_only=True``, so a file that carries code is refused.

    Args:
        checkpoint: a ``.pth`` file of ``tools/train.py``.
        device: "cpu", "cuda", "cuda:1"; None takes a GPU where there is one.
        batch_size: images read at once; they are sorted by width first.
        attention: keep the attention weights in the predictions.

    Raises:
        CheckpointError: the file cannot be used.
        ConfigError: there is no such device.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str | None = None,
        batch_size: int = 32,
        attention: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.device = _device(device)
        self.batch_size = batch_size
        loaded = checkpoint_file.load(checkpoint)
        description = checkpoint_file.description(loaded, checkpoint)
        self.model = build_model(description["model"], loaded["state_dict"], str(checkpoint))
        self.model.to(self.device).eval()
        self.model.decoder.keep_attention = attention
        with DefaultScope.overwrite_default_scope("mmocr"):
            steps = description["test_pipeline"]
            self._color = str(steps[0].get("color_type", "color")) if steps else "color"
            self._pipeline = Compose([TRANSFORMS.build(s) for s in steps if not _for_files(s)])

    @property
    def charset(self) -> str:
        """Every character that can be read."""
        dictionary = self.model.decoder.dictionary
        return getattr(dictionary, "characters", "".join(dictionary.dict))

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, images: ImageLike, *, errors: str = "raise"
    ) -> Prediction: ...

    @overload
    def __call__(
        self, images: Sequence[ImageLike], *, errors: str = "raise"
    ) -> list[Prediction]: ...

    def __call__(self, images: Any, *, errors: str = "raise") -> Prediction | list[Prediction]:
        """Reads one image or many.

        Args:
            images: a path, encoded bytes, a uint8 array ([H, W] gray or [H, W, 3] BGR), a Pillow
                image, or a sequence of these.
            errors: "raise" stops at an image that cannot be read, "return" gives it a
                :class:`Prediction` with ``error`` set and goes on.

        Returns:
            A prediction for a single image, a list in the same order for a sequence.

        Raises:
            ImageError: an image cannot be read and ``errors`` is "raise".
        """
        if errors not in ("raise", "return"):
            raise ValueError(f"errors is '{errors}'; it must be 'raise' or 'return'")
        if isinstance(images, _SINGLE):
            return next(self._read([images], errors))  # type: ignore[list-item]
        return list(self._read(list(images), errors))

    def _read(self, images: list[ImageLike], errors: str) -> Iterator[Prediction]:
        """Yields the predictions in order; a window of batches is sorted by width at a time."""
        window = self.batch_size * 8
        for start in range(0, len(images), window):
            ready: list[tuple[int, dict[str, Any]]] = []
            results: dict[int, Prediction] = {}
            for index in range(start, min(start + window, len(images))):
                image = images[index]
                source = str(image) if isinstance(image, str | Path) else None
                try:
                    ready.append((index, self._prepare(image, source or f"image {index}")))
                except ImageError as error:
                    if errors == "raise":
                        raise
                    results[index] = Prediction("", 0.0, [], source, str(error))
            ready.sort(key=lambda item: item[1]["inputs"].shape[-1])
            for first in range(0, len(ready), self.batch_size):
                batch = ready[first : first + self.batch_size]
                for (index, _), sample in zip(
                    batch, self._predict([data for _, data in batch]), strict=True
                ):
                    image = images[index]
                    source = str(image) if isinstance(image, str | Path) else None
                    results[index] = _prediction(sample, source)
            for index in sorted(results):
                yield results[index]

    def _prepare(self, image: ImageLike, name: str) -> dict[str, Any]:
        """Decodes an image and runs the checkpoint's pipeline on it."""
        loaded = _load_bytes(image, name)
        pixels = image_files.decode(loaded, name, self._color)
        shape = pixels.shape[:2]
        data: dict[str, Any] | None = self._pipeline(
            {"img": pixels, "img_path": name, "img_shape": shape, "ori_shape": shape}
        )
        if data is None:
            raise ImageError(f"{name}: the checkpoint's pipeline rejects this image")
        return data

    @torch.inference_mode()
    def _predict(self, batch: list[dict[str, Any]]) -> Sequence[Any]:
        data = self.model.data_preprocessor(pseudo_collate(batch), False)
        samples: Sequence[Any] = self.model(**data, mode="predict")
        return samples


def _device(name: str | None) -> torch.device:
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


def _for_files(step: dict[str, Any]) -> bool:
    """Whether a transform loads a file or a label, which images to read do not have."""
    return str(step.get("type", "")).removeprefix("mmocr.") in (
        "LoadImageFromFile",
        "LoadOCRAnnotations",
    )


def _prediction(sample: Any, source: str | None) -> Prediction:
    found = sample.pred_text
    scores = [float(score) for score in found.score]
    word = found.get("word_score")
    attention = found.get("attention")
    return Prediction(
        text=found.item,
        score=float(np.prod(scores)) if word is None else float(word),
        char_scores=scores,
        source=source,
        attention=None if attention is None else attention.numpy(),
    )

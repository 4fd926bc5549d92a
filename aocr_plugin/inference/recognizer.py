"""Images in, text out: the Python interface to a trained checkpoint."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import torch
from mmcv.transforms import Compose
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmocr.registry import TRANSFORMS

from aocr_plugin import images as image_files
from aocr_plugin import tensorflow_decoding
from aocr_plugin.engine import checkpoint_file
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.loading import SINGLE, ImageLike, load_bytes
from aocr_plugin.inference.model import build_model, set_search
from aocr_plugin.inference.prediction import Hypothesis, Prediction, from_sample

__all__ = ["Hypothesis", "ImageLike", "Prediction", "Recognizer"]


class Recognizer:
    """Reads the text in images with a trained checkpoint.

    The checkpoint says everything: sizes, charset, preprocessing. It is loaded with
    ``weights_only=True``, so a file that carries code is refused.

    Texts are decoded greedily. ``beam``, ``nbest`` or anything asked of the text (``allowed``,
    ``pattern``, ``length``) means beam search; a width of 5, or ``nbest`` if that is more, is
    taken where none is given. What is not given here is as the checkpoint's own config had it.

    Args:
        checkpoint: a ``.pth`` file of ``tools/train.py``.
        device: "cpu", "cuda", "cuda:1"; None takes a GPU where there is one.
        batch_size: images read at once; they are sorted by width first.
        attention: keep the attention weights in the predictions.
        beam: width of the beam: hypotheses kept at each character; 0 is greedy decoding.
        nbest: texts wanted of each image.
        allowed: the only characters that a text may have, e.g. "0123456789".
        pattern: regular expression that the whole text must match, e.g. "[A-Z]{3}[0-9]{4}".
        length: number of characters, or the smallest and the largest.
        score: the predictions' score: "product" (the probability of the whole text, if nothing
            else is said), "geometric" (the geometric mean of its characters' and the end's) or
            "minimum" (the least of these). A constraint does not raise it: a text that had to
            be forced has a low one.

    Raises:
        CheckpointError: the file cannot be used.
        ConfigError: there is no such device, or a setting for texts is out of range, cannot be
            satisfied by any text, or not by this checkpoint's decoder.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str | None = None,
        batch_size: int = 32,
        attention: bool = False,
        beam: int | None = None,
        nbest: int | None = None,
        allowed: str | Sequence[str] | None = None,
        pattern: str | None = None,
        length: int | Sequence[int] | None = None,
        score: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.device = find_device(device)
        self.batch_size = batch_size
        loaded = checkpoint_file.load(checkpoint)
        description = checkpoint_file.description(loaded, checkpoint)
        self.model = build_model(description["model"], loaded["state_dict"], str(checkpoint))
        self.model.to(self.device).eval()
        self.model.decoder.keep_attention = attention
        asked: dict[str, Any] = {"beam_width": beam, "nbest": nbest}
        asked |= {"allowed": allowed, "pattern": pattern, "length": length}
        set_search(self.model, {k: v for k, v in asked.items() if v is not None}, score)
        with DefaultScope.overwrite_default_scope("mmocr"):
            steps = description["test_pipeline"]
            first = steps[0] if steps else {}
            self._color = str(first.get("color_type", "color"))
            as_tensorflow = str(first.get("type")).endswith("LoadAOCRImage")
            self._decode: Any = tensorflow_decoding.decode if as_tensorflow else image_files.decode
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
        if isinstance(images, SINGLE):
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
                    results[index] = from_sample(sample, source)
            for index in sorted(results):
                yield results[index]

    def _prepare(self, image: ImageLike, name: str) -> dict[str, Any]:
        """Decodes an image and runs the checkpoint's pipeline on it."""
        loaded = load_bytes(image, name)
        decode = self._decode if isinstance(loaded, bytes) else image_files.decode
        pixels = decode(loaded, name, self._color)
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


def _for_files(step: dict[str, Any]) -> bool:
    """Whether a transform loads a file or a label, which images to read do not have."""
    return str(step.get("type", "")).removeprefix("mmocr.") in (
        "LoadImageFromFile",
        "LoadAOCRImage",
        "LoadOCRAnnotations",
    )

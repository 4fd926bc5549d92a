"""Images in, text out: the Python interface to a trained model, in whatever form it is.

Imports PyTorch and MMOCR for a checkpoint alone; an exported file is read without.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from aocr_plugin import weights
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.loading import SINGLE, ImageLike, load_bytes
from aocr_plugin.inference.prediction import Hypothesis, Prediction
from aocr_plugin.inference.turning import most_certain, turns

__all__ = ["Engine", "Hypothesis", "ImageLike", "Prediction", "Recognizer"]

RUNTIMES = ("pytorch", "onnxruntime", "openvino")
_BY_SUFFIX = {".onnx": "onnxruntime", ".xml": "openvino"}


class Engine(Protocol):
    """What reads prepared images."""

    @property
    def charset(self) -> str:
        """Every character that can be read."""

    def decode(self, image: bytes | NDArray[Any], name: str) -> NDArray[Any]:
        """Decodes an image, which may be prepared then."""

    def prepare(self, image: bytes | NDArray[Any], name: str) -> Any:
        """Decodes and resizes an image."""

    def width(self, prepared: Any) -> int:
        """Returns the width of a prepared image in pixels."""

    def read(self, prepared: list[Any], sources: list[str | None]) -> list[Prediction]:
        """Reads a batch."""


class Recognizer:
    """Reads the text in images with a trained model.

    The file says everything: sizes, charset, preprocessing. A checkpoint (``.pth``) is loaded with
    ``weights_only=True``, so one that carries code is refused. An exported ``.onnx`` needs ONNX
    Runtime (or OpenVINO, with ``runtime="openvino"``) and NumPy, no PyTorch.

    Texts are decoded greedily. ``beam``, ``nbest`` or anything asked of the text (``allowed``,
    ``pattern``, ``length``) means beam search, which only a checkpoint can do; a width of 5, or
    ``nbest`` if that is more, is taken where none is given. What is not given here is as the
    checkpoint's own config had it.

    Args:
        model: a ``.pth`` file of ``tools/train.py``, a ``.onnx`` or ``.xml`` file of
            ``tools/export.py``, or the name of a recogniser that comes with the package; by
            default the one for English words. Of a name, what is asked for decides between
            checkpoint and export: ONNX Runtime where it is installed and will do.
        device: "cpu", "cuda", "cuda:1"; None takes a GPU where there is one (PyTorch) or the CPU.
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
        runtime: "pytorch", "onnxruntime" or "openvino"; None goes by the file's name.
        precision: what to compute in: "fp32", "bf16" (PyTorch, OpenVINO) or "fp16" (OpenVINO);
            None is fp32, of an export what it was compared in.
        threads: of an exported model's runtime; None is one a core.
        compiled: of a checkpoint: translate its network with ``torch.compile``, which takes tens
            of seconds once, for long runs.
        vertical: read an image 1.5 times taller than wide also turned to the left and to the right
            (one 3 times taller only so), and take the reading whose characters have the best mean
            score. For crops of signs; a model that was trained on vertical images does without.

    Raises:
        CheckpointError: the file cannot be used.
        ConfigError: there is no such device, runtime, precision or compiler, or a setting for
            texts is out of range, cannot be satisfied by any text, or not by this model.
    """

    def __init__(
        self,
        model: str | Path = weights.DEFAULT,
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
        runtime: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        compiled: bool = False,
        vertical: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.batch_size = batch_size
        self.vertical = vertical
        search: dict[str, Any] = {"beam_width": beam, "nbest": nbest}
        search |= {"allowed": allowed, "pattern": pattern, "length": length}
        searches = compiled or any(value is not None for value in search.values())
        wanted = "pytorch" if searches and runtime is None else runtime
        model = weights.resolve(model, wanted, device)
        own = _BY_SUFFIX.get(Path(str(model)).suffix.lower(), "pytorch")
        runtime = runtime or own
        if runtime not in RUNTIMES:
            raise ConfigError(f"runtime is '{runtime}'; it is one of {', '.join(RUNTIMES)}")
        if (runtime == "pytorch") != (own == "pytorch"):
            raise ConfigError(
                f"{model}: PyTorch reads checkpoints (.pth), the other runtimes exported files "
                f"(.onnx, .xml); leave runtime '{runtime}' out, or export the checkpoint"
            )
        self.engine: Any
        if runtime == "pytorch":
            try:
                from aocr_plugin.inference.pytorch_engine import PyTorchEngine
            except ModuleNotFoundError as error:
                raise ConfigError(
                    f"{model}: reading with a checkpoint needs PyTorch and MMOCR ({error}): pip "
                    "install 'aocr-plugin[cpu]', or export it to ONNX where they are"
                ) from error

            self.engine = PyTorchEngine(
                model,
                device=device,
                attention=attention,
                precision=precision,
                compiled=compiled,
                score=score,
                **search,
            )
        else:
            if any(value is not None for value in search.values()):
                asked = ", ".join(name for name, value in search.items() if value is not None)
                raise ConfigError(
                    f"{model}: an exported model decodes greedily; {asked} need the checkpoint"
                )
            if compiled:
                raise ConfigError(f"{model}: compiled is for checkpoints; this one is exported")
            from aocr_plugin.runtime.opening import open_engine

            self.engine = open_engine(
                model,
                runtime,
                device=device,
                attention=attention,
                score=score,
                precision=precision,
                threads=threads,
            )

    @property
    def model(self) -> Any:
        """The PyTorch model of a checkpoint.

        Raises:
            AttributeError: the recogniser runs an exported file.
        """
        return self.engine.model

    @property
    def charset(self) -> str:
        """Every character that can be read."""
        return str(self.engine.charset)

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
            ready: list[tuple[int, int, Any]] = []
            failed: dict[int, Prediction] = {}
            indices = range(start, min(start + window, len(images)))
            for index in indices:
                source = _name(images[index])
                try:
                    name = source or f"image {index}"
                    loaded = load_bytes(images[index], name)
                    ready += [(index, turn, one) for turn, one in self._prepared(loaded, name)]
                except ImageError as error:
                    if errors == "raise":
                        raise
                    failed[index] = Prediction("", 0.0, [], source, str(error))
            ready.sort(key=lambda item: self.engine.width(item[2]))
            readings: defaultdict[int, list[Prediction]] = defaultdict(list)
            for first in range(0, len(ready), self.batch_size):
                batch = ready[first : first + self.batch_size]
                sources = [_name(images[index]) for index, _, _ in batch]
                found = self.engine.read([prepared for _, _, prepared in batch], sources)
                for (index, turn, _), one in zip(batch, found, strict=True):
                    readings[index].append(dataclasses.replace(one, turn=turn) if turn else one)
            for index in indices:
                yield failed[index] if index in failed else _chosen(readings[index])

    def _prepared(self, image: bytes | NDArray[Any], name: str) -> Iterator[tuple[int, Any]]:
        """Yields what is read of an image, with its turn in degrees to the left.

        Raises:
            ImageError: no whole image.
        """
        if not self.vertical:
            yield 0, self.engine.prepare(image, name)
            return
        pixels = self.engine.decode(image, name)
        for turn in turns(*pixels.shape[:2]):
            turned = np.ascontiguousarray(np.rot90(pixels, turn // 90))
            yield turn, self.engine.prepare(turned, name)


def _chosen(readings: list[Prediction]) -> Prediction:
    """Returns the most certain reading of an image; of equal ones the least turned."""
    return most_certain(sorted(readings, key=lambda one: one.turn))


def _name(image: ImageLike) -> str | None:
    return str(image) if isinstance(image, str | Path) else None

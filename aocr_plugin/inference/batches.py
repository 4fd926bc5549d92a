"""Reads many images: decoded, sorted by width, in batches, in their order; again where asked."""

import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.errors import ImageError
from aocr_plugin.inference.loading import ImageLike, load_bytes
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.turning import most_certain, turns
from aocr_plugin.inference.views import SURE, VIEWS, most_probable

_WINDOW = 8  # batches that are sorted by width at a time


class Engine(Protocol):
    """What reads prepared images."""

    @property
    def charset(self) -> str:
        """Every character that can be read."""

    def decode(self, image: bytes | NDArray[Any], name: str) -> NDArray[Any]:
        """Returns pixels that :meth:`prepare` takes."""

    def prepare(self, image: bytes | NDArray[Any], name: str) -> Any:
        """Decodes and resizes an image."""

    def width(self, prepared: Any) -> int:
        """Returns the width of a prepared image in pixels."""

    def read(self, prepared: list[Any], sources: list[str | None]) -> list[Prediction]:
        """Reads a batch."""


def read_all(
    engine: Engine,
    images: list[ImageLike],
    *,
    batch_size: int,
    vertical: bool,
    views: int,
    errors: str,
) -> Iterator[Prediction]:
    """Yields the predictions in order; see ``Recognizer`` for the arguments.

    Raises:
        ImageError: an image cannot be read and ``errors`` is "raise".
    """
    window = batch_size * _WINDOW
    for start in range(0, len(images), window):
        part = images[start : start + window]
        sources = [_source(image) for image in part]
        names = [source or f"image {start + k}" for k, source in enumerate(sources)]
        loaded: dict[int, bytes | NDArray[Any]] = {}
        failed: dict[int, Prediction] = {}
        ready: list[_Ready] = []
        for k, image in enumerate(part):
            try:
                data = load_bytes(image, names[k])
                ready += _prepared(engine, data, k, names[k], vertical)
            except ImageError as error:
                if errors == "raise":
                    raise
                failed[k] = Prediction("", 0.0, [], sources[k], str(error))
            else:
                if views > 1:
                    loaded[k] = data
        readings = _readings(engine, ready, sources, batch_size)
        found = {k: most_certain(several) for k, several in readings.items()}
        again: list[_Ready] = []
        for k, data in loaded.items():
            if found[k].score < SURE:
                again += _seen_otherwise(engine, data, k, names[k], found[k].turn, views)
        for k, several in _readings(engine, again, sources, batch_size).items():
            found[k] = most_probable([found[k], *several])
        for k in range(len(part)):
            yield failed[k] if k in failed else found[k]


class _Ready(NamedTuple):
    """One reading to be made: of which image of a window, prepared, and how it was changed."""

    place: int
    prepared: Any
    turn: int = 0
    view: str = ""


def _prepared(
    engine: Engine, data: bytes | NDArray[Any], place: int, name: str, vertical: bool
) -> list[_Ready]:
    """Returns what is read of an image first.

    Raises:
        ImageError: no whole image, or one that the model's pipeline refuses.
    """
    if not vertical:
        return [_Ready(place, engine.prepare(data, name))]
    pixels = engine.decode(data, name)
    return [
        _Ready(place, engine.prepare(_rotated(pixels, turn), name), turn)
        for turn in turns(*pixels.shape[:2])
    ]


def _seen_otherwise(
    engine: Engine, data: bytes | NDArray[Any], place: int, name: str, turn: int, views: int
) -> list[_Ready]:
    """Returns an image's further views; one that the model's pipeline refuses is left out."""
    pixels = _rotated(engine.decode(data, name), turn)
    ready = []
    for view in list(VIEWS)[: views - 1]:
        with contextlib.suppress(ImageError):
            ready.append(_Ready(place, engine.prepare(VIEWS[view](pixels), name), turn, view))
    return ready


def _rotated(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    return np.ascontiguousarray(np.rot90(pixels, turn // 90))


def _readings(
    engine: Engine, ready: list[_Ready], sources: list[str | None], batch_size: int
) -> dict[int, list[Prediction]]:
    """Reads in batches of similar width; returns each image's predictions in the order given."""
    order = sorted(range(len(ready)), key=lambda k: engine.width(ready[k].prepared))
    read: dict[int, Prediction] = {}
    for first in range(0, len(order), batch_size):
        numbers = order[first : first + batch_size]
        batch = [ready[k] for k in numbers]
        found = engine.read([one.prepared for one in batch], [sources[one.place] for one in batch])
        read |= dict(zip(numbers, found, strict=True))
    readings: defaultdict[int, list[Prediction]] = defaultdict(list)
    for k, one in enumerate(ready):
        kept = read[k]
        if one.turn or one.view:
            kept = dataclasses.replace(kept, turn=one.turn, view=one.view)
        readings[one.place].append(kept)
    return readings


def _source(image: ImageLike) -> str | None:
    return str(image) if isinstance(image, str | Path) else None

"""Reads many images: decoded, sorted by width, in batches, in their order; again where asked."""

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
        pixels: dict[int, NDArray[Any]] = {}
        failed: dict[int, Prediction] = {}
        ready: list[_Ready] = []
        for k, image in enumerate(part):
            try:
                loaded = load_bytes(image, names[k])
                if not vertical and views == 1:
                    ready.append(_Ready(k, engine.prepare(loaded, names[k])))
                    continue
                pixels[k] = engine.decode(loaded, names[k])
                for turn in turns(*pixels[k].shape[:2]) if vertical else (0,):
                    turned = np.ascontiguousarray(np.rot90(pixels[k], turn // 90))
                    ready.append(_Ready(k, engine.prepare(turned, names[k]), turn))
            except ImageError as error:
                if errors == "raise":
                    raise
                failed[k] = Prediction("", 0.0, [], sources[k], str(error))
        found = {
            k: most_certain(readings)
            for k, readings in _readings(engine, ready, sources, batch_size).items()
        }
        again: list[_Ready] = []
        for k, first in found.items() if views > 1 else ():
            if first.score < SURE:
                upright = np.ascontiguousarray(np.rot90(pixels[k], first.turn // 90))
                for view in list(VIEWS)[: views - 1]:
                    prepared = engine.prepare(VIEWS[view](upright), names[k])
                    again.append(_Ready(k, prepared, first.turn, view))
        for k, readings in _readings(engine, again, sources, batch_size).items():
            found[k] = most_probable([found[k], *readings])
        for k in range(len(part)):
            yield failed[k] if k in failed else found[k]


class _Ready(NamedTuple):
    """One reading to be made: of which image of a window, prepared, and how it was changed."""

    place: int
    prepared: Any
    turn: int = 0
    view: str = ""


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

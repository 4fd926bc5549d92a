"""Reads many images: decoded, turned where asked, sorted by width, in batches, in their order."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.errors import ImageError
from aocr_plugin.inference.loading import ImageLike, load_bytes
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.turning import most_certain, turns

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
    engine: Engine, images: list[ImageLike], *, batch_size: int, vertical: bool, errors: str
) -> Iterator[Prediction]:
    """Yields the predictions in order; see ``Recognizer`` for the arguments.

    Raises:
        ImageError: an image cannot be read and ``errors`` is "raise".
    """
    window = batch_size * _WINDOW
    for start in range(0, len(images), window):
        ready: list[tuple[int, int, Any]] = []
        failed: dict[int, Prediction] = {}
        indices = range(start, min(start + window, len(images)))
        for index in indices:
            source = _source(images[index])
            try:
                prepared = _prepared(engine, images[index], source or f"image {index}", vertical)
                ready += [(index, turn, one) for turn, one in prepared]
            except ImageError as error:
                if errors == "raise":
                    raise
                failed[index] = Prediction("", 0.0, [], source, str(error))
        ready.sort(key=lambda item: engine.width(item[2]))
        readings: defaultdict[int, list[Prediction]] = defaultdict(list)
        for first in range(0, len(ready), batch_size):
            batch = ready[first : first + batch_size]
            sources = [_source(images[index]) for index, _, _ in batch]
            found = engine.read([prepared for _, _, prepared in batch], sources)
            for (index, turn, _), one in zip(batch, found, strict=True):
                readings[index].append(dataclasses.replace(one, turn=turn) if turn else one)
        for index in indices:
            yield failed[index] if index in failed else most_certain(readings[index])


def _prepared(engine: Engine, image: ImageLike, name: str, vertical: bool) -> list[tuple[int, Any]]:
    """Returns what is read of an image, with its turns in degrees to the left.

    Raises:
        ImageError: no whole image.
    """
    loaded = load_bytes(image, name)
    if not vertical:
        return [(0, engine.prepare(loaded, name))]
    pixels = engine.decode(loaded, name)
    return [
        (turn, engine.prepare(np.ascontiguousarray(np.rot90(pixels, turn // 90)), name))
        for turn in turns(*pixels.shape[:2])
    ]


def _source(image: ImageLike) -> str | None:
    return str(image) if isinstance(image, str | Path) else None

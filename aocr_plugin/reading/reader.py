"""A page in, its text out. Needs no PyTorch for an exported model and the default detector."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin import weights
from aocr_plugin.errors import ConfigError
from aocr_plugin.inference.loading import ImageLike
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.recognizer import Recognizer
from aocr_plugin.inference.turning import VERTICAL, most_certain
from aocr_plugin.reading.crops import corners, crop, is_vertical, may_be_upright, size
from aocr_plugin.reading.detectors import Detector, open_detector
from aocr_plugin.reading.loading import load
from aocr_plugin.reading.order import Quads, reading_order
from aocr_plugin.reading.page import PageText, Region

TURNS = (0, 90, 180, 270)
_ASKED = 16  # regions that are read to find out how a page lies
Polygon = NDArray[np.float32]


class Reader:
    """Reads whole pages: a detector finds the text, our recogniser reads it.

    Args:
        model: of the recogniser: a ``.pth``, ``.onnx`` or ``.xml`` file, or a ``Recognizer``.
        detector: "rapidocr"; (config, weights) of a detector of MMOCR's; or a function from a
            page (uint8 [H, W, 3], BGR) to pairs of a polygon ([K, 2], K >= 3, pixels) and a
            score.
        columns: of the page, see :func:`aocr_plugin.reading.order.reading_order`.
        margin: around each region, in its heights; for recognisers that were trained on wider
            crops than the detector's.
        turn: by how many degrees to the left a page is to be turned to be upright: 0, 90, 180 or
            270. None turns a page on which most text is vertical to that side on which the
            recogniser's scores are higher, and no other.
        threads: of the default detector; None is one a core.
        options: further arguments of ``Recognizer``.

    Raises:
        ConfigError: a detector or a package is missing, or a setting is out of range.
        CheckpointError: the model or the detector's weights cannot be used.
    """

    def __init__(
        self,
        model: str | Path | Recognizer = weights.DEFAULT,
        detector: str | Detector | Sequence[str | Path] = "rapidocr",
        *,
        columns: int = 1,
        margin: float = 0.0,
        turn: int | None = None,
        threads: int | None = None,
        **options: Any,
    ) -> None:
        if columns < 1:
            raise ConfigError(f"columns is {columns}; a page has at least 1")
        if not 0 <= margin <= 2:
            raise ConfigError(f"margin is {margin}; it is from 0 to 2 heights of a region")
        if turn not in (None, *TURNS):
            raise ConfigError(f"turn is {turn}; it is one of {', '.join(map(str, TURNS))}, or None")
        if options.get("vertical") or getattr(model, "vertical", False):
            raise ConfigError("vertical: a Reader turns regions by itself; leave it out")
        if isinstance(model, Recognizer) and options:
            raise ConfigError(f"{', '.join(options)}: the Recognizer that is given has its own")
        self.columns, self.margin, self.turn = columns, margin, turn
        self.detector = open_detector(detector, threads)
        self.recognizer = model if isinstance(model, Recognizer) else Recognizer(model, **options)

    def __call__(self, image: ImageLike) -> PageText:
        """Reads one page.

        Args:
            image: a path, encoded bytes, a uint8 array ([H, W] gray or [H, W, 3] BGR) or a Pillow
                image. Of a TIFF file of several pages the first is read; see
                :func:`aocr_plugin.reading.loading.load` for the others.

        Returns:
            The page; without regions where no text is found.

        Raises:
            ImageError: the image cannot be read.
            ConfigError: the detector returned what is no polygon and score.
        """
        source = str(image) if isinstance(image, str | Path) else None
        return self.read(load(image), source)

    def read(self, page: NDArray[np.uint8], source: str | None = None) -> PageText:
        """Reads a page's pixels, uint8 [H, W, 3] in BGR.

        Raises:
            ConfigError: the detector returned what is no polygon and score.
        """
        found = [_checked(polygon, score) for polygon, score in self.detector(page)]
        turn = self._turn(page, found) if self.turn is None else self.turn
        page, quads = _turned(page, [polygon for polygon, _ in found], turn)
        texts, vertical = self._texts(page, quads)
        regions = [
            Region(
                [(float(x), float(y)) for x, y in found[index][0]],
                texts[index].text,
                texts[index].score,
                found[index][1],
                number,
            )
            for number, line in enumerate(reading_order(quads, self.columns, vertical))
            for index in line
        ]
        width, height = page.shape[1::-1] if turn % 180 == 0 else page.shape[:2]
        return PageText(source, width, height, regions, turn=turn)

    def _texts(self, page: NDArray[np.uint8], quads: Quads) -> tuple[list[Prediction], list[bool]]:
        """Reads the regions; one that may be vertical text or a character is read as both."""
        vertical = [is_vertical(quad) for quad in quads]
        either = [i for i, quad in enumerate(quads) if vertical[i] and may_be_upright(quad)]
        crops = [crop(page, quad, self.margin) for quad in quads]
        crops += [crop(page, quads[i], self.margin, vertical=False) for i in either]
        read = self.recognizer(crops)
        texts = read[: len(quads)]
        for index, upright in zip(either, read[len(quads) :], strict=True):
            if most_certain([upright, texts[index]]) is upright:
                texts[index], vertical[index] = upright, False
        return texts, vertical

    def _turn(self, page: NDArray[np.uint8], found: list[tuple[Polygon, float]]) -> int:
        """Finds out how a page lies; see ``turn``."""
        quads = [corners(polygon) for polygon, _ in found]
        lengths = [max(size(quad)) for quad in quads]
        tall = [is_vertical(quad) and not may_be_upright(quad) for quad in quads]
        long = [length if tall[i] else -length for i, length in enumerate(lengths)]
        wide = [size(quad)[0] >= VERTICAL * size(quad)[1] for quad in quads]
        if sum(long[i] for i in range(len(quads)) if tall[i] or wide[i]) <= 0:
            return 0
        asked = sorted((i for i in range(len(quads)) if tall[i]), key=lambda i: -lengths[i])
        polygons = [found[i][0] for i in asked[:_ASKED]]
        scores = {}
        for turn in (90, 270):  # the left first: vertical text that stands upright lies so too
            upright, lying = _turned(page, polygons, turn)
            crops = [crop(upright, quad, self.margin) for quad in lying]
            read = self.recognizer(crops, views=1)  # more would flatter the wrong side
            scores[turn] = sum(one.score for one in read if one.text)
        return max(scores, key=lambda turn: scores[turn])


def _turned(
    page: NDArray[np.uint8], polygons: list[Polygon], turn: int
) -> tuple[NDArray[np.uint8], Quads]:
    """Returns a page turned to the left, and the corners of regions on it."""
    for _ in range(turn // 90):
        right = page.shape[1]
        page = np.rot90(page)
        polygons = [np.stack([p[:, 1], right - p[:, 0]], axis=1) for p in polygons]
    return np.ascontiguousarray(page), [corners(polygon) for polygon in polygons]


def _checked(polygon: Any, score: Any) -> tuple[NDArray[np.float32], float]:
    """Returns a region as the detector gave it.

    Raises:
        ConfigError: it is none.
    """
    points = np.asarray(polygon, np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ConfigError(
            f"the detector returned {polygon!r}; a region is [K, 2] finite pixels, K at least 3"
        )
    return points, float(score)

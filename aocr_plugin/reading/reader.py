"""A page in, its text out. Needs no PyTorch for an exported model and the default detector."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.errors import ConfigError
from aocr_plugin.images import decode
from aocr_plugin.inference.loading import ImageLike, load_bytes
from aocr_plugin.inference.recognizer import Recognizer
from aocr_plugin.reading.crops import corners, crop
from aocr_plugin.reading.detectors import Detector, open_detector
from aocr_plugin.reading.order import reading_order
from aocr_plugin.reading.page import PageText, Region


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
        threads: of the default detector; None is one a core.
        options: further arguments of ``Recognizer``.

    Raises:
        ConfigError: a detector or a package is missing, or a setting is out of range.
        CheckpointError: the model or the detector's weights cannot be used.
    """

    def __init__(
        self,
        model: str | Path | Recognizer,
        detector: str | Detector | Sequence[str | Path] = "rapidocr",
        *,
        columns: int = 1,
        margin: float = 0.0,
        threads: int | None = None,
        **options: Any,
    ) -> None:
        if columns < 1:
            raise ConfigError(f"columns is {columns}; a page has at least 1")
        if not 0 <= margin <= 2:
            raise ConfigError(f"margin is {margin}; it is from 0 to 2 heights of a region")
        if isinstance(model, Recognizer) and options:
            raise ConfigError(f"{', '.join(options)}: the Recognizer that is given has its own")
        self.columns, self.margin = columns, margin
        self.detector = open_detector(detector, threads)
        self.recognizer = model if isinstance(model, Recognizer) else Recognizer(model, **options)

    def __call__(self, image: ImageLike) -> PageText:
        """Reads one page.

        Args:
            image: a path, encoded bytes, a uint8 array ([H, W] gray or [H, W, 3] BGR) or a Pillow
                image.

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
        quads = [corners(polygon) for polygon, _ in found]
        texts = self.recognizer([crop(page, quad, self.margin) for quad in quads])
        regions = [
            Region(
                [(float(x), float(y)) for x, y in found[index][0]],
                texts[index].text,
                texts[index].score,
                found[index][1],
                number,
            )
            for number, line in enumerate(reading_order(quads, self.columns))
            for index in line
        ]
        return PageText(source, page.shape[1], page.shape[0], regions)


def load(image: ImageLike) -> NDArray[np.uint8]:
    """Returns a page's pixels, uint8 [H, W, 3] in BGR, turned as its EXIF data say.

    Raises:
        ImageError: it cannot be read.
    """
    name = str(image) if isinstance(image, str | Path) else "the page"
    return decode(load_bytes(image, name), name)


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

"""What a worker does: batches of encoded images in, results out. Imports the model's runtime."""

import io
import logging
import math
import os
from typing import Any

import numpy as np
from PIL import Image

from aocr_plugin import images
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.serving.columns import column_share, filled_width
from aocr_plugin.serving.protocol import Item, Result
from aocr_plugin.serving.settings import Settings

_log = logging.getLogger(__name__)
_WIDTH = 1024
"""Pixels of width that a whole batch may have an image; of wider ones fewer are read together."""


def share_cores(number: int, workers: int) -> int:
    """Gives a worker its own cores where there is at least one for each; call before importing.

    Two runtimes that each keep a thread on every core would wait for each other all the time.

    Args:
        number: of this worker, from 0.
        workers: how many there are.

    Returns:
        Cores of this worker.
    """
    cores = sorted(os.sched_getaffinity(0))
    if 1 < workers <= len(cores):
        cores = cores[number % workers :: workers]
        os.sched_setaffinity(0, cores)
        os.environ["OMP_NUM_THREADS"] = str(len(cores))
    return len(cores)


class Reader:
    """A model and what a server asks of it.

    Args:
        settings: the server's.
        threads: of the runtime.

    Raises:
        CheckpointError: the model cannot be used.
        ConfigError: it cannot be used so, or "strict" and it has not the original's number.
    """

    def __init__(self, settings: Settings, threads: int) -> None:
        from aocr_plugin.inference.recognizer import Recognizer

        exported = settings.runtime not in (None, "pytorch") or not settings.model.endswith(".pth")
        self.settings = settings
        self.recognizer = Recognizer(
            settings.model,
            device=settings.device,
            batch_size=settings.max_batch,
            attention=True,
            runtime=settings.runtime,
            precision=settings.precision,
            threads=threads if exported else None,
            views=1,  # attention is told of the image as it was sent
        )
        engine: Any = self.recognizer.engine
        if settings.strict and hasattr(engine, "model"):
            engine.model.decoder.early_stop = False  # the product over all steps needs them all
        info: Any = getattr(engine, "info", None)
        described: Any = getattr(engine, "description", None)
        self.pipeline = info.pipeline if info else (described or {}).get("test_pipeline", [])
        self._area = settings.max_batch * _WIDTH
        self._warm_up()

    def _warm_up(self) -> None:
        """Reads an image, so that the first request need not wait for what is done once."""
        file = io.BytesIO()
        Image.fromarray(np.full((32, 100), 255, np.uint8)).save(file, "PNG")
        (found,) = self.recognizer([file.getvalue()])
        if self.settings.strict and found.aocr_probability is None:
            raise ConfigError(
                f"{self.settings.model}: the export of a calibrated model does not give the "
                "product over all steps; leave out --strict, or serve the checkpoint"
            )

    def __call__(self, items: list[Item]) -> list[Result]:
        """Reads a batch; an image that cannot be read gives a result with ``error``."""
        results: list[Result | None] = [None] * len(items)
        sizes: list[tuple[int, int]] = []
        places: list[int] = []
        for place, item in enumerate(items):
            try:
                sizes.append(self._checked(item.data))
                places.append(place)
            except ImageError as error:
                results[place] = Result("", 0.0, str(error).removeprefix("image: "))
        for group in self._groups([filled_width(self.pipeline, *size) for size in sizes]):
            found = self._read([items[places[k]].data for k in group])
            for number, (k, one) in enumerate(zip(group, found, strict=True)):
                item = items[places[k]]
                results[places[k]] = self._result(one, number, item.detail, sizes[k])
        return [result for result in results if result is not None]

    def _groups(self, widths: list[int]) -> list[list[int]]:
        """Returns which images go through the network together.

        All of a group are filled up to the widest, so a wide one among narrow ones would cost as
        much as a batch of wide ones.
        """
        groups: list[list[int]] = []
        for k in sorted(range(len(widths)), key=widths.__getitem__):
            fits = groups and (len(groups[-1]) + 1) * widths[k] <= self._area
            if fits and len(groups[-1]) < self.settings.max_batch:
                groups[-1].append(k)
            else:
                groups.append([k])
        return groups

    def _checked(self, data: bytes) -> tuple[int, int]:
        """Returns width and height as the image's header has them.

        Raises:
            ImageError: no image, or too large a one, here or at the network's height.
        """
        width, height = images.check_bytes(data, "image", level="header")
        if width * height > self.settings.max_pixels:
            raise ImageError(
                f"the image has {width} x {height} pixels; at most {self.settings.max_pixels} are "
                "taken"
            )
        filled, most = filled_width(self.pipeline, width, height), self.settings.max_width
        if filled > most:
            raise ImageError(
                f"the image of {width} x {height} pixels would be {filled} wide at the network's "
                f"height; at most {most} are taken"
            )
        return width, height

    def _read(self, data: list[bytes]) -> list[Prediction]:
        """Reads images; should a batch fail as a whole, each by itself."""
        try:
            return self.recognizer(data, errors="return")
        except Exception:  # noqa: BLE001, one image must not fail the others' requests
            _log.exception("a batch of %d images failed; reading them one by one", len(data))
        found = []
        for one in data:
            try:
                found += self.recognizer([one], errors="return")
            except Exception as error:  # noqa: BLE001, told to the client
                found.append(Prediction("", 0.0, error=f"cannot be read ({type(error).__name__})"))
        return found

    def _result(
        self, found: Prediction, number: int, detail: bool, size: tuple[int, int]
    ) -> Result:
        if found.error is not None:
            return Result("", 0.0, found.error.removeprefix(f"image {number}: "))
        score = found.aocr_probability if self.settings.strict else found.score
        score = float(score or 0.0)
        if not math.isfinite(score):
            return Result("", 0.0, "the model gave a probability that is no number")
        return Result(found.text, score, None, self._detail(found, size) if detail else None)

    def _detail(self, found: Prediction, size: tuple[int, int]) -> dict[str, Any]:
        looks = found.attention
        if looks is None or len(found.char_scores) != len(found.text):
            attention = []
        else:
            attention = np.round(looks[: len(found.text)].astype(float), 4).tolist()
        return {
            "char_scores": [round(score, 6) for score in found.char_scores],
            "attention": attention,
            "column": column_share(self.pipeline, *size),
        }

"""Many drawn images, encoded, by several processes, in the order of their indices."""

import itertools
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cv2

from aocr_plugin.errors import ConfigError
from aocr_plugin.formats.record import Record
from aocr_plugin.synthesis.synthesizer import Sample, Synthesizer

ENCODINGS = ("png", "jpg", "bmp")
_CHUNK = 64  # images that a process draws at a time
_AHEAD = 4  # chunks that lie ready for each process


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be drawn.

    Attributes:
        synthesizer: draws it.
        seed: of the set.
        first: index of the first image.
        count: images.
        part: name of the part; parts share no image.
        encoding: "png", "jpg" or "bmp". BMP files are twice as large as PNG files and decoded in a
            tenth of the time, for training that waits for its data workers.
        quality: of JPEGs, 1 to 100.

    Raises:
        ConfigError: a value is out of range.
    """

    synthesizer: Synthesizer
    seed: int = 0
    first: int = 0
    count: int = 1
    part: str = "training"
    encoding: str = "png"
    quality: int = 90

    def __post_init__(self) -> None:
        if self.count < 1 or self.first < 0:
            raise ConfigError(
                f"first is {self.first}, count {self.count}; it takes an index from 0 on and one "
                "image or more"
            )
        if self.encoding not in ENCODINGS or not 1 <= self.quality <= 100:
            raise ConfigError(
                f"encoding is {self.encoding!r}, quality {self.quality}; it is png, bmp or "
                "jpg, the latter with a quality from 1 to 100"
            )

    def draw(self, index: int) -> Record:
        """Returns the image of an index with its label; its comment says how to draw it again."""
        sample = self.synthesizer.sample(self.seed, index, self.part)
        name = f"synthetic:///{sample.style}/{self.part}/{self.seed}/{index}"
        return Record(index - self.first + 1, self.encode(sample), sample.text, name)

    def encode(self, sample: Sample) -> bytes:
        """Returns the image as a file."""
        options = {
            "png": (cv2.IMWRITE_PNG_COMPRESSION, 3),
            "jpg": (cv2.IMWRITE_JPEG_QUALITY, self.quality),
            "bmp": (),
        }
        _, data = cv2.imencode(f".{self.encoding}", sample.image, options[self.encoding])
        return data.tobytes()


def records(job: Job, workers: int) -> Iterator[Record]:
    """Yields the images of a job in order; what they are does not depend on ``workers``.

    Args:
        job: what is to be drawn.
        workers: processes that draw; 0 draws in this one.

    Raises:
        ConfigError: a process was killed.
    """
    indices = range(job.first, job.first + job.count)
    if workers < 1:
        yield from map(job.draw, indices)
        return
    starts = range(job.first, job.first + job.count, _CHUNK)
    spans = iter([(start, min(start + _CHUNK, indices.stop)) for start in starts])
    context = multiprocessing.get_context("spawn")  # a fork could hold locks of OpenCV's threads
    with ProcessPoolExecutor(workers, context, _begin, (job,)) as pool:
        ready = itertools.islice(spans, _AHEAD * workers)
        waiting = [pool.submit(_draw, *span) for span in ready]
        try:
            while waiting:
                yield from waiting.pop(0).result()
                span = next(spans, None)
                if span is not None:
                    waiting.append(pool.submit(_draw, *span))
        except BrokenProcessPool as error:
            raise ConfigError(
                "a drawing process was killed, perhaps for want of memory; try fewer workers"
            ) from error
        finally:
            for future in waiting:
                future.cancel()


_job: Job | None = None


def _begin(job: Job) -> None:
    """Prepares a process of :func:`records`."""
    global _job
    _job = job
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when the one that started it is killed, which cannot tell it to."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _draw(start: int, stop: int) -> list[Record]:
    if _job is None:
        raise RuntimeError("the process was not prepared")
    return [_job.draw(index) for index in range(start, stop)]

"""Images to compare an export on: some made on the spot, and what the user names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from aocr_plugin import images, storage
from aocr_plugin.errors import ImageError
from aocr_plugin.formats import records
from aocr_plugin.inference.sources import EXTENSIONS, expand
from aocr_plugin.runtime.engine import GraphEngine
from aocr_plugin.sifting import Report, policies

_SIZES = ((60, 160), (20, 70), (32, 86), (33, 100), (90, 60), (48, 400), (10, 8), (64, 180))
_FORMS = ((".png", False), (".png", True), (".jpg", True))  # file type, whether coloured
_FAULTS = ("malformed_line", "missing_image", "broken_image", "broken_record", "missing_label")


def word_images(seed: int = 0) -> list[tuple[str, bytes]]:
    """Returns names and files of made images: gray PNGs, colour PNGs and JPEGs.

    They are of several sizes: some fit the original's canvas, others are higher, wider or both.
    """
    rng = np.random.default_rng(seed)
    made = []
    for height, width in _SIZES:
        for suffix, coloured in _FORMS:
            image = rng.integers(180, 255, (height, width, 3)).astype(np.uint8)
            word = "".join(rng.choice(list("ACDEFHJKLMNPRTUVXY347"), 5))
            scale = min(height / 30, width / 100)
            place = (int(width * 0.05), int(height * 0.7))
            ink = rng.integers(0, 160, 3).tolist()
            thickness = max(1, int(2 * scale))
            cv2.putText(image, word, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thickness)
            data = cv2.imencode(suffix, image if coloured else image[:, :, 0])[1].tobytes()
            kind = f"{'colour' if coloured else 'gray'} {suffix[1:].upper()}"
            made.append((f"made {kind} of {width} x {height} pixels", data))
    return made


def _encoded(source: str) -> Iterator[tuple[str, bytes]]:
    """Yields names and bytes of the images that a source names."""
    if Path(source).is_file() and Path(source).suffix.lower() not in EXTENSIONS:
        report = Report(source, policies(dict.fromkeys(_FAULTS, "error"), testing=True))
        for record in records.read(source, records.sniff(source), report):
            yield record.comment or f"{source}, record {record.number}", record.image
        return
    for name in expand(source):
        try:
            yield name, storage.read_bytes(name)
        except OSError as error:
            raise ImageError(f"{name}: cannot read the image file ({error.strerror})") from error


def given_images(sources: Sequence[str]) -> list[tuple[str, bytes]]:
    """Returns names and files of the images that a user names.

    Args:
        sources: images, folders, patterns; annotation files, TFRecords or JSON Lines.

    Raises:
        ImageError: a file cannot be read, or is no whole image.
        AnnotationError: a data set cannot be read, or names an image that cannot.
    """
    found = [image for source in sources for image in _encoded(source)]
    for name, data in found:
        images.check_bytes(data, name)
    return found


def compared_images(images: Sequence[str] | None) -> tuple[list[tuple[str, bytes]], frozenset[str]]:
    """Returns the images to compare on, and the names of those that a user gave."""
    given = given_images(images or [])
    return [*word_images(), *given], frozenset(name for name, _ in given)


def not_wider(
    images: list[tuple[str, bytes]], engine: GraphEngine, width: int | None
) -> list[tuple[str, bytes]]:
    """Returns the images that a network of one width, in pixels, can read; None reads all."""
    if width is None:
        return images
    return [
        (name, data) for name, data in images if engine.width(engine.prepare(data, name)) <= width
    ]

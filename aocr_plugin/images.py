"""Checks that image files can be read whole. Needs no PyTorch."""

import io
import itertools
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from aocr_plugin import storage
from aocr_plugin.errors import ImageError
from aocr_plugin.whole_images import ANIMATION, PNG, chunks, plain_size

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", TiffImageFile.format, WebPImageFile.format)
"""Kinds of images that are read; decoders of rarer ones crash on damaged files."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)

LEVELS = ("decode", "header", "exists")
_AT_ONCE = 512  # files that threads are given


def imdecode(data: bytes, flag: int, name: str) -> NDArray[Any]:
    """Decodes with OpenCV; of an animated PNG the still image that every PNG has.

    Some releases of OpenCV crash on damaged animations, so they are not shown any.

    Raises:
        ImageError: it cannot.
    """
    if data.startswith(PNG) and b"acTL" in data:
        data = _still(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    except cv2.error as error:
        raise ImageError(f"{name}: not an image that can be decoded ({error.err})") from error
    if image is None:
        raise ImageError(f"{name}: not an image that can be decoded")
    return image


def _still(data: bytes) -> bytes:
    """Returns a PNG file without its animation."""
    kept = [data[i:j] for name, i, j in chunks(data) if name not in ANIMATION]
    return b"".join((PNG, *kept))


def check_bytes(data: bytes, name: str, level: str = "decode") -> tuple[int, int]:
    """Checks an encoded image.

    OpenCV, which loads the images, takes a truncated PNG or JPEG file in some of its releases and
    fills up the rest. So a file that does not plainly go on to its end is decoded by Pillow too,
    which is believed where it finds the file incomplete.

    Args:
        data: the file's bytes.
        name: the file, for errors.
        level: "header" reads the size only, "decode" everything.

    Returns:
        Width and height in pixels.

    Raises:
        ImageError: not an image, truncated, or broken in another way.
    """
    size = _whole_size(data, name, level)
    if level == "decode":
        imdecode(data, cv2.IMREAD_UNCHANGED, name)
    return size


def _whole_size(data: bytes, name: str, level: str) -> tuple[int, int]:
    """Is :func:`check_bytes` without OpenCV's own decoding."""
    if level == "decode":
        size = plain_size(data)
        if size is not None:
            return size
    if not data:
        raise ImageError(f"{name}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                size = image.size
                if level == "decode":
                    image.load()
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: not an image of a kind that is read ({', '.join(FORMATS)})"
        ) from error
    except (*_BROKEN, Image.DecompressionBombError) as error:
        raise ImageError(f"{name}: {error}") from error
    return size


def decode(image: bytes | NDArray[Any], name: str, color_type: str = "color") -> NDArray[Any]:
    """Turns an encoded image, or pixels, into what MMOCR's ``LoadImageFromFile`` gives.

    Args:
        image: encoded bytes, or uint8 pixels [H, W], [H, W, 1], [H, W, 3] BGR or [H, W, 4] BGRA.
        name: for errors.
        color_type: "color" for [H, W, 3] BGR, "grayscale" for [H, W].

    Raises:
        ImageError: the bytes are no whole image.
    """
    gray = color_type.startswith("grayscale")
    if isinstance(image, bytes):
        _whole_size(image, name, "decode")
        flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
        if color_type.endswith("ignore_orientation"):
            flag |= cv2.IMREAD_IGNORE_ORIENTATION
        return imdecode(image, flag, name)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 2:
        return image if gray else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    if image.shape[2] == 4:
        image = np.ascontiguousarray(image[:, :, :3])
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if gray else image


def check_file(path: str, level: str = "decode") -> tuple[int, int]:
    """Checks an image file, given by its path or URL; see :func:`check_bytes`.

    Raises:
        ImageError: the file cannot be read or its image not be decoded.
        StorageError: its store cannot be used.
    """
    try:
        data = storage.read_bytes(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot read the file ({error.strerror})") from error
    return check_bytes(data, path, level)


def check_files(
    paths: Iterable[str],
    level: str = "decode",
    threads: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, int] | ImageError]:
    """Checks many files; the order is kept.

    Args:
        paths: files or URLs.
        level: see :func:`check_bytes`.
        threads: files read at the same time.
        progress: called with the number of files done, now and then.

    Yields:
        For each file its width and height, or the error; files are taken as results are.

    Raises:
        StorageError: the store of a file cannot be used.
    """

    def check(path: str) -> tuple[int, int] | ImageError:
        try:
            return check_file(path, level)
        except ImageError as error:
            return error

    done, waiting = 0, iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        while batch := list(itertools.islice(waiting, _AT_ONCE)):
            for result in pool.map(check, batch):
                yield result
                done += 1
                if progress and done % 1000 == 0:
                    progress(done)

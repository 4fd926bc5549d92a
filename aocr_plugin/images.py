"""Checks that image files can be read whole. Needs no PyTorch."""

import io
import itertools
import re
import struct
import warnings
import zlib
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

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", TiffImageFile.format, WebPImageFile.format)
"""Kinds of images that are read; decoders of rarer ones crash on damaged files."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error)

LEVELS = ("decode", "header", "exists")
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in a scan of a JPEG file, its end
_BETWEEN_SCANS = frozenset((0xC4, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_MOST_SEGMENTS = 1000  # of a JPEG file that is looked at in Python
_PNG = b"\x89PNG\r\n\x1a\n"
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")  # chunks of an animated PNG
_AT_ONCE = 512  # files that threads are given


def imdecode(data: bytes, flag: int, name: str) -> NDArray[Any]:
    """Decodes with OpenCV; of an animated PNG the still image that every PNG has.

    Some releases of OpenCV crash on damaged animations, so they are not shown any.

    Raises:
        ImageError: it cannot.
    """
    if data.startswith(_PNG) and b"acTL" in data:
        data = _still(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    except cv2.error as error:
        raise ImageError(f"{name}: not an image that can be decoded ({error.err})") from error
    if image is None:
        raise ImageError(f"{name}: not an image that can be decoded")
    return image


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, beginning and end of each chunk of a PNG file, up to the last whole one."""
    place = len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        start, place = place, place + 12 + length
        if place > len(data):
            return
        yield data[start + 4 : start + 8], start, place


def _still(data: bytes) -> bytes:
    """Returns a PNG file without its animation."""
    kept = [data[i:j] for name, i, j in _chunks(data) if name not in _ANIMATION]
    return b"".join((_PNG, *kept))


def _plain_size(data: bytes) -> tuple[int, int] | None:
    """Returns the size of a PNG or JPEG file that plainly goes on to its end: none cut off does.

    None for other kinds, and where a closer look is needed. What is broken between beginning and
    end is for the decoder to find.
    """
    try:
        if data.startswith(_PNG):
            size = _png_size(data)
        else:
            size = _jpeg_size(data) if data.startswith(b"\xff\xd8") else None
    except (IndexError, struct.error):  # the end came earlier
        return None
    most = Image.MAX_IMAGE_PIXELS
    if size is None or 0 in size or (most is not None and size[0] * size[1] > most):
        return None
    return size


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Walks from chunk to chunk, testing their checksums, to the one named IEND.

    An animation is looked at more closely: its frames may be broken or missing.
    """
    for name, start, end in _chunks(data):
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if name in _ANIMATION or zlib.crc32(memoryview(data)[start + 4 : end - 4]) != checksum:
            return None
        if name == b"IEND" and data[len(_PNG) + 4 :].startswith(b"IHDR"):
            return struct.unpack_from(">II", data, len(_PNG) + 8)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Walks from segment to segment, and over what the scans hold, to the end of the image.

    More than one scan is looked at more closely where the image is not progressive.
    """
    place, scans, frame = 2, 0, None
    for _ in range(_MOST_SEGMENTS):
        marker = data[place + 1]
        if data[place] != 0xFF or (scans and marker not in _BETWEEN_SCANS):
            return None
        if marker == 0xD9:
            if frame is None or scans == 0 or (scans > 1 and data[frame + 1] != _PROGRESSIVE):
                return None
            height, width = struct.unpack_from(">HH", data, frame + 5)
            return width, height
        (length,) = struct.unpack_from(">H", data, place + 2)
        if marker in _FRAMES:
            frame = place
        place += 2 + length
        if marker == 0xDA:
            scans += 1
            following = _MARKER.search(data, place)
            if following is None:
                return None
            place = following.start()
    return None


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
        size = _plain_size(data)
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

"""Which PNG and JPEG files plainly go on to their end, told without decoding. Needs no PyTorch."""

import re
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in a scan of a JPEG file, its end
_BETWEEN_SCANS = frozenset((0xC4, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)))
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_MOST_SEGMENTS = 1000  # of a JPEG file that is looked at in Python
PNG = b"\x89PNG\r\n\x1a\n"
ANIMATION = (b"acTL", b"fcTL", b"fdAT")  # chunks of an animated PNG


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, beginning and end of each chunk of a PNG file, up to the last whole one."""
    place = len(PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        start, place = place, place + 12 + length
        if place > len(data):
            return
        yield data[start + 4 : start + 8], start, place


def plain_size(data: bytes) -> tuple[int, int] | None:
    """Returns the size of a PNG or JPEG file that plainly goes on to its end: none cut off does.

    None for other kinds, and where a closer look is needed. What is broken between beginning and
    end is for the decoder to find.
    """
    try:
        if data.startswith(PNG):
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
    for name, start, end in chunks(data):
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if name in ANIMATION or zlib.crc32(memoryview(data)[start + 4 : end - 4]) != checksum:
            return None
        if name == b"IEND" and data[len(PNG) + 4 :].startswith(b"IHDR"):
            return struct.unpack_from(">II", data, len(PNG) + 8)
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

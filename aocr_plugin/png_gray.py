"""Gray of a colour PNG, to the bit what libpng makes of it for TensorFlow. Needs NumPy only.

libpng adds 9797 R + 19234 G + 3737 B and divides by 32768. Where the file tells a gamma (``gAMA``,
``sRGB``) it does so in linear light, through tables that are built here as it builds them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]
_BGR_WEIGHTS = np.array([3737, 19234, 9797], np.int64)  # of 32768
_ONE, _TOLERANCE, _SRGB = 100_000, 5_000, 45_455  # gammas times 100,000
_FULL = 65_535
_SHIFT = 5  # low bits of 16 that the tables leave out, at least


@dataclass(frozen=True)
class Ancillary:
    """What a PNG's chunks before its pixels say.

    Attributes:
        gamma: times 100,000; 0 if it is not told.
        significant_bits: of the most precise colour; 0 if they are not told.
    """

    gamma: int = 0
    significant_bits: int = 0


def read_chunks(data: bytes) -> Ancillary:
    """Reads gamma and significant bits out of a PNG file."""
    place, gamma, bits, is_srgb = 8, 0, 0, False
    while place + 8 <= len(data):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        body = data[place + 8 : place + 8 + size]
        if kind in (b"IDAT", b"IEND"):
            break
        if kind == b"sRGB":
            is_srgb = True
        elif kind == b"gAMA" and size == 4:
            gamma = int.from_bytes(body, "big")
        elif kind == b"sBIT" and size >= 3:
            bits = max(body[:3])
        place += size + 12
    return Ancillary(_SRGB if is_srgb else gamma, bits)


def _reciprocal(gamma: int) -> int:
    return int(1e10 / gamma + 0.5)


def _significant(gamma: int) -> bool:
    return abs(gamma - _ONE) > _TOLERANCE


def _powers(count: int, full: int, gamma: int) -> NDArray[np.int64]:
    """Returns the gamma curve: for 0 to ``count`` - 1 a value of 0 to ``full``."""
    steps = np.arange(count) / (count - 1)
    if not _significant(gamma):
        return np.floor(steps * full + 0.5).astype(np.int64)
    return np.floor(full * steps ** (gamma * 1e-5) + 0.5).astype(np.int64)


def _rounded(shift: int) -> NDArray[np.int64]:
    """Returns libpng's table from 16 bits, without the lowest, to 8 bits spread over 16."""
    full = (1 << (16 - shift)) - 1
    bounds = ((np.arange(255) * 257 + 128) * full + 32_768) // _FULL + 1
    return np.searchsorted(bounds, np.arange(full + 1), side="right") * 257


def to_gray(pixels: Pixels, chunks: Ancillary) -> NDArray[np.uint8]:
    """Returns the gray image.

    Args:
        pixels: [H, W, 3] BGR of 8 or 16 bits, as stored in the file.
        chunks: of the file.
    """
    deep = pixels.dtype == np.uint16
    wide = pixels.astype(np.int64)
    if not chunks.gamma or not _significant(chunks.gamma):
        if not deep:
            return (wide @ _BGR_WEIGHTS >> 15).astype(np.uint8)
        return (wide @ _BGR_WEIGHTS + 16_384 >> 23).astype(np.uint8)
    linear = _reciprocal(chunks.gamma)
    back = _reciprocal(linear)  # the output is taken to be as the file is
    neutral = (pixels == pixels[:, :, :1]).all(axis=2)
    if not deep:
        light = _powers(256, 255, linear)[wide] @ _BGR_WEIGHTS + 16_384 >> 15
        return np.where(neutral, wide[:, :, 0], _powers(256, 255, back)[light]).astype(np.uint8)
    told = chunks.significant_bits
    shift = min(8, max(_SHIFT, 16 - told if 0 < told < 16 else 0))
    count = 1 << (16 - shift)
    light = _powers(count, _FULL, linear)[wide >> shift] @ _BGR_WEIGHTS + 16_384 >> 15
    gray = np.where(
        neutral,
        _rounded(shift)[wide[:, :, 0] >> shift],
        _powers(count, _FULL, back)[light >> shift],
    )
    return (gray >> 8).astype(np.uint8)

"""Where each record of a TFRecord file begins: found once, kept beside the file or in a cache."""

import hashlib
import io
import os
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aocr_plugin import storage
from aocr_plugin.atomic import write_atomically
from aocr_plugin.formats import framing

_VERSION = 1
_HEAD = 3  # version, size and time of change of the file before the offsets
_WORTH_KEEPING = 20_000  # records; fewer are found in a moment
_SHOWN_EVERY = 5.0  # seconds between two lines of progress
_BLOCK = 4096  # bytes read at once; a mapped file would count as this process's memory


def _places(path: Path) -> list[Path]:
    """Returns where an index may lie: beside the file, else in the cache."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    return [
        path.with_name(f"{path.name}.index.npy"),
        storage.cache_folder() / "indexes" / f"{digest}.npy",
    ]


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return _VERSION, found.st_size, found.st_mtime_ns


def _kept(path: Path) -> NDArray[np.int64] | None:
    """Returns an index of an earlier call, if it is of this very file; it stays on disk."""
    for place in _places(path):
        try:
            index = np.load(place, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            continue
        if index.dtype == np.int64 and index.ndim == 1 and tuple(index[:_HEAD]) == _state(path):
            return index
    return None


def _keep(path: Path, index: NDArray[np.int64]) -> None:
    """Writes an index to the first place that can be written."""
    buffer = io.BytesIO()
    np.save(buffer, index)
    for place in _places(path):
        try:
            write_atomically(buffer.getvalue(), place)
            return
        except OSError:
            continue


def scan(path: Path) -> NDArray[np.int64]:
    """Walks over all frames of a file; each length's checksum is tested.

    Returns:
        The start of each record's frame, and last the end of the last whole one. That is the
        file's size unless a frame is damaged or cut off.
    """
    size = path.stat().st_size
    offsets, place = [0], 0
    began = shown = time.monotonic()
    block, at = b"", 0  # bytes of the file, and where they begin in it
    with path.open("rb") as file:
        while place < size:
            if place + framing.HEADER > at + len(block):
                block, at = os.pread(file.fileno(), _BLOCK, place), place
            length = framing.read_length(block[place - at : place - at + framing.HEADER])
            if length is None or place + length + framing.OVERHEAD > size:
                break
            place += length + framing.OVERHEAD
            offsets.append(place)
            if len(offsets) % 65_536 == 0 and time.monotonic() - shown > _SHOWN_EVERY:
                shown = time.monotonic()
                left = (shown - began) / place * (size - place)
                print(f"{path}: {len(offsets)} records found, {left:.0f} s left", file=sys.stderr)
    return np.asarray(offsets, np.int64)


def load(path: Path) -> NDArray[np.int64]:
    """Returns the offsets of :func:`scan`, from an index where there is one of this file.

    The array is mapped from disk where it was kept, so that processes share it.
    """
    kept = _kept(path)
    if kept is None:
        state = _state(path)  # before the walk, so that a file that grows meanwhile is walked again
        offsets = scan(path)
        kept = np.concatenate([np.asarray(state, np.int64), offsets])
        if len(offsets) > _WORTH_KEEPING and _state(path) == state:
            _keep(path, kept)
    return kept[_HEAD:]

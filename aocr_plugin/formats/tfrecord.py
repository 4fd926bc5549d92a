"""TFRecord files of ``tf.train.Example``, as aocr makes them, without TensorFlow.

Any record can be read without the ones before it, checksums are tested, gzip is unpacked once into
the cache. Records are numbered from 1.
"""

import contextlib
import errno
import functools
import gzip
import hashlib
import itertools
import os
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from aocr_plugin import storage
from aocr_plugin.atomic import atomic_file
from aocr_plugin.errors import RecordError, StorageError
from aocr_plugin.formats import example, framing, tfrecord_index

_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20  # bytes read at once from front to back; more than a cache holds is slower
_DAMAGED = b"\xff" * framing.HEADER  # no frame begins so


def looks_like_one(head: bytes) -> bool:
    """Whether a file that begins so (12 bytes or more) is a TFRecord file, plain or gzip."""
    return framing.read_length(head) is not None or head.startswith(_GZIP)


def _unpacked(path: Path) -> Path:
    """Returns the unpacked form of a gzip file, from the cache after the first time.

    Where the gzip file itself is damaged, what could be unpacked ends in a broken frame, so that
    it is reported like a file that was cut off.
    """
    state = path.stat()
    key = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}"
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    out = storage.cache_folder() / "unpacked" / digest / path.name.removesuffix(".gz")
    if out.exists():
        return out
    shown = time.monotonic()
    try:
        with path.open("rb") as packed, gzip.open(packed) as source, atomic_file(out) as target:
            for block in _blocks(source):
                target.write(block)
                if time.monotonic() - shown > 5:
                    shown = time.monotonic()
                    done = packed.tell() / max(1, state.st_size)
                    print(f"{path}: {done:.0%} unpacked", file=sys.stderr)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be unpacked into {storage.cache_folder()} ({error}); set "
            "XDG_CACHE_HOME to a folder with room, or unpack the file with gunzip"
        ) from error
    return out


def _blocks(source: gzip.GzipFile) -> Iterator[bytes]:
    """Yields all that can be unpacked, and a broken frame where the file itself is damaged."""
    try:
        while block := source.read1(_BLOCK):  # read() would lose what it has when it fails
            yield block
    except (EOFError, zlib.error, gzip.BadGzipFile):
        yield _DAMAGED


class TFRecordFile:
    """A TFRecord file to read from.

    Reading keeps no state, so threads and forked processes may share one.

    Args:
        name: the file, or its URL in an object store (a copy goes to the cache).

    Raises:
        RecordError: it cannot be opened, or is no TFRecord file at all.
        StorageError: a gzip file cannot be unpacked into the cache.
    """

    def __init__(self, name: str | Path) -> None:
        self.name = str(name)
        try:
            path = storage.local_copy(name)
            with path.open("rb") as file:
                head = file.read(framing.HEADER)
            if head and not looks_like_one(head):
                raise RecordError(
                    f"{name}: not a TFRecord file (its first 12 bytes are no record's length with "
                    "its checksum); make one with 'aocr dataset'"
                )
            self.path = path
            if framing.read_length(head) is None and head.startswith(_GZIP):
                self.path = _unpacked(path)
                with self.path.open("rb") as file:
                    head = file.read(framing.HEADER)
                if head not in (b"", _DAMAGED) and framing.read_length(head) is None:
                    raise RecordError(
                        f"{name}: not a TFRecord file, but something else in gzip; unpack it first"
                    )
            self._offsets = tfrecord_index.load(self.path)
            self._file = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            reason = error.strerror or str(error)
            raise RecordError(f"{name}: cannot read the TFRecord file ({reason})") from error
        self._size = self.path.stat().st_size

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            os.close(self._file)

    def __reduce__(self) -> tuple[type["TFRecordFile"], tuple[str]]:
        return TFRecordFile, (self.name,)  # another process opens the file for itself

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def offset(self, number: int) -> int:
        """Returns where a record's frame begins, in bytes from the (unpacked) file's start."""
        return int(self._offsets[number - 1])

    @property
    def fault(self) -> str | None:
        """Why the file cannot be read to its end, or None."""
        end = int(self._offsets[-1])
        if end == self._size:
            return None
        header = os.pread(self._file, framing.HEADER, end)
        length = framing.read_length(header)
        if header == _DAMAGED:
            what = "the gzip file is damaged or cut off here"
        elif length is not None or len(header) < framing.HEADER:
            what = "the file is cut off in this record"
        else:
            what = (
                "its length is damaged, so that nothing behind it can be found "
                f"({self._size - end} of {self._size} bytes)"
            )
        return f"record {len(self) + 1} at byte {end}: {what}"

    def _check(self, number: int, data: bytes, footer: bytes) -> bytes:
        if not framing.is_intact(data, footer):
            raise RecordError(
                f"{self.name}: record {number} at byte {self.offset(number)}: its checksum is "
                "wrong, bytes of it were changed; make the file anew"
            )
        return data

    def record(self, number: int) -> bytes:
        """Returns a record's data.

        Raises:
            RecordError: its checksum is wrong, or there is no such record.
        """
        if not 1 <= number <= len(self):
            raise RecordError(f"{self.name}: no record {number}, there are {len(self)}")
        start, end = int(self._offsets[number - 1]), int(self._offsets[number])
        frame = os.pread(self._file, end - start, start)
        return self._check(
            number, frame[framing.HEADER : -framing.FOOTER], frame[-framing.FOOTER :]
        )

    def features(self, number: int) -> dict[str, bytes]:
        """Returns the bytes features of a record.

        Raises:
            RecordError: damaged, or no ``tf.train.Example``.
        """
        return self.parse(number, self.record(number))

    def parse(self, number: int, data: bytes) -> dict[str, bytes]:
        """Returns the bytes features of a record's data; see :meth:`features`."""
        try:
            return example.parse(data)
        except ValueError as error:
            raise RecordError(
                f"{self.name}: record {number} at byte {self.offset(number)}: {error}"
            ) from error

    def __iter__(self) -> Iterator[tuple[int, bytes | RecordError]]:
        """Yields each record's number and data, or what is wrong with it, from front to back."""
        number = 1
        while number <= len(self):
            start = int(self._offsets[number - 1])
            last = int(self._offsets.searchsorted(start + _BLOCK, side="right")) - 1
            last = max(number, min(last, len(self)))
            block = os.pread(self._file, int(self._offsets[last]) - start, start)
            bounds = (self._offsets[number - 1 : last + 1] - start).tolist()
            for begin, end in itertools.pairwise(bounds):
                data = block[begin + framing.HEADER : end - framing.FOOTER]
                try:
                    yield number, self._check(number, data, block[end - framing.FOOTER : end])
                except RecordError as error:
                    yield number, error
                number += 1


@functools.lru_cache(maxsize=64)
def _opened(path: str, size: int, changed: int) -> TFRecordFile:
    return TFRecordFile(path)


def read_image(path: str, number: int) -> bytes:
    """Returns the encoded image of one record; the file stays open for the next call.

    Args:
        path: a local file.
        number: the record's, from 1.

    Raises:
        OSError: there is no such file.
        RecordError: the record is damaged or has no image.
    """
    state = os.stat(path)
    features = _opened(path, state.st_size, state.st_mtime_ns).features(number)
    if "image" not in features:
        raise RecordError(f"{path}: record {number} has no feature 'image'")
    return features["image"]


def read_uri(name: str) -> bytes:
    """Returns the image that ``tfrecord:///PATH#NUMBER`` names; see :func:`read_image`.

    Raises:
        OSError: the name has no number, or there is no such file.
        RecordError: the record is damaged or has no image.
    """
    path, _, number = name.removeprefix("tfrecord://").rpartition("#")
    if not number.isascii() or not number.isdigit():
        raise FileNotFoundError(errno.ENOENT, "no record number, PATH#NUMBER, in the name", name)
    return read_image(path, int(number))


storage.READERS["tfrecord"] = read_uri


def write_record(file: framing.Writable, features: Mapping[str, bytes]) -> None:
    """Appends an Example of bytes features to an open file."""
    framing.write(file, example.serialise(features))

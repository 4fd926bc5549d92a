"""Images inside TFRecord files and LMDBs. No PyTorch."""

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aocr_plugin import storage
from aocr_plugin.batch.row import Piece, Row
from aocr_plugin.errors import AnnotationError, RecordError
from aocr_plugin.formats import lmdb_records
from aocr_plugin.formats.record import decode_text
from aocr_plugin.formats.tfrecord import TFRecordFile

_STATE = ("size", "ETag", "etag", "generation", "md5Hash", "LastModified", "updated", "mtime")


def file_state(name: str) -> list[str]:
    """Returns a file's or object's size and time of change, or what its store has for it."""
    if storage.is_remote(name):
        info = storage.filesystem(name).info(name)
        return [name, *(str(info[key]) for key in _STATE if info.get(key) is not None)]
    found = os.stat(os.path.join(name, "data.mdb") if os.path.isdir(name) else name)
    return [name, str(found.st_size), str(found.st_mtime_ns)]


@dataclass(frozen=True)
class ContainerSource:
    """Files of many images each, taken one file after the other.

    Attributes:
        kind: "tfrecords", "lmdb" or "parquet".
        names: the files.
        counts: images in each.
        settings: anything else that reading needs.
    """

    kind: str
    names: Sequence[str]
    counts: Sequence[int]
    settings: dict[str, Any]

    @property
    def rows(self) -> int:
        """How many images there are."""
        return sum(self.counts)

    def state(self) -> list[Any]:
        """Returns size and time of change of every file."""
        return [
            [*file_state(name), count] for name, count in zip(self.names, self.counts, strict=True)
        ]

    def piece(self, start: int, stop: int) -> Piece:
        """Describes some of the rows: of each file, the first and the last number (from 1)."""
        spans, before = [], 0
        for name, count in zip(self.names, self.counts, strict=True):
            first, last = max(start - before, 0), min(stop - before, count)
            if first < last:
                spans.append([name, first + 1, last])
            before += count
        return {"kind": self.kind, "spans": spans} | self.settings


def open_tfrecords(names: Sequence[str], encoding: str = "auto") -> ContainerSource:
    """Counts the records of TFRecord files. What is behind a place of damage is one row more.

    Raises:
        RecordError: a file cannot be opened, or is no TFRecord file.
        StorageError: a store cannot be used.
    """
    counts = []
    for name in names:
        file = TFRecordFile(name)
        counts.append(len(file) + (file.fault is not None))
    return ContainerSource("tfrecords", names, counts, {"encoding": encoding})


@functools.lru_cache(maxsize=16)
def _opened(name: str) -> TFRecordFile:
    return TFRecordFile(name)


def read_tfrecords(piece: Piece) -> Iterator[Row]:
    """Yields the images of a piece; a damaged record is a row with an error.

    Raises:
        RecordError: a file cannot be opened any more.
    """
    for name, first, last in piece["spans"]:
        file = _opened(name)
        for number in range(first, last + 1):
            if number > len(file):
                yield Row(name, number, error=f"unreadable from here on: {file.fault}")
                continue
            try:
                features = file.features(number)
            except RecordError as error:
                yield Row(name, number, error=str(error).removeprefix(f"{name}: "))
                continue
            image, label = features.get("image"), features.get("label")
            yield _row(name, number, image, label, piece["encoding"], "feature 'image'")


def open_lmdb(name: str, encoding: str = "auto") -> ContainerSource:
    """Asks an LMDB in MMOCR's layout how many images it has.

    Raises:
        AnnotationError: it is not on a local disk, cannot be opened, or does not say.
    """
    if storage.is_remote(name):
        raise AnnotationError(f"{name}: an LMDB is read from a disk; copy it to one")
    with lmdb_records.opened(name) as view:
        count = lmdb_records.size(name, view)
    return ContainerSource("lmdb", [name], [count], {"encoding": encoding})


def read_lmdb(piece: Piece) -> Iterator[Row]:
    """Yields the images of a piece; a missing one is a row with an error.

    Raises:
        AnnotationError: the LMDB cannot be opened any more.
    """
    for name, first, last in piece["spans"]:
        with lmdb_records.opened(name) as view:
            for number in range(first, last + 1):
                key = b"image-%09d" % number
                image, label = view.get(key), view.get(b"label-%09d" % number)
                yield _row(name, number, image, label, piece["encoding"], f"key {key.decode()}")


def _row(
    name: str, number: int, image: bytes | None, label: bytes | None, encoding: str, what: str
) -> Row:
    """Returns a row of encoded image and label; a missing image or odd label is its error."""
    try:
        text = None if label is None else decode_text(bytes(label), encoding)
    except ValueError as error:
        return Row(name, number, error=f"its label is not {encoding} ({error})")
    if image is None:
        return Row(name, number, label=text, error=f"there is no {what}")
    return Row(name, number, bytes(image), text)

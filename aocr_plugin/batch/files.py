"""Image files that a folder, a pattern, an annotation file or JSON Lines name. No PyTorch."""

import glob
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from aocr_plugin import annotations, record_samples, storage
from aocr_plugin.batch.row import Piece, Row
from aocr_plugin.errors import AnnotationError, RecordError
from aocr_plugin.formats import tfrecord  # noqa: F401, makes its names readable
from aocr_plugin.inference import sources

_REQUESTS = 16  # images asked of a store at the same time
Entry = tuple[int | None, str, str | None, str | None]
"""Line or None, the image as written, its label or None, what is wrong with the line or None."""


@dataclass(frozen=True)
class FileSource:
    """Images that are files of their own.

    Attributes:
        entries: one an image.
        name: where the entries were written, for those that cannot be used.
        folders: what relative paths may be relative to, in order.
    """

    entries: list[Entry]
    name: str
    folders: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many images there are."""
        return len(self.entries)

    def state(self) -> list[Any]:
        """Returns all names and labels; the images themselves are not looked at."""
        return self.entries

    def piece(self, start: int, stop: int) -> Piece:
        """Describes some of the rows."""
        entries = self.entries[start:stop]
        return {"kind": "files", "name": self.name, "folders": self.folders, "entries": entries}


def list_images(source: str) -> FileSource:
    """Finds the images of a folder, a pattern or a store's prefix, in the order of their names.

    Raises:
        ImageError: there is none.
        AnnotationError: no object matches a pattern.
        StorageError: the store cannot be used.
    """
    remote_pattern = storage.is_remote(source) and glob.has_magic(source)
    found = record_samples.shards(source) if remote_pattern else sources.expand(source)
    return FileSource([(None, storage.absolute(name), None, None) for name in found], source)


def read_annotations(source: str, encoding: str = "auto") -> FileSource:
    """Reads aocr's annotation file; a line without a label is a path.

    Raises:
        AnnotationError: it cannot be read or decoded.
        StorageError: its store cannot be used.
    """
    lines = annotations.read(source, encoding)
    entries: list[Entry] = [(line.number, line.path, line.label, None) for line in lines]
    return FileSource(entries, source, _folders(source))


def read_json_lines(source: str, encoding: str = "auto") -> FileSource:
    """Reads lines such as ``{"filename": "a.png", "text": "AB"}``; ``text`` may be missing.

    Raises:
        AnnotationError: the file cannot be read or decoded.
        StorageError: its store cannot be used.
    """
    try:
        data = storage.read_bytes(source)
    except OSError as error:
        raise AnnotationError(f"{source}: cannot be read ({error.strerror or error})") from error
    text = annotations.decode(data, "utf-8" if encoding == "auto" else encoding, source)
    lines = enumerate(text.split("\n"), start=1)
    entries = [_json_entry(number, line) for number, line in lines if line.strip()]
    return FileSource(entries, source, _folders(source))


def _json_entry(number: int, line: str) -> Entry:
    try:
        found = json.loads(line)
        name, label = found.get("filename", found.get("file")), found.get("text")
    except (ValueError, AttributeError) as error:
        return number, "", None, f"line {number} is no JSON object ({error})"
    if not isinstance(name, str):
        return number, "", None, f"line {number} has no text 'filename'"
    return number, name, label if isinstance(label, str) else None, None


def _folders(source: str) -> list[str]:
    return list(dict.fromkeys(annotations.roots(source)))


def read(piece: Piece) -> Iterator[Row]:
    """Yields the images of a piece, in order; several at a time are asked of a store.

    Raises:
        StorageError: the store of an image cannot be used.
    """
    folders, name = piece["folders"], piece["name"]

    def load(entry: Entry) -> Row:
        return load_file(entry, folders, name)

    entries: Iterable[Entry] = piece["entries"]
    if not any(map(storage.is_remote, itertools.chain(folders, (e[1] for e in piece["entries"])))):
        yield from map(load, entries)
        return
    with ThreadPoolExecutor(_REQUESTS) as pool:
        waiting = iter(entries)
        while some := list(itertools.islice(waiting, 8 * _REQUESTS)):
            yield from pool.map(load, some)


def load_file(entry: Entry, folders: list[str], name: str) -> Row:
    """Reads the first file that a path stands for; faults of the file become the row's error.

    Args:
        entry: names the image.
        folders: what a relative path may be relative to.
        name: where the entry was written.

    Raises:
        StorageError: the image's store cannot be used.
    """
    number, path, label, error = entry
    if error is not None:
        return Row(name, number, error=error)
    alone = storage.scheme(path) or os.path.isabs(path)
    places = [path] if alone else [storage.join(folder, path) for folder in folders]
    for place in places:
        try:
            return Row(place, number, storage.read_bytes(place), label)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError, RecordError) as fault:  # ValueError: a NUL in the name
            reason = getattr(fault, "strerror", None) or str(fault)
            return Row(place, number, label=label, error=f"cannot read the file ({reason})")
    where = "" if alone else f" {path!r} under {' or '.join(folders)}"
    return Row(path, number, label=label, error=f"no such file{where}")

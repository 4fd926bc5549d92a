"""Finds out what a source is, and reads pieces of it. No PyTorch."""

import glob
import hashlib
import json
import os
from collections.abc import Iterator

from aocr_plugin import record_samples, storage
from aocr_plugin.batch import containers, files, parquet
from aocr_plugin.batch.row import Piece, Row, Source
from aocr_plugin.errors import AnnotationError, ConfigError
from aocr_plugin.formats import records
from aocr_plugin.inference.sources import EXTENSIONS

KINDS = ("images", "annotations", "jsonl", "tfrecords", "lmdb", "parquet")
_READERS = {
    "files": files.read,
    "tfrecords": containers.read_tfrecords,
    "lmdb": containers.read_lmdb,
    "parquet": parquet.read_parquet,
}
_SHARDS = {
    "tfrecords": (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz"),
    "parquet": (".parquet", ".pq"),
}


def read(piece: Piece) -> Iterator[Row]:
    """Yields the images of a piece of any source; see the readers for what they raise."""
    return _READERS[piece["kind"]](piece)


def digest(source: Source) -> str:
    """Returns a checksum that is another where the source, but not its images' bytes, changed."""
    return hashlib.sha256(json.dumps(source.state()).encode()).hexdigest()


def open_source(
    name: str,
    kind: str | None = None,
    *,
    encoding: str = "auto",
    image_column: str | None = None,
    label_column: str | None = None,
) -> Source:
    """Opens what is to be read.

    Args:
        name: a folder or a store's prefix (of images, TFRecords or Parquet files; or an LMDB), a
            pattern, an annotation file, JSON Lines, a TFRecord or Parquet file, or an image.
        kind: one of :data:`KINDS`; None goes by names and content.
        encoding: of labels, and of an annotation file.
        image_column: of Parquet.
        label_column: of Parquet.

    Raises:
        AnnotationError: it cannot be read, or there is nothing in it.
        ImageError: a folder or pattern without images.
        RecordError: a file of records cannot be opened.
        ConfigError: it cannot be told what it is, or a column is not there.
        StorageError: its store cannot be used.
    """
    name = storage.absolute(name)
    found, shards = _tell(name, kind)
    source: Source
    if found == "images":
        source = files.list_images(name)
    elif found == "annotations":
        source = files.read_annotations(name, encoding)
    elif found == "jsonl":
        source = files.read_json_lines(name, encoding)
    elif found == "tfrecords":
        source = containers.open_tfrecords(shards, encoding)
    elif found == "lmdb":
        source = containers.open_lmdb(name, encoding)
    else:
        source = parquet.open_parquet(shards, image_column, label_column)
    if not source.rows:
        raise AnnotationError(f"{name}: there is no image in it ({found})")
    return source


def _tell(name: str, kind: str | None) -> tuple[str, list[str]]:
    """Returns the kind of a source, and the files it consists of where it is made of shards.

    Raises:
        ConfigError: a folder has files of several kinds.
    """
    if glob.has_magic(name) and not storage.exists(name):
        return _by_names(name, record_samples.shards(name), kind, "images")
    if storage.kind(name) == "directory":
        if kind in (None, "lmdb") and os.path.isfile(os.path.join(name, "data.mdb")):
            return "lmdb", []
        listed = [storage.join(name, file) for file in sorted(storage.files(name, recursive=True))]
        return _by_names(name, [n for n in listed if not _hidden(n, name)], kind, "images")
    if kind is not None:
        return kind, [name]
    return _by_names(name, [name], None, None)


def _hidden(file: str, folder: str) -> bool:
    """Whether a file is none of the data: a manifest, a file that is being written."""
    return any(part.startswith((".", "_")) for part in file[len(folder) :].split("/"))


def _by_names(
    name: str, found: list[str], kind: str | None, otherwise: str | None
) -> tuple[str, list[str]]:
    """Goes by the endings of files; ``otherwise`` None looks into the file."""
    by_kind = {
        each: [file for file in found if file.lower().endswith(endings)]
        for each, endings in (*_SHARDS.items(), ("images", tuple(EXTENSIONS)))
    }
    if kind is not None:
        return kind, by_kind.get(kind) or found
    there = [each for each, names in by_kind.items() if names]
    if len(there) > 1:
        raise ConfigError(f"{name}: there are {' and '.join(there)}; say which with --kind")
    if there:
        return there[0], by_kind[there[0]]
    return otherwise or records.sniff(name), [name]

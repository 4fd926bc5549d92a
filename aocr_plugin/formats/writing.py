"""Writes labelled images as any of the four kinds of data set. Needs no PyTorch."""

import contextlib
import gzip
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from aocr_plugin import storage
from aocr_plugin.atomic import PARTIAL, atomic_file
from aocr_plugin.errors import AnnotationError, ConfigError
from aocr_plugin.formats import tfrecord
from aocr_plugin.formats.records import Record

_SUFFIXES = {
    b"\x89PNG": ".png",
    b"\xff\xd8": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
    b"RIFF": ".webp",
}
_MAP_SIZE = 1 << 40  # bytes that an LMDB may grow to; it takes no more room than it holds
_COMMIT_EVERY = 1_000  # records of an LMDB
_OURS = re.compile(r"\d{9,}\.[a-z]+|(data|lock)\.mdb")


def kind_by_name(out: str) -> str:
    """Returns what kind of data set a name to write to asks for.

    Raises:
        ConfigError: the name does not tell.
    """
    suffix = Path(out.removesuffix(".gz")).suffix.lower()
    kinds = {".tfrecord": "tfrecords", ".tfrecords": "tfrecords", ".lmdb": "lmdb"}
    kinds |= {".jsonl": "jsonl", ".json": "jsonl", ".txt": "annotations"}
    if suffix not in kinds:
        raise ConfigError(
            f"{out}: its name tells no kind of data set ({', '.join(sorted(kinds))}); say it with "
            "--to"
        )
    return kinds[suffix]


def suffix_of(image: bytes) -> str:
    """Returns the file name's ending for an encoded image, by its first bytes."""
    return next((suffix for magic, suffix in _SUFFIXES.items() if image.startswith(magic)), ".img")


def write(
    kind: str,
    out: str,
    records: Iterable[Record],
    *,
    comments: bool = False,
    packed: bool = False,
    force: bool = False,
) -> int:
    """Writes a data set; nothing stands under its name until it is complete.

    Args:
        kind: "tfrecords", "annotations", "jsonl" or "lmdb".
        out: file to write, or folder of an LMDB; TFRecords may go to an object store. For
            annotations and JSON Lines the images go to a folder ``OUT_images`` beside it,
            blanks in its name made underscores.
        records: taken one after the other; memory stays flat.
        comments: TFRecords: keep each record's comment.
        packed: TFRecords: as gzip.
        force: overwrite; a folder only where nothing but a data set's images or LMDB is in it.

    Returns:
        The number of records written.

    Raises:
        ConfigError: ``out`` exists and ``force`` is not set.
        AnnotationError: a label holds a line break, which an annotation file cannot.
    """
    if kind != "tfrecords" and (packed or out.endswith(".gz")):
        raise ConfigError(f"{out}: only TFRecords can be written as gzip")
    if storage.is_remote(out) and kind != "tfrecords":
        raise ConfigError(f"{out}: only TFRecords can be written into an object store")
    folders = [] if kind == "tfrecords" else [out if kind == "lmdb" else _image_folder(out)]
    for name in dict.fromkeys([out, *folders]):
        found = storage.kind(name)
        if found is None:
            continue
        if not force:
            raise ConfigError(f"{name} exists; give another name, or --force to overwrite it")
        if (found == "directory") != (name in folders) or not _is_ours(name, found):
            raise ConfigError(f"{name} exists and is no {kind} of ours; give another name")
    if kind == "tfrecords":
        return _tfrecords(out, records, comments, packed or out.endswith(".gz"))
    if kind == "lmdb":
        with _folder(out) as folder:
            return _lmdb(folder, records)
    with atomic_file(out) as file, _folder(_image_folder(out)) as folder:
        return _lines(file, Path(folder), Path(_image_folder(out)).name, records, kind)


def _image_folder(out: str) -> str:
    """Returns where the images go: another folder for each name; blanks would end a line's path."""
    home, name = os.path.split(out)
    return os.path.join(home, re.sub(r"\s", "_", f"{name}_images"))


def _is_ours(name: str, found: str) -> bool:
    """Whether a folder holds nothing but what this module writes, and may be replaced."""
    return found != "directory" or all(map(_OURS.fullmatch, os.listdir(name)))


@contextlib.contextmanager
def _folder(out: str) -> Iterator[str]:
    """Makes a folder that takes its name when the block ends without an error."""
    home, name = os.path.split(os.path.abspath(out))
    os.makedirs(home, exist_ok=True)
    partial = tempfile.mkdtemp(prefix=f"{PARTIAL}{name}-", dir=home)
    try:
        yield partial
        os.chmod(partial, 0o755)  # noqa: S103, as of any new folder
        old = tempfile.mkdtemp(prefix=f"{PARTIAL}{name}-", dir=home)
        if os.path.exists(out):
            os.replace(out, old)
        else:
            os.rmdir(old)
        os.replace(partial, out)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _tfrecords(out: str, records: Iterable[Record], comments: bool, packed: bool) -> int:
    if storage.is_remote(out):
        with tempfile.TemporaryDirectory() as folder:
            local = os.path.join(folder, os.path.basename(out))
            count = _tfrecords(local, records, comments, packed)
            storage.upload(local, out)
            return count
    count = 0
    with atomic_file(out) as plain, contextlib.ExitStack() as stack:
        file: BinaryIO | gzip.GzipFile = plain
        if packed:
            file = gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0)
            stack.enter_context(file)
        for record in records:
            features = {"image": record.image, "label": record.label.encode()}
            if comments and record.comment is not None:
                features["comment"] = record.comment.encode("utf-8", "surrogateescape")
            tfrecord.write_record(file, features)
            count += 1
    return count


def _lmdb(folder: str, records: Iterable[Record]) -> int:
    import lmdb

    count = 0
    with lmdb.open(folder, map_size=_MAP_SIZE) as env:
        change = env.begin(write=True)
        try:
            for count, record in enumerate(records, start=1):
                change.put(b"image-%09d" % count, record.image)
                change.put(b"label-%09d" % count, record.label.encode())
                if count % _COMMIT_EVERY == 0:
                    change.commit()
                    change = env.begin(write=True)
            change.put(b"num-samples", str(count).encode())
            change.commit()
        except BaseException:
            change.abort()
            raise
    return count


def _lines(file: BinaryIO, folder: Path, shown: str, records: Iterable[Record], kind: str) -> int:
    """Writes annotation lines or JSON Lines, and the images into a folder."""
    count = 0
    for record in records:
        count += 1
        name = f"{count:09d}{suffix_of(record.image)}"
        (folder / name).write_bytes(record.image)
        if kind == "jsonl":
            entry = {"filename": f"{shown}/{name}", "text": record.label}
            line = json.dumps(entry, ensure_ascii=False)
        elif "\n" in record.label or "\r" in record.label:
            raise AnnotationError(
                f"record {record.number}: its label holds a line break, which an annotation file "
                "cannot; write JSON Lines or TFRecords"
            )
        else:
            line = f"{shown}/{name} {record.label}"
        file.write(line.encode() + b"\n")
    return count

"""Labelled images out of any data set, one after the other. Needs no PyTorch."""

import codecs
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aocr_plugin import annotations, storage
from aocr_plugin.errors import AnnotationError, RecordError
from aocr_plugin.formats import lmdb_records, tfrecord
from aocr_plugin.formats.record import Record as Record
from aocr_plugin.formats.record import decode_text as decode_text
from aocr_plugin.sifting import Report

KINDS = ("annotations", "tfrecords", "lmdb", "jsonl")


def sniff(path: str) -> str:
    """Returns what kind of data set a path is, one of :data:`KINDS`, by its content.

    Raises:
        AnnotationError: there is no such file, or a folder that is no LMDB.
    """
    if not storage.is_remote(path) and os.path.isdir(path):
        if (Path(path) / "data.mdb").is_file():
            return "lmdb"
        raise AnnotationError(f"{path}: a folder, and no LMDB (there is no data.mdb in it)")
    try:
        with storage.local_copy(path).open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AnnotationError(f"{path}: cannot read the data set ({reason})") from error
    named = Path(path.removesuffix(".gz")).suffix in (".tfrecord", ".tfrecords")
    if named or tfrecord.looks_like_one(head):
        return "tfrecords"
    lines = head.removeprefix(codecs.BOM_UTF8).splitlines()
    first = next((line for line in lines if line.strip()), b"")
    return "jsonl" if first.lstrip().startswith(b"{") and b'"' in first else "annotations"


def count(path: str, kind: str, encoding: str = "auto") -> int:
    """Returns how many lines or records there are, usable or not."""
    if kind == "tfrecords":
        return len(tfrecord.TFRecordFile(path))
    if kind == "lmdb":
        with lmdb_records.opened(path) as view:
            return lmdb_records.size(path, view)
    if kind == "jsonl":
        return sum(1 for line in _text_of(path, encoding).split("\n") if line.strip())
    return sum(1 for _ in annotations.parse(annotations.text(path, encoding)))


def read(path: str, kind: str, report: Report, encoding: str = "auto") -> Iterator[Record]:
    """Yields every labelled image of a data set; what is unusable goes into the report.

    Images are not decoded; see :func:`aocr_plugin.images.check_bytes`.

    Args:
        path: the data set.
        kind: of :func:`sniff`.
        report: faults are counted in it.
        encoding: of labels; "auto" is UTF-8 or else iso-8859-1.

    Raises:
        AnnotationError: the data set cannot be read, or has a fault whose policy is "error".
        RecordError: it is no TFRecord file.
    """
    readers: dict[str, Callable[[str, Report, str], Iterator[Record]]] = {
        "annotations": _annotations,
        "tfrecords": _tfrecords,
        "lmdb": lmdb_records.read,
        "jsonl": _jsonl,
    }
    yield from readers[kind](path, report, encoding)


def _load(written: str, number: int, folders: list[str], report: Report, is_file: Any) -> Any:
    """Returns the bytes and path of an image that a line names, or None and a note."""
    path = annotations.find_image(written, folders, is_file)
    try:
        if path is not None:
            return storage.read_bytes(path), path
    except OSError as error:
        report.note("broken_image", number, f"{path}: cannot read the file ({error.strerror})")
        return None
    places = " or ".join(dict.fromkeys(folders))
    report.note("missing_image", number, f"no file {written!r} under {places}")
    return None


def _annotations(path: str, report: Report, encoding: str) -> Iterator[Record]:
    folders, is_file = annotations.roots(path), annotations.Listing()
    for line in annotations.parse(annotations.text(path, encoding)):
        report.lines += 1
        if line.label is None:
            report.note("malformed_line", line.number, f"no label in {line.path[:60]!r}")
            continue
        loaded = _load(line.path, line.number, folders, report, is_file)
        if loaded is not None:
            yield Record(line.number, loaded[0], line.label, line.path)


def _text_of(path: str, encoding: str) -> str:
    if encoding == "auto":
        encoding = "utf-8"  # which JSON is in
    try:
        return annotations.decode(storage.read_bytes(path), encoding, path)
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read ({error.strerror or error})") from error


def _jsonl(path: str, report: Report, encoding: str) -> Iterator[Record]:
    folders, is_file = annotations.roots(path), annotations.Listing()
    for number, line in enumerate(_text_of(path, encoding).split("\n"), start=1):
        if not line.strip():
            continue
        report.lines += 1
        try:
            entry = json.loads(line)
            written, label = entry.get("filename", entry.get("file")), entry.get("text")
        except (ValueError, AttributeError) as error:
            report.note("malformed_line", number, f"no JSON object ({error})")
            continue
        if not isinstance(written, str) or not isinstance(label, str):
            report.note("malformed_line", number, "no texts 'filename' and 'text' in the object")
            continue
        if not _is_text(written + label):
            report.note("malformed_line", number, "half of a surrogate pair in the object's texts")
            continue
        loaded = _load(written, number, folders, report, is_file)
        if loaded is not None:
            yield Record(number, loaded[0], label, written)


def _is_text(text: str) -> bool:
    """Whether a text can be written; JSON's escapes may name what no encoding has."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_features(
    source: tfrecord.TFRecordFile, report: Report
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Yields number and features of every whole record that has an image and a label.

    Raises:
        AnnotationError: a fault whose policy is "error".
    """
    for number, data in source:
        report.lines += 1
        try:
            if isinstance(data, RecordError):
                raise data
            features = source.parse(number, data)
        except RecordError as error:
            report.note("broken_record", number, str(error))
            continue
        place = f"{source.name}: record {number} at byte {source.offset(number)}"
        if "image" not in features:
            report.note("broken_record", number, f"{place} has no feature 'image'")
        elif "label" not in features:
            report.note("missing_label", number, f"{place} has no feature 'label'")
        else:
            yield number, features
    if source.fault is not None:
        report.lines += 1
        report.note("unreadable_rest", len(source) + 1, f"{source.name}: {source.fault}")


def _tfrecords(path: str, report: Report, encoding: str) -> Iterator[Record]:
    for number, features in read_features(tfrecord.TFRecordFile(path), report):
        comment = features.get("comment")
        try:
            label = decode_text(features["label"], encoding)
            shown = None if comment is None else decode_text(comment)
        except ValueError as error:
            report.note("broken_record", number, f"its label is not {encoding} ({error})")
            continue
        yield Record(number, features["image"], label, shown)

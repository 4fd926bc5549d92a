"""Annotation files in aocr's form: a line ``PATH LABEL`` an image. Needs no PyTorch."""

import codecs
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aocr_plugin import storage
from aocr_plugin.errors import AnnotationError

_FIRST_BLANK = re.compile(r"\s")
ENCODINGS = "auto, or a Python codec such as utf-8 or iso-8859-1"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an annotation file.

    Attributes:
        number: from 1.
        path: as written.
        label: the rest of the line, blanks included; None where no separator was found.
    """

    number: int
    path: str
    label: str | None


def _detect(data: bytes, name: str) -> str:
    """Returns UTF-8, UTF-16 by its mark, or else the original's iso-8859-1, with a warning.

    Raises:
        AnnotationError: some lines are UTF-8 beyond ASCII and others are not UTF-8, so that
            either reading would spoil labels.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        data.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        bad = data.count(b"\n", 0, error.start) + 1
    for line in data.split(b"\n"):
        try:
            if not line.isascii() and line.decode("utf-8"):
                raise AnnotationError(
                    f"{name}:{bad}: this line is not UTF-8, but others hold UTF-8 characters; mend "
                    f"the line, or set encoding to {ENCODINGS}"
                )
        except UnicodeDecodeError:
            continue
    logging.getLogger(__name__).warning(
        "%s:%d: not UTF-8, the file is read as iso-8859-1 (else set encoding)",
        name,
        bad,
    )
    return "iso-8859-1"


def decode(data: bytes, encoding: str = "auto", name: str = "annotations") -> str:
    """Decodes an annotation file; a byte order mark is dropped.

    Args:
        data: the file's bytes.
        encoding: "auto" takes UTF-8 and, where the bytes are not UTF-8, the original's
            iso-8859-1; or a codec's name.
        name: the file, for errors.

    Raises:
        AnnotationError: the bytes are not of this encoding, or the encoding is unknown.
    """
    if encoding == "auto":
        encoding = _detect(data, name)
    try:
        codecs.lookup(encoding)
        text = data.decode(encoding)
    except LookupError as error:
        raise AnnotationError(f"unknown encoding '{encoding}'; give {ENCODINGS}") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnnotationError(
            f"{name}:{line}: this is not {encoding} ({error.reason}); set encoding to {ENCODINGS}"
        ) from error
    return text.removeprefix("\ufeff")


def _split(text: str) -> Iterator[str]:
    """Yields a text's lines as splitting it does; only one at a time takes memory."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]


def parse(text: str, separator: str | None = None) -> Iterator[Line]:
    """Yields the lines of an annotation file; blank lines are passed over.

    Args:
        text: the file's text. Lines end with LF or CR LF.
        separator: what stands between path and label; None is the first white space character.
    """
    for number, line in enumerate(_split(text), start=1):
        line = line.removesuffix("\r").lstrip()
        if not line:
            continue
        if separator is None:
            blank = _FIRST_BLANK.search(line)
            cut = blank.span() if blank else None
        else:
            start = line.find(separator)
            cut = (start, start + len(separator)) if start >= 0 else None
        if cut is None or cut[0] == 0:
            yield Line(number, line.strip(), None)
        else:
            yield Line(number, line[: cut[0]], line[cut[1] :])


def read(path: str | Path, encoding: str = "auto", separator: str | None = None) -> list[Line]:
    """Reads the lines of an annotation file; see :func:`text` and :func:`parse`.

    Raises:
        AnnotationError: the file cannot be read or decoded.
        StorageError: its store cannot be used.
    """
    return list(parse(text(path, encoding), separator))


def text(path: str | Path, encoding: str = "auto") -> str:
    """Reads a whole annotation file, given by its path or URL.

    Raises:
        AnnotationError: the file cannot be read or decoded.
        StorageError: its store cannot be used.
    """
    try:
        data = storage.read_bytes(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AnnotationError(
            f"{path}: cannot read the annotation file ({reason}); give the path of a file with "
            "lines 'PATH LABEL' (in a config: the dataset's ann_file and data_root)"
        ) from error
    return decode(data, encoding, str(path))


def roots(ann_file: str | Path, data_root: str | Path | None = None) -> list[str]:
    """Returns the folders that a relative image path may be relative to, in order of search."""
    folders = [str(data_root)] if data_root else []
    return [*folders, storage.parent(ann_file), os.getcwd()]


def find_file(ann_file: str, data_root: str | None) -> str:
    """Returns the path or URL of a data set's file: absolute, below ``data_root``, or as it is."""
    if data_root and not storage.scheme(ann_file) and not os.path.isabs(ann_file):
        joined = storage.join(data_root, ann_file)
        if storage.exists(joined) or not os.path.exists(ann_file):
            return joined
    return ann_file


class Listing:
    """Tells which files there are. A store's folder is listed once, not asked for every file."""

    def __init__(self) -> None:
        self._folders: dict[str, set[str]] = {}

    def __call__(self, name: str) -> bool:
        """Whether there is such a file.

        Raises:
            StorageError: its store cannot be used.
        """
        if not storage.is_remote(name):
            return os.path.isfile(name)
        if storage.scheme(name).startswith("http"):  # a web server has no folders
            return storage.exists(name)
        folder, _, file = name.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = set(storage.files(folder))
        return file in self._folders[folder]


def find_image(
    path: str, folders: list[str], is_file: Callable[[str], bool] = os.path.isfile
) -> str | None:
    """Returns the first existing file for a path as written, or None.

    Args:
        path: absolute, a URL, or relative to one of ``folders``.
        folders: of :func:`roots`.
        is_file: whether there is a file; a :class:`Listing` knows object stores too.
    """
    if storage.scheme(path) or os.path.isabs(path):
        return path if is_file(path) else None
    for folder in folders:
        candidate = storage.join(folder, path)
        if is_file(candidate):
            return candidate
    return None

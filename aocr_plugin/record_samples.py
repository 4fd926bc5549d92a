"""Reads TFRecord files down to whole images with labels. Needs no PyTorch."""

import glob
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from aocr_plugin import charset, images, storage
from aocr_plugin.errors import AnnotationError, ImageError
from aocr_plugin.formats import records
from aocr_plugin.formats.tfrecord import TFRecordFile
from aocr_plugin.sifting import Report, Sample
from aocr_plugin.stores import explained

_AT_ONCE = 512  # records in memory
_TOLD_EVERY = 1_000  # records


def _matching(pattern: str) -> list[str]:
    if not storage.is_remote(pattern):
        return glob.glob(pattern, recursive=True)
    kind = storage.scheme(pattern)
    with explained(pattern):
        return [f"{kind}://{name}" for name in storage.filesystem(pattern).glob(pattern)]


def shards(ann_file: str | Sequence[str]) -> list[str]:
    """Returns the files that a name, a pattern or a list of them stands for, in order.

    Raises:
        AnnotationError: a pattern that no file matches.
    """
    names = [ann_file] if isinstance(ann_file, str) else list(ann_file)
    found: list[str] = []
    for name in names:
        if glob.has_magic(name) and not storage.exists(name):
            matching = sorted(_matching(name))
            if not matching:
                raise AnnotationError(f"{name}: no file matches this pattern")
            found += matching
        else:
            found.append(name)
    return found


def uri(path: str | os.PathLike[str], number: int | str = "") -> str:
    """Returns the name under which one record's image can be read; its number may be added."""
    return f"tfrecord://{os.path.abspath(path)}#{number}"


def _batches(source: TFRecordFile, report: Report) -> Iterator[list[tuple[int, dict[str, bytes]]]]:
    found = records.read_features(source, report)
    while batch := list(itertools.islice(found, _AT_ONCE)):
        yield batch


def read_record_samples(
    ann_file: str,
    report: Report,
    *,
    encoding: str = "auto",
    letter_case: str = "unchanged",
    check_images: str = "decode",
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Sample]:
    """Reads a TFRecord file and checks its records and images, one after the other.

    Every checksum is tested. The file is read once, from front to back.

    Args:
        ann_file: the file, a path or URL.
        report: damaged records, missing labels and broken images are counted in it.
        encoding: of labels; "auto" is UTF-8 or else the original's iso-8859-1.
        letter_case: applied to labels.
        check_images: "decode", "header" or "exists"; the last leaves sizes unknown.
        progress: called now and then with records read and records in all.

    Yields:
        The samples whose record and image are whole; ``path`` is for
        :func:`aocr_plugin.storage.read_bytes`, ``line`` the record's number.

    Raises:
        RecordError: no TFRecord file.
        AnnotationError: a fault whose policy is "error".
    """
    source = TFRecordFile(ann_file)
    threads = min(4, os.cpu_count() or 1)
    place = uri(source.path)

    def size_of(item: tuple[int, dict[str, bytes]]) -> tuple[int, int] | ImageError | None:
        if check_images == "exists":
            return None
        try:
            return images.check_bytes(item[1]["image"], f"{place}{item[0]}", check_images)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        for batch in _batches(source, report):
            # to hand a header to a thread would take longer than to read it
            sizes = pool.map(size_of, batch) if check_images == "decode" else map(size_of, batch)
            for (number, features), size in zip(batch, sizes, strict=True):
                if isinstance(size, ImageError):
                    report.note("broken_image", number, str(size))
                    continue
                try:
                    label = records.decode_text(features["label"], encoding)
                except ValueError as error:
                    report.note("broken_record", number, f"its label is not {encoding} ({error})")
                    continue
                comment = features.get("comment")
                report.kept += 1
                yield Sample(
                    f"{place}{number}",
                    charset.apply_case(label, letter_case),
                    number,
                    size,
                    None if comment is None else records.decode_text(comment),
                )
                if progress and number % _TOLD_EVERY == 0:
                    progress(number, len(source))

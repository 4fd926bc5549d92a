"""Reads annotation files down to whole images with labels. Needs no PyTorch."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterator

from aocr_plugin import annotations, charset, images, storage
from aocr_plugin.errors import ImageError
from aocr_plugin.sifting import Report, Sample

_REQUESTS = 16  # images asked of a store at the same time


def read_samples(
    ann_file: str,
    report: Report,
    *,
    data_root: str | None = None,
    encoding: str = "auto",
    separator: str | None = None,
    letter_case: str = "unchanged",
    check_images: str = "decode",
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Sample]:
    """Reads an annotation file, finds its images and checks them, a line after the other.

    Args:
        ann_file: the file, a path or URL; so are the images.
        report: lines without label, missing and broken images are counted in it.
        data_root: a folder that image paths may be relative to, before the file's own and the
            working directory.
        encoding: see :func:`annotations.decode`.
        separator: see :func:`annotations.parse`.
        letter_case: applied to labels.
        check_images: "decode", "header" or "exists"; the last leaves sizes unknown.
        progress: called now and then with images checked and lines in all.

    Yields:
        The samples whose image is there and whole.

    Raises:
        AnnotationError: unreadable file, or a problem whose policy is "error".
        StorageError: the store of the file or an image cannot be used.
    """
    folders = annotations.roots(ann_file, data_root)
    text = annotations.text(ann_file, encoding)
    total = text.count("\n") + (not text.endswith("\n"))
    found = _existing(annotations.parse(text, separator), folders, letter_case, report)
    if check_images == "exists":
        for sample in found:
            report.kept += 1
            yield sample
        return
    first = list(itertools.islice(found, 1))
    remote = any(storage.is_remote(sample.path) for sample in first)
    waiting: deque[Sample] = deque()

    def paths() -> Iterator[str]:
        for sample in itertools.chain(first, found):
            waiting.append(sample)
            yield sample.path

    checks = images.check_files(
        paths(),
        check_images,
        threads=_REQUESTS if remote else min(4, os.cpu_count() or 1),
        progress=(lambda done: progress(done, total)) if progress else None,
    )
    for check in checks:
        sample = waiting.popleft()
        if isinstance(check, ImageError):
            report.note("broken_image", sample.line, str(check))
        else:
            sample.size = check
            report.kept += 1
            yield sample


def _existing(
    lines: Iterator[annotations.Line], folders: list[str], letter_case: str, report: Report
) -> Iterator[Sample]:
    """Yields a sample for each line whose image is there."""
    is_file = annotations.Listing()
    for line in lines:
        report.lines += 1
        if line.label is None:
            report.note("malformed_line", line.number, f"no label in {line.path[:60]!r}")
            continue
        path = annotations.find_image(line.path, folders, is_file)
        if path is None:
            detail = f"no file {line.path!r} under {' or '.join(dict.fromkeys(folders))}"
            report.note("missing_image", line.number, detail)
        else:
            yield Sample(path, charset.apply_case(line.label, letter_case), line.number)

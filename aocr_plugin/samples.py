"""Reads annotation files down to whole images with labels. Needs no PyTorch."""

import os
from collections.abc import Callable

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
) -> list[Sample]:
    """Reads an annotation file, finds its images and checks them.

    Args:
        ann_file: the file, a path or URL; so are the images.
        report: lines without label, missing and broken images are counted in it.
        data_root: a folder that image paths may be relative to, before the file's own and the
            working directory.
        encoding: see :func:`annotations.decode`.
        separator: see :func:`annotations.parse`.
        letter_case: applied to labels.
        check_images: "decode", "header" or "exists"; the last leaves sizes unknown.
        progress: called now and then with images checked and images in all.

    Returns:
        The samples whose image is there and whole.

    Raises:
        AnnotationError: unreadable file, or a problem whose policy is "error".
        StorageError: the store of the file or an image cannot be used.
    """
    folders = annotations.roots(ann_file, data_root)
    is_file = annotations.Listing()
    found: list[Sample] = []
    for line in annotations.read(ann_file, encoding, separator):
        report.lines += 1
        if line.label is None:
            report.note("malformed_line", line.number, f"no label in {line.path[:60]!r}")
            continue
        path = annotations.find_image(line.path, folders, is_file)
        if path is None:
            detail = f"no file {line.path!r} under {' or '.join(dict.fromkeys(folders))}"
            report.note("missing_image", line.number, detail)
        else:
            found.append(Sample(path, charset.apply_case(line.label, letter_case), line.number))
    report.kept = len(found)
    if check_images == "exists":
        return found
    total = len(found)
    remote = any(storage.is_remote(sample.path) for sample in found)
    checks = images.check_files(
        (sample.path for sample in found),
        check_images,
        threads=_REQUESTS if remote else min(4, os.cpu_count() or 1),
        progress=(lambda done: progress(done, total)) if progress else None,
    )
    whole = []
    for sample, check in zip(found, checks, strict=True):
        if isinstance(check, ImageError):
            report.note("broken_image", sample.line, str(check))
        else:
            sample.size = check
            whole.append(sample)
    report.kept = len(whole)
    return whole

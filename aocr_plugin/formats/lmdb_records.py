"""Reads LMDBs in MMOCR's layout: image-000000001, label-000000001, … and num-samples."""

import contextlib
from collections.abc import Iterator
from typing import Any

from aocr_plugin.errors import AnnotationError
from aocr_plugin.formats.record import Record, decode_text
from aocr_plugin.sifting import Report


@contextlib.contextmanager
def opened(path: str) -> Iterator[Any]:
    """Opens an LMDB for reading; gives a view of it.

    Raises:
        AnnotationError: it cannot be opened.
    """
    import lmdb

    try:
        env = lmdb.open(path, readonly=True, lock=False, readahead=False, meminit=False)
    except lmdb.Error as error:
        raise AnnotationError(f"{path}: cannot be opened as LMDB ({error})") from error
    with env, env.begin() as view:
        yield view


def size(path: str, view: Any) -> int:
    """Returns how many images it says it has.

    Raises:
        AnnotationError: it does not say.
    """
    total = view.get(b"num-samples")
    if total is None or not total.isdigit():
        raise AnnotationError(
            f"{path}: no key 'num-samples' with a number; MMOCR's layout has image-000000001, "
            "label-000000001, … and num-samples"
        )
    return int(total)


def read(path: str, report: Report, encoding: str) -> Iterator[Record]:
    """Yields every image that has a label; what is unusable goes into the report.

    Args:
        path: the LMDB's folder.
        report: faults are counted in it.
        encoding: of labels; see :func:`aocr_plugin.formats.record.decode_text`.

    Raises:
        AnnotationError: it cannot be opened, or has a fault whose policy is "error".
    """
    with opened(path) as view:
        for number in range(1, size(path, view) + 1):
            report.lines += 1
            image, label = view.get(b"image-%09d" % number), view.get(b"label-%09d" % number)
            if image is None:
                report.note("missing_image", number, f"no key image-{number:09d}")
            elif label is None:
                report.note("missing_label", number, f"no key label-{number:09d}")
            else:
                try:
                    text = decode_text(bytes(label), encoding)
                except ValueError as error:
                    report.note("broken_record", number, f"its label is not {encoding} ({error})")
                    continue
                yield Record(number, bytes(image), text)

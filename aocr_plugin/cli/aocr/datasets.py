"""What kind of data set a path is, and how many images it has. Needs no PyTorch."""

import sys
import time

from aocr_plugin.errors import AnnotationError
from aocr_plugin.formats import records
from aocr_plugin.record_samples import read_record_samples
from aocr_plugin.samples import read_samples
from aocr_plugin.sifting import Report, Sample


def kind_of(path: str) -> str:
    """Returns "annotations" or "tfrecords".

    Raises:
        AnnotationError: another format, or no data set at all.
    """
    kind = records.sniff(path)
    if kind not in ("annotations", "tfrecords"):
        raise AnnotationError(
            f"{path}: this is {kind}; turn it into TFRecords with tools/convert_dataset.py"
        )
    return kind


def read(path: str, report: Report, *, letter_case: str, check_images: str) -> list[Sample]:
    """Reads a data set of either kind down to its whole images, with progress on standard error.

    Raises:
        AnnotationError: it cannot be read.
    """

    def progress(done: int, total: int) -> None:
        left = (time.monotonic() - start) / done * (total - done)
        print(f"checked {done} of {total} images, {left:.0f} s left", file=sys.stderr)

    start = time.monotonic()
    reader = read_record_samples if kind_of(path) == "tfrecords" else read_samples
    return list(
        reader(path, report, letter_case=letter_case, check_images=check_images, progress=progress)
    )

"""``aocr check DATASET``: decodes every image and lists the bad ones. Needs no PyTorch."""

import argparse

from aocr_plugin import storage
from aocr_plugin.cli.aocr.datasets import read
from aocr_plugin.sifting import Report, policies

FOUND_BAD = 1  # exit code


class _Quarantine(Report):
    """A report that remembers every fault, not only the first of each kind."""

    def __init__(self, name: str) -> None:
        super().__init__(name, policies(None, testing=False))
        self.faults: list[tuple[int, str, str]] = []

    def note(self, reason: str, line: int, detail: str) -> bool:
        """Counts a fault and keeps it."""
        self.faults.append((line, reason, detail))
        return super().note(reason, line, detail)


def run(args: argparse.Namespace) -> int:
    """Checks every image; returns 1 where one is bad.

    Raises:
        AnnotationError: the data set cannot be read, or is empty.
    """
    report = _Quarantine(args.dataset_path)
    read(args.dataset_path, report, letter_case="unchanged", check_images="decode")
    if report.lines == 0:
        report.check(max_rejected=1.0)  # raises: there is nothing in it
    print(report.table())
    if not report.faults:
        print("all images are whole")
        return 0
    path = args.quarantine or f"{args.dataset_path}.quarantine.txt"
    rows = sorted(report.faults)
    text = "".join(f"{line}\t{reason}\t{detail}\n" for line, reason, detail in rows)
    storage.write_bytes(path, text.encode("utf-8", "surrogateescape"))
    for line, reason, detail in rows[:10]:
        print(f"  {line}: {reason.replace('_', ' ')}: {detail}")
    if len(rows) > 10:
        print(f"  … and {len(rows) - 10} more")
    print(f"{len(rows)} bad lines or records, all in {path} (line, reason, detail)")
    return FOUND_BAD

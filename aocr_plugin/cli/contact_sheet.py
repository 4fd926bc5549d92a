"""Draws images of data sets with their labels: ``tools/contact_sheet.py OUT.png SET ...``."""

import argparse
import random
import sys
from collections.abc import Iterator

from aocr_plugin.cli.common import add_traceback_flag, guarded, whole_from
from aocr_plugin.formats import records
from aocr_plugin.formats.record import Record
from aocr_plugin.sifting import Report, policies
from aocr_plugin.visualization.labelled_sheet import draw_labelled_sheet


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="contact_sheet.py",
        description="Draws images of data sets with their labels on one sheet, set after set: to "
        "see what is in a set, or drawn images beside real ones.",
    )
    parser.add_argument("out", help="picture to write")
    parser.add_argument(
        "sets", nargs="+", help="annotation files, TFRecords, LMDB folders or JSON Lines"
    )
    parser.add_argument("--count", type=whole_from(1), default=64, help="of each set (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice (%(default)s)")
    parser.add_argument("--columns", type=whole_from(1), default=8, help="(%(default)s)")
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def _chosen(path: str, count: int, seed: int) -> Iterator[Record]:
    """Yields some records of a data set, in its order."""
    kind = records.sniff(path)
    total = records.count(path, kind)
    wanted = set(random.Random(seed).sample(range(total), min(count, total)))
    report = Report(path, policies(None, testing=False))
    for place, record in enumerate(records.read(path, kind, report)):
        if place in wanted:
            yield record


def contact_sheet(args: argparse.Namespace) -> int:
    """Draws; returns the exit code."""
    sets = {path: _chosen(path, args.count, args.seed) for path in args.sets}
    drawn = draw_labelled_sheet(sets, args.out, args.columns)
    print(f"{args.out}: {drawn} images")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return guarded(contact_sheet, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

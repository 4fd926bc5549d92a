"""Turns a data set into another kind: ``tools/convert_dataset.py SOURCE DEST``. No PyTorch."""

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterator

from aocr_plugin import charset, images, storage
from aocr_plugin.cli.common import add_traceback_flag, guarded
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.formats import records, writing
from aocr_plugin.sifting import Report, policies


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="convert_dataset.py",
        description="Turns a labelled set of images into another form: annotation file, TFRecords, "
        "MMOCR's LMDB, JSON Lines. Images are copied as they are, not encoded anew.",
    )
    parser.add_argument("source", help="annotation file, TFRecords, LMDB folder or JSON Lines")
    parser.add_argument("dest", help="what to write; images of lines go to a folder beside it")
    parser.add_argument("--to", choices=records.KINDS, help="kind; default by DEST's name")
    parser.add_argument(
        "--letter-case", choices=charset.LETTER_CASES, default="unchanged", help="of labels"
    )
    parser.add_argument("--encoding", default="auto", help="of labels; default UTF-8 or iso-8859-1")
    parser.add_argument(
        "--save-filename", action="store_true", help="TFRecords: keep image paths as comments"
    )
    parser.add_argument("--gzip", action="store_true", help="TFRecords: pack them")
    parser.add_argument(
        "--check-images",
        choices=images.LEVELS,
        default="header",
        help="how closely images are looked at: decode them, read their headers, or not at all",
    )
    parser.add_argument("--force", action="store_true", help="overwrite DEST")
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def _checked(args: argparse.Namespace, kind: str, report: Report) -> Iterator[records.Record]:
    """Yields the usable records, labels in the case asked for, with progress.

    Raises:
        AnnotationError: there is none.
    """
    began = shown = time.monotonic()
    total, done = records.count(args.source, kind, args.encoding), 0
    for record in records.read(args.source, kind, report, args.encoding):
        if args.check_images != "exists":
            try:
                name = record.comment or f"record {record.number}"
                images.check_bytes(record.image, name, args.check_images)
            except ImageError as error:
                report.note("broken_image", record.number, str(error))
                continue
        yield dataclasses.replace(record, label=charset.apply_case(record.label, args.letter_case))
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            left = (shown - began) / report.lines * (total - report.lines)
            print(f"{report.lines} of {total}, {left:.0f} s left", file=sys.stderr)
        done += 1
    if not done:
        report.check(max_rejected=1.0)  # raises, and nothing is written


def convert(args: argparse.Namespace) -> int:
    """Converts; returns the exit code.

    Raises:
        ConfigError: source and destination are the same.
        AnnotationError: no record of the source can be used.
    """
    if storage.absolute(args.source) == storage.absolute(args.dest):
        raise ConfigError(f"{args.dest} is the source; give another name")
    kind = records.sniff(args.source)
    to = args.to or writing.kind_by_name(args.dest)
    report = Report(args.source, policies(None, testing=False))
    report.kept = writing.write(
        to,
        args.dest,
        _checked(args, kind, report),
        comments=args.save_filename,
        packed=args.gzip,
        force=args.force,
    )
    print(report.table())
    print(f"{args.dest}: {report.kept} records as {to}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return guarded(convert, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

"""``aocr dataset ANNOTATIONS OUTPUT``: TFRecords from an annotation file. Needs no PyTorch."""

import argparse
import dataclasses
from collections.abc import Iterator

from aocr_plugin import annotations, images, storage
from aocr_plugin.cli.aocr.native import announce, tool_line
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.event_log import EventLog
from aocr_plugin.formats import records, writing
from aocr_plugin.sifting import Report, policies


def _pairs(args: argparse.Namespace, report: Report, log: EventLog) -> Iterator[records.Record]:
    """Yields the records to write; tells how far it is in the original's words.

    Raises:
        AnnotationError: there is none.
    """
    longest, done = "", 0
    for record in records.read(args.annotations_path, "annotations", report):
        try:
            images.check_bytes(record.image, str(record.comment), "header")
        except ImageError as error:
            report.note("broken_image", record.number, str(error))
            continue
        label = record.label.upper() if args.force_uppercase else record.label
        longest = max(longest, label, key=len)
        yield dataclasses.replace(record, label=label)
        done += 1
        if done % args.log_step == 0:
            log.write(f"Processed {done} pairs.", "dataset", pairs=done)
    if not done:
        report.kept = 0
        report.check(max_rejected=1.0)  # raises, and nothing is written
    log.write(f"Dataset is ready: {done} pairs.", "dataset", pairs=done)
    log.write(f"Longest label ({len(longest)}): {longest}", "dataset", longest=longest)


def _check_output(args: argparse.Namespace) -> None:
    """Refuses to write over anything but TFRecords, which the original overwrites too.

    Raises:
        ConfigError: something else has that name.
    """
    out = args.output_path
    if not storage.exists(out):
        return
    if storage.kind(out) != "file" or records.sniff(out) != "tfrecords":
        raise ConfigError(f"{out} exists and is no TFRecord file; give another name for the output")


def run(args: argparse.Namespace) -> int:
    """Writes the TFRecords; returns the exit code.

    Raises:
        AnnotationError: the annotation file cannot be read, or none of its images.
        ConfigError: the output is there already and no TFRecord file.
    """
    _check_output(args)
    words = [args.annotations_path, args.output_path, "--to", "tfrecords", "--force"]
    words += ["--letter-case", "upper"] if args.force_uppercase else []
    words += ["--save-filename"] if args.save_filename else []
    announce(tool_line("convert_dataset", words))
    annotations.text(args.annotations_path)  # a file that cannot be read fails before any log
    log = EventLog(args.log_path)
    log.write(f"Building a dataset from {args.annotations_path}.", "dataset")
    log.write(f"Output file: {args.output_path}", "dataset", file=args.output_path)
    report = Report(args.annotations_path, policies(None, testing=False))
    report.kept = writing.write(
        "tfrecords",
        args.output_path,
        _pairs(args, report, log),
        comments=args.save_filename,
        force=True,
    )
    if report.rejected:
        log.write(report.table(), "dataset", level="WARNING", rejected=dict(report.counts))
    log.close()
    return 0

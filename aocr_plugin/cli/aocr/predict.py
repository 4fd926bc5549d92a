"""``aocr predict``: file names on standard input, ``Result: OK. 0.98 TEXT`` out."""

import argparse
import io
import sys
from collections.abc import Iterator
from typing import Any

from aocr_plugin.cli.aocr import checkpoints
from aocr_plugin.cli.aocr.native import announce, choose_gpu, tool_line
from aocr_plugin.cli.common import EXIT_USER_ERROR, calm_threads
from aocr_plugin.errors import ImageError
from aocr_plugin.event_log import EventLog
from aocr_plugin.inference.sources import as_they_come, expand, read_list

_AT_ONCE = 32  # images


def _names(args: argparse.Namespace) -> Iterator[str]:
    """Yields the files given, or those named on standard input; what is not there too."""
    if not args.files:
        yield from read_list(sys.stdin)
    for source in args.files:
        try:
            yield from expand(source)
        except ImageError:
            yield source  # the recogniser says what is wrong, in its turn


def _report_failure(name: str | None, reason: str, log: EventLog) -> None:
    """Prints the original's line for a file that cannot be read, and why."""
    line = f"Result: error while opening file {name}."
    print(line, flush=True)
    log.write(f"{line} {reason}", "prediction", level="ERROR", file=name, error=reason)


def run(args: argparse.Namespace) -> int:
    """Reads the images; returns 2 if any of them could not be read."""
    calm_threads()
    choose_gpu(args.gpu_id)
    for stream in (sys.stdin, sys.stdout):  # names of files may be any bytes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    checkpoint = checkpoints.find(args)
    checkpoints.describe(args, checkpoint)
    announce(tool_line("predict", [checkpoint, *(args.files or ["-"])]))

    from aocr_plugin.inference.recognizer import Recognizer

    recognizer = Recognizer(checkpoint, views=1)
    log = EventLog(args.log_path, echo=False)
    failures: list[str] = []
    for batch in as_they_come(_names(args), _AT_ONCE):
        for found in recognizer(batch, errors="return"):
            if found.error is not None:
                failures.append(str(found.source))
                _report_failure(found.source, found.error, log)
                continue
            score = found.score
            if args.strict and found.aocr_probability is not None:
                score = found.aocr_probability
            line = f"Result: OK. {score:.2f} {found.text}"
            print(line, flush=True)
            exact: dict[str, Any] = {
                "probability": score,
                "aocr_probability": found.aocr_probability,
            }
            log.write(line, "prediction", **(exact | found.to_dict()))
    log.close()
    return EXIT_USER_ERROR if failures else 0

"""Reads images: ``tools/predict.py CHECKPOINT FILE|DIR|GLOB|- …``."""

import argparse
import io
import json
import sys
from collections.abc import Iterator
from typing import TextIO

from aocr_plugin.cli.common import EXIT_USER_ERROR, add_traceback_flag, calm_threads, guarded
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.sources import as_they_come, expand, read_list


def _positive(text: str) -> int:
    """Returns a whole number above 0; argparse prints the error."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Reads the text in images. Everything else is in the checkpoint.",
    )
    parser.add_argument("checkpoint", help="checkpoint of tools/train.py, e.g. best.pth")
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="FILE|DIR|GLOB|-",
        help="images; - reads file names from standard input, one a line",
    )
    parser.add_argument(
        "--format",
        choices=["plain", "jsonl"],
        default="plain",
        help="plain: FILE, TEXT, SCORE and character scores between tabs; jsonl: a JSON object "
        "a line",
    )
    parser.add_argument("--output", help="write here instead of to standard output")
    parser.add_argument("--batch-size", type=_positive, default=32, help="images at once (32)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 …; default a GPU if there is one")
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def _files(sources: list[str], failures: list[str]) -> Iterator[str]:
    """Yields all files of all sources; what is not there is noted and passed over."""
    for source in sources:
        if source == "-":
            yield from read_list(sys.stdin)
            continue
        try:
            yield from expand(source)
        except ImageError as error:
            failures.append(str(error))
            print(f"error: {error}", file=sys.stderr)


def _open(path: str) -> TextIO:
    """Opens the output.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        return open(path, "w", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"--output {path}: cannot be written ({error.strerror})") from error


def predict(args: argparse.Namespace) -> int:
    """Reads all sources; returns 2 if any image could not be read."""
    from aocr_plugin.inference.recognizer import Prediction, Recognizer

    for stream in (sys.stdin, sys.stdout):  # names of files may be any bytes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    recognizer = Recognizer(args.checkpoint, device=args.device, batch_size=args.batch_size)
    failures: list[str] = []
    files = _files(args.sources, failures)
    out = _open(args.output) if args.output else sys.stdout

    def line(prediction: Prediction) -> str:
        if args.format == "jsonl":
            return json.dumps(prediction.to_dict(), ensure_ascii=False)
        if prediction.error is not None:
            return f"{prediction.source}\t\t0\terror"
        scores = " ".join(f"{score:.4f}" for score in prediction.char_scores)
        return f"{prediction.source}\t{prediction.text}\t{prediction.score:.4f}\t{scores}"

    try:
        for chunk in as_they_come(files, args.batch_size * 8):
            for prediction in recognizer(chunk, errors="return"):
                if prediction.error is not None:
                    failures.append(prediction.error)
                    print(f"error: {prediction.error}", file=sys.stderr)
                print(line(prediction), file=out, flush=True)
    finally:
        if args.output:
            out.close()
    return EXIT_USER_ERROR if failures else 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(predict, parse_args, argv)

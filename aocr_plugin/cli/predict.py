"""Reads images: ``tools/predict.py CHECKPOINT FILE|DIR|GLOB|- …``."""

import argparse
import io
import json
import sys
from collections.abc import Iterator
from typing import TextIO

from aocr_plugin.cli.common import (
    EXIT_USER_ERROR,
    add_traceback_flag,
    add_views_flag,
    calm_threads,
    guarded,
)
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.sources import as_they_come, expand, read_list
from aocr_plugin.plain_json import without_nan


def _positive(text: str) -> int:
    """Returns a whole number above 0; argparse prints the error."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def _length(text: str) -> int | tuple[int, int]:
    """Returns a length, or the two ends of a range; argparse prints the error."""
    bounds = text.split("-")
    if len(bounds) > 2 or not all(bound.isdigit() for bound in bounds):
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number nor a range such as 5-8")
    return int(text) if len(bounds) == 1 else (int(bounds[0]), int(bounds[1]))


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Reads the text in images. Everything else is in the checkpoint.",
    )
    parser.add_argument(
        "checkpoint",
        help="checkpoint of tools/train.py, e.g. best.pth, an export of it, or 'english', the "
        "recogniser that comes along",
    )
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
        help="plain: FILE, TEXT, SCORE and character scores between tabs, then TEXT and SCORE of "
        "each further of the N best; jsonl: a JSON object a line",
    )
    parser.add_argument("--output", help="write here instead of to standard output")
    parser.add_argument("--batch-size", type=_positive, default=32, help="images at once (32)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 …; default a GPU if there is one")
    parser.add_argument(
        "--runtime",
        choices=["pytorch", "onnxruntime", "openvino"],
        help="default: PyTorch for a checkpoint, ONNX Runtime for .onnx, OpenVINO for .xml",
    )
    parser.add_argument(
        "--precision",
        choices=["fp32", "bf16", "fp16"],
        help="what to compute in: bf16 in PyTorch and OpenVINO, fp16 in OpenVINO; default: fp32, "
        "of an export what it was compared in",
    )
    parser.add_argument(
        "--vertical",
        action="store_true",
        help="read images at least 1.5 times taller than wide turned to either side too, those at "
        "least 3 times taller so alone; the surest reading counts, jsonl has its turn",
    )
    add_views_flag(parser)
    _add_text_flags(parser)
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def _add_text_flags(parser: argparse.ArgumentParser) -> None:
    """Adds what is asked of the texts."""
    group = parser.add_argument_group(
        "what is asked of the texts",
        "Any of these but --score means beam search, of width 5 if --beam is not given.",
    )
    group.add_argument("--beam", type=int, metavar="K", help="width of the beam; 0 is greedy")
    group.add_argument("--nbest", type=_positive, metavar="N", help="texts wanted of each image")
    group.add_argument("--allowed", metavar="CHARS", help="the only characters there may be")
    group.add_argument("--pattern", metavar="REGEX", help="what the whole text must match")
    group.add_argument(
        "--length", type=_length, metavar="N|MIN-MAX", help="number of characters, e.g. 7 or 5-8"
    )
    group.add_argument(
        "--score",
        choices=["product", "geometric", "minimum"],
        help="of the characters' and the end's probabilities: their product, the probability of "
        "the whole text (default), their geometric mean, or the least",
    )


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
    recognizer = Recognizer(
        args.checkpoint,
        device=args.device,
        batch_size=args.batch_size,
        beam=args.beam,
        nbest=args.nbest,
        allowed=args.allowed,
        pattern=args.pattern,
        length=args.length,
        score=args.score,
        runtime=args.runtime,
        precision=args.precision,
        vertical=args.vertical,
        views=args.views,
    )
    failures: list[str] = []
    files = _files(args.sources, failures)
    out = _open(args.output) if args.output else sys.stdout

    def line(prediction: Prediction) -> str:
        if args.format == "jsonl":
            return json.dumps(without_nan(prediction.to_dict()), ensure_ascii=False)
        if prediction.error is not None:
            return f"{prediction.source}\t\t0\terror"
        scores = " ".join(f"{score:.4f}" for score in prediction.char_scores)
        others = "".join(f"\t{text}\t{score:.4f}" for text, score, _ in prediction.nbest[1:])
        return f"{prediction.source}\t{prediction.text}\t{prediction.score:.4f}\t{scores}{others}"

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


if __name__ == "__main__":
    sys.exit(main())

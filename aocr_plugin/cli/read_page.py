"""Reads whole pages: ``tools/read_page.py PHOTO|DIR|GLOB … --model MODEL``."""

import argparse
import dataclasses
import io
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aocr_plugin import weights
from aocr_plugin.atomic import write_atomically
from aocr_plugin.cli.common import (
    EXIT_USER_ERROR,
    add_traceback_flag,
    add_views_flag,
    calm_threads,
    guarded,
    whole_from,
)
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.sources import expand
from aocr_plugin.plain_json import without_nan


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="read_page.py",
        description="Finds and reads the text on pages. Prints it, and writes NAME.json and "
        "NAME.png, the page with what was found drawn in, for each.",
    )
    parser.add_argument("pages", nargs="+", metavar="PHOTO|DIR|GLOB", help="images of pages")
    parser.add_argument(
        "--model",
        default=weights.DEFAULT,
        help="of the recogniser: .pth, .onnx or .xml; default: the one that comes along, for "
        "English words",
    )
    parser.add_argument("--out", default="read", metavar="DIR", help="folder to write to (read)")
    parser.add_argument("--json", action="store_true", help="print JSON, a page a line, not text")
    parser.add_argument(
        "--detector",
        default="rapidocr",
        metavar="rapidocr|CONFIG",
        help="what finds the text; a config of MMOCR's needs --detector-weights",
    )
    parser.add_argument("--detector-weights", metavar="FILE", help="of a detector of MMOCR's")
    parser.add_argument("--columns", type=whole_from(1), default=1, help="of a page (1)")
    parser.add_argument("--margin", type=float, default=0.0, help="around regions, in heights (0)")
    parser.add_argument(
        "--turn",
        type=int,
        choices=(0, 90, 180, 270),
        help="degrees to the left that make pages upright; default: found out where text is "
        "mostly vertical, else 0",
    )
    add_views_flag(parser)
    parser.add_argument("--font", metavar="FILE", help="TrueType file for the texts in NAME.png")
    parser.add_argument("--device", help="of the recogniser: cpu, cuda, cuda:1 …")
    add_traceback_flag(parser)
    args = parser.parse_args(argv)
    if (args.detector == "rapidocr") != (args.detector_weights is None):
        parser.error("--detector CONFIG and --detector-weights FILE go together")
    return args


def _files(sources: list[str], failures: list[str]) -> list[str]:
    """Returns all files of all sources; what is not there is noted and passed over."""
    found: list[str] = []
    for source in sources:
        try:
            found += expand(source)
        except ImageError as error:
            _fail(str(error), failures)
    return found


def _fail(message: str, failures: list[str]) -> None:
    failures.append(message)
    print(f"error: {message}", file=sys.stderr)


def targets(files: list[str], folder: Path, numbers: Sequence[int | None] = ()) -> list[Path]:
    """Returns the path without suffix for each page; equal names get -2, -3 and so on.

    Args:
        files: of each page.
        folder: to write to.
        numbers: of each page in a file of several, from 1; None is a file of one.

    Raises:
        ConfigError: a picture would overwrite a page.
    """
    sources = {Path(file).resolve() for file in files}
    taken: set[str] = set()
    found = []
    for file, page in zip(files, numbers or [None] * len(files), strict=True):
        stem = Path(file).stem + (f"-page{page}" if page else "")
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        if (folder / f"{name}.png").resolve() in sources:
            raise ConfigError(f"--out {folder}: {name}.png would overwrite a page; take another")
        found.append(folder / name)
    return found


def read_pages(args: argparse.Namespace) -> int:
    """Reads all pages; returns 2 if any could not be read."""
    import cv2

    from aocr_plugin.reading.drawing import annotate
    from aocr_plugin.reading.loading import count, load
    from aocr_plugin.reading.reader import Reader

    for stream in (sys.stdout, sys.stderr):  # names of files may be any bytes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    failures: list[str] = []
    files, numbers = [], []
    for file in _files(args.pages, failures):
        pages = count(file)
        files += [file] * pages
        numbers += [*range(1, pages + 1)] if pages > 1 else [None]
    folder = Path(args.out)
    names = targets(files, folder, numbers)
    detector = args.detector
    if args.detector_weights:
        detector = (args.detector, args.detector_weights)
    reader = Reader(
        args.model,
        detector,
        columns=args.columns,
        margin=args.margin,
        turn=args.turn,
        device=args.device,
        views=args.views,
    )
    begun = time.monotonic()
    for number, (file, name) in enumerate(zip(files, names, strict=True), 1):
        one = numbers[number - 1]
        try:
            pixels = load(file, (one or 1) - 1)
        except ImageError as error:
            _fail(str(error), failures)
            continue
        page = dataclasses.replace(reader.read(pixels, file), page=one)
        title = f"{file}, page {one}" if one else file
        record = json.dumps(without_nan(page.to_dict()), ensure_ascii=False)
        _write(f"{record}\n".encode("utf-8", "surrogateescape"), f"{name}.json")
        picture = annotate(pixels, page, args.font)
        _write(cv2.imencode(".png", picture)[1].tobytes(), f"{name}.png")
        if args.json:
            print(record, flush=True)
        else:
            print("\n".join([*([f"{title}:"] if len(files) > 1 else []), page.text]), flush=True)
        if len(files) > 1:
            left = (time.monotonic() - begun) / number * (len(files) - number)
            print(
                f"{number} of {len(files)} pages: {title}, {len(page.regions)} regions; "
                f"about {left:.0f} s left",
                file=sys.stderr,
            )
    return EXIT_USER_ERROR if failures else 0


def _write(data: bytes, path: str) -> None:
    """Writes a file.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        write_atomically(data, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(read_pages, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

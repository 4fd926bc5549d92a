"""Draws labelled images into a data set: ``tools/synthesize.py OUT --count N``. No PyTorch."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from aocr_plugin import charset
from aocr_plugin.cli.common import add_traceback_flag, guarded, whole_from
from aocr_plugin.errors import ConfigError
from aocr_plugin.formats import records as formats
from aocr_plugin.formats import writing
from aocr_plugin.formats.record import Record
from aocr_plugin.synthesis import styles, text_kinds, texts, writer
from aocr_plugin.synthesis.settings import text_settings
from aocr_plugin.synthesis.synthesizer import Synthesizer


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="synthesize.py",
        description="Draws labelled images of texts. Every image comes from the seed and its index "
        "alone: with the same fonts and versions of the libraries the same command writes the same "
        "files, with any number of workers. Nothing stands under OUT until all is written.",
    )
    parser.add_argument("out", help="annotation file, .tfrecords, .lmdb or .jsonl to write")
    parser.add_argument("--to", choices=formats.KINDS, help="kind of data set; default by OUT")
    parser.add_argument("--count", type=whole_from(1), default=1000, help="images (%(default)s)")
    parser.add_argument(
        "--style",
        action="append",
        metavar="NAME[=SHARE]",
        help=f"{', '.join(styles.NAMES)}; may be given several times, with shares (scene)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the set (%(default)s)")
    parser.add_argument(
        "--part", default="training", help="parts share no image, whatever the seed (%(default)s)"
    )
    parser.add_argument(
        "--first", type=whole_from(0), default=0, help="index to begin at, to enlarge a set (0)"
    )
    parser.add_argument(
        "--workers",
        type=whole_from(0),
        default=os.cpu_count() or 1,
        help="processes; 0: this one (%(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    parser.add_argument("--sheet", metavar="PNG", help="also draw the first images on a sheet")
    look = parser.add_argument_group("images")
    look.add_argument("--height", type=whole_from(8), help="of all; default as the style has them")
    look.add_argument("--max-width", type=whole_from(16), default=640, help="(%(default)s)")
    look.add_argument("--gray", action="store_true", help="one channel")
    look.add_argument("--contrast", type=float, default=32.0, help="ink to ground, least (32)")
    look.add_argument(
        "--encoding",
        choices=writer.ENCODINGS,
        default="png",
        help="(%(default)s); bmp is twice as large and read in a tenth of the time",
    )
    look.add_argument("--quality", type=int, default=90, help="of JPEGs (%(default)s)")
    look.add_argument("--fonts", nargs="+", metavar="PATH", help="folders or files of fonts")
    text = parser.add_argument_group("texts (default: as the style has them)")
    text.add_argument("--charset", help="'chars:ABC', 'file:PATH', " + ", ".join(charset.NAMED))
    text.add_argument(
        "--words",
        nargs="+",
        metavar="FILE",
        help="lists of words, one a line; or 'common', or 'english', 'rare' of fetch_fonts.py",
    )
    kinds, cases = ", ".join(text_kinds.KINDS), ", ".join(texts.CASES)
    text.add_argument("--kinds", nargs="+", metavar="KIND=SHARE", help=kinds)
    text.add_argument("--cases", nargs="+", metavar="CASE=SHARE", help=cases)
    text.add_argument("--punctuation", type=float, help="share of texts with a mark")
    for name in ("--min-length", "--max-length"):
        text.add_argument(name, type=whole_from(1), help="characters")
    text.add_argument("--mean-length", type=float, help="characters in the mean")
    text.add_argument("--length-spread", type=float, help="standard deviation, with --mean-length")
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def shares(words: Iterable[str], flag: str) -> dict[str, float]:
    """Returns the share of each name from words such as ``upper=0.5``; without one it is 1.

    Raises:
        ConfigError: a share is no number.
    """
    found: dict[str, float] = {}
    for word in words:
        name, _, share = word.partition("=")
        try:
            found[name] = float(share or 1)
        except ValueError as error:
            raise ConfigError(f"{flag} {word}: give NAME=SHARE, such as {name}=0.5") from error
    return found


def _text_changes(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings of texts that the command line names."""
    names = ("words", "punctuation", "min_length", "max_length", "mean_length", "length_spread")
    changes = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    for name in ("kinds", "cases"):
        if getattr(args, name):
            changes[name] = shares(getattr(args, name), f"--{name}")
    if args.charset:
        changes["charset"] = charset.resolve(args.charset)
    return changes


def _shown(found: Iterator[Record], count: int) -> Iterator[Record]:
    """Passes records on and says every five seconds how far they are."""
    began = shown = time.monotonic()
    for number, record in enumerate(found, start=1):
        yield record
        if time.monotonic() - shown > 5:
            shown = time.monotonic()
            left = (shown - began) / number * (count - number)
            print(f"{number} of {count}, {left:.0f} s left", file=sys.stderr)


def synthesize(args: argparse.Namespace) -> int:
    """Draws and writes; returns the exit code.

    Raises:
        ConfigError: a setting is wrong, or OUT exists or cannot be written.
        FontError: no usable font.
    """
    kind = args.to or writing.kind_by_name(args.out)
    changes = _text_changes(args)
    synthesizer = Synthesizer(
        shares(args.style or ["scene"], "--style"),
        texts=lambda base: text_settings(base, changes),
        fonts=args.fonts,
        height=args.height,
        max_width=args.max_width,
        color=not args.gray,
        contrast=args.contrast,
    )
    job = writer.Job(
        synthesizer,
        seed=args.seed,
        first=args.first,
        count=args.count,
        part=args.part,
        encoding=args.encoding,
        quality=args.quality,
    )
    began = time.monotonic()
    found = _shown(writer.records(job, min(args.workers, -(-args.count // 64))), args.count)
    try:
        written = writing.write(kind, args.out, found, comments=True, force=args.force)
    except OSError as error:
        raise ConfigError(f"{args.out}: cannot be written ({error.strerror or error})") from error
    rate = written / (time.monotonic() - began)
    fonts = synthesizer.fonts
    print(
        f"{args.out}: {written} images as {kind}, {rate:.0f} a second; seed {args.seed}, part "
        f"{args.part}, {len(fonts)} fonts (set {fonts.fingerprint})"
    )
    if args.sheet:
        from aocr_plugin.visualization.labelled_sheet import draw_labelled_sheet

        first = (job.draw(args.first + step) for step in range(min(args.count, 120)))
        draw_labelled_sheet({args.out: first}, args.sheet)
        print(f"{args.sheet}: the first {min(args.count, 120)} of them")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return guarded(synthesize, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

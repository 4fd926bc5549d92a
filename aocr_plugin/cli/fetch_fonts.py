"""Fetches free fonts and words for made-up images: ``tools/fetch_fonts.py``. No PyTorch."""

import argparse
import sys
from pathlib import Path

from aocr_plugin.cli.common import add_traceback_flag, guarded
from aocr_plugin.errors import FontError
from aocr_plugin.synthesis import fetching, font_packages, fonts


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="fetch_fonts.py",
        description="Fetches free fonts with Latin letters from Debian's and npm's packages, and "
        "lists of English words from Debian's, into a folder where tools/synthesize.py finds them; "
        "no root is needed and nothing is installed. "
        "licences.tsv in the folder says under which licence each comes.",
    )
    parser.add_argument("--dir", default=str(fonts.OWN_FOLDER), help="where to (%(default)s)")
    parser.add_argument("--no-debian", action="store_true", help="leave Debian's out")
    parser.add_argument("--no-npm", action="store_true", help="leave npm's out")
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def fetch(args: argparse.Namespace) -> int:
    """Fetches; returns the exit code.

    Raises:
        FontError: nothing could be fetched.
    """
    folder = Path(args.dir).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[fetching.Row] = []
    words: list[fetching.Row] = []
    if not args.no_debian:
        rows += fetching.fetch_debian(font_packages.DEBIAN, folder, print)
        for name, package in font_packages.WORDS.items():
            target = folder / fonts.OWN_WORDS / f"{name}.txt"
            words += fetching.fetch_words(package, target, print)
    if not args.no_npm:
        rows += fetching.fetch_npm(font_packages.NPM, folder, print)
    if not rows:
        raise FontError("no package could be fetched: is there a network, are there mirrors?")
    table = fetching.write_licences([*rows, *words], folder)
    print(f"{folder}: {sum(row[3] for row in rows)} fonts of {len(rows)} packages; {table}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return guarded(fetch, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

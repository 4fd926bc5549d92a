"""``aocr``: the original's commands on top of this project's tools. Starts without PyTorch."""

import argparse
import importlib
import sys

from aocr_plugin import lazy_packages
from aocr_plugin.cli.aocr import flags
from aocr_plugin.cli.common import guarded
from aocr_plugin.version import __version__

_COMMANDS = {
    "dataset": (flags.add_dataset_flags, "make TFRecords from an annotation file"),
    "train": (flags.add_train_flags, "train, or go on training"),
    "test": (flags.add_test_flags, "measure on a data set, image by image"),
    "export": (flags.add_export_flags, "write a TensorFlow SavedModel or frozen graph"),
    "predict": (flags.add_predict_flags, "read images named on standard input"),
    "stats": (flags.add_stats_flags, "describe a data set and what the settings would reject"),
    "check": (flags.add_check_flags, "decode every image and list the bad ones"),
}
_CONVERT = "turn a TensorFlow checkpoint into one of ours (aocr convert --help)"


def _command_first(words: list[str]) -> list[str]:
    """Moves flags that stand before the command behind it.

    Releases of the original before 0.7 took most flags there, and scripts still have them.
    """
    place = next((i for i, word in enumerate(words) if word in _COMMANDS), 0)
    if place and words[0].startswith("-"):
        return [words[place], *words[:place], *words[place + 1 :]]
    return words


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="aocr",
        description="Attention-based text recognition: the original aocr's commands and flags. "
        "Each model command prints the line of the project's own tools that does the same.",
        epilog="'aocr COMMAND --help' shows a command's flags.",
    )
    parser.add_argument("--version", action="version", version=f"aocr_plugin {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (add_flags, summary) in _COMMANDS.items():
        add_flags(commands.add_parser(name, help=summary, description=summary.capitalize() + "."))
    commands.add_parser("convert", help=_CONVERT, add_help=False)
    return parser.parse_args(_command_first(sys.argv[1:] if argv is None else argv))


def _run(args: argparse.Namespace) -> int:
    """Runs a command; only its own module is imported."""
    module = importlib.import_module(f"aocr_plugin.cli.aocr.{args.command}")
    code: int = module.run(args)
    return code


def main(argv: list[str] | None = None) -> int:
    """Entry point of the command ``aocr``; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["convert"]:
        from aocr_plugin.cli import convert

        return convert.main(words[1:], prog="aocr convert")
    return guarded(_run, parse_args, argv)


def command() -> int:
    """The command ``aocr`` as a program of its own, of which only ``predict`` reads alone."""
    if sys.argv[1:2] == ["predict"]:
        lazy_packages.install()
    return main()


if __name__ == "__main__":
    sys.exit(command())

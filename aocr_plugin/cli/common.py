"""What the command line tools share: errors without a traceback, config options."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aocr_plugin.errors import AOCRError, ConfigError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


def calm_threads() -> None:
    """Lets OpenMP's idle threads sleep soon instead of spinning; call before PyTorch is imported.

    PyTorch's CPU wheels use libgomp, whose threads spin for milliseconds at every barrier. Where
    another process wants a core too (a data worker, a second training), a step then takes ten
    times as long. Sleeping at once costs as well: waking takes longer than most of a step's
    operations. This many turns are about a tenth of a millisecond. A value in the environment is
    respected.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")


def add_traceback_flag(parser: argparse.ArgumentParser) -> None:
    """Adds ``--traceback``."""
    parser.add_argument(
        "--traceback", action="store_true", help="show where in the code an error was raised"
    )


def add_views_flag(parser: argparse._ActionsContainer) -> None:
    """Adds ``--views``."""
    parser.add_argument(
        "--views",
        type=int,
        choices=range(1, 7),
        help="readings that an image may take: one whose first scores below 0.9 is read again "
        "framed, stretched and shifted, and the best score counts; default: 6 with the recogniser "
        "that comes along, 1 with others",
    )


def whole_from(least: int) -> Callable[[str], int]:
    """Returns a parser of whole numbers from ``least`` on; argparse prints its error."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number from {least} on")
        return number

    return parse


def guarded(
    main: Callable[[argparse.Namespace], int],
    parse_args: Callable[[list[str] | None], argparse.Namespace],
    argv: list[str] | None,
) -> int:
    """Runs a command and returns its exit code.

    A user's error is one message on standard error and exit code 2; anything unforeseen is a
    message that says how to see where it comes from, and exit code 1. Ctrl-C is exit code 130,
    wherever it comes: MMEngine turns one that comes while it formats a config into another error.
    """
    words = sys.argv[1:] if argv is None else argv
    try:
        try:
            args = parse_args(argv)
        except ValueError as error:  # MMEngine's DictAction at a word without '='
            raise ConfigError(f"--cfg-options takes KEY=VALUE: {error}") from error
        except RecursionError as error:  # MMEngine's DictAction at a list of dicts
            raise ConfigError(
                "--cfg-options takes numbers, words and lists of them; a dict belongs in a config "
                "file that has this one as its base"
            ) from error
        return main(args)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        if "--traceback" in words:
            traceback.print_exc()
        if comes_from_ctrl_c(error):
            message, code = "interrupted", EXIT_INTERRUPTED
        elif isinstance(error, AOCRError):
            message, code = f"error: {error}", EXIT_USER_ERROR
        else:
            message = f"error: {type(error).__name__}: {error} (--traceback shows where)"
            code = 1
        print(message, file=sys.stderr)
        return code


def comes_from_ctrl_c(error: BaseException) -> bool:
    """Whether an error is Ctrl-C's, or arose while Ctrl-C's was handled."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, KeyboardInterrupt):
        link = link.__cause__ or link.__context__
    return link is not None


def load_config(path: str, options: dict[str, Any] | None = None) -> Any:
    """Loads a config file and merges ``--cfg-options`` into it.

    Raises:
        ConfigError: the file is missing or broken, or a base of it is.
    """
    from mmengine.config import Config

    if not Path(path).is_file():
        raise ConfigError(f"{path}: no such config file")
    try:
        cfg = Config.fromfile(path)
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        raise ConfigError(f"{path}: cannot be loaded: {type(error).__name__}: {error}") from error
    if options:
        try:
            cfg.merge_from_dict(options)
        except (KeyError, TypeError, IndexError) as error:
            raise ConfigError(f"--cfg-options: {error}") from error
    return cfg

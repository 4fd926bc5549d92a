"""Finds the checkpoint that ``aocr test``, ``predict`` and ``export`` use."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from aocr_plugin import storage
from aocr_plugin.cli.aocr import settings
from aocr_plugin.errors import CheckpointError

_BEST, _CONVERTED = "best.pth", "converted.pth"


def holds_tensorflows(folder: str) -> bool:
    """Whether a model folder has a checkpoint of the original in it."""
    return not storage.is_remote(folder) and any(Path(folder).glob("*.index"))


_NOT_IN_SHAPES = ("max_width", "max_height", "max_prediction")


def _has_flags(path: Path, args: argparse.Namespace) -> bool:
    """Whether an earlier conversion was given the flags that only the user knows."""
    from aocr_plugin.engine import checkpoint_file

    try:
        described = checkpoint_file.description(checkpoint_file.load(path), path)
    except CheckpointError:
        return False
    flags = settings.described_flags(described)
    return all(flags.get(name) == getattr(args, name) for name in _NOT_IN_SHAPES)


def convert_originals(args: argparse.Namespace) -> Path:
    """Converts the TensorFlow checkpoint in the model folder, by the flags given.

    A conversion of an earlier call is used again while it is newer than what it came from and
    was given the same flags.
    """
    from aocr_plugin.cli import convert

    folder = Path(args.model_dir)
    out = folder / _CONVERTED
    newest = max(path.stat().st_mtime for path in folder.glob("*.index"))
    if out.exists() and out.stat().st_mtime > newest and _has_flags(out, args):
        return out
    words = [str(folder), str(out), "--force"]
    for name in _NOT_IN_SHAPES:
        words += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    print(f"{folder} holds a TensorFlow checkpoint; converting it", file=sys.stderr)
    with contextlib.redirect_stdout(sys.stderr):
        code = convert.main(words, prog="aocr convert")
    if code:
        raise CheckpointError(f"{folder}: its TensorFlow checkpoint could not be converted")
    return out


def find(args: argparse.Namespace) -> str:
    """Returns the checkpoint: the one given, or the best or else latest of the model folder.

    With ``--strict`` it is the latest, as in the original. A folder that holds nothing but a
    TensorFlow checkpoint has it converted.

    Raises:
        CheckpointError: there is none.
    """
    if args.checkpoint:
        return str(args.checkpoint)
    from aocr_plugin.engine import checkpoint_file

    folder = str(args.model_dir).rstrip("/")
    best = f"{folder}/{_BEST}"
    if not args.strict and storage.exists(best):
        return best
    found = checkpoint_file.latest(folder)
    if found is not None:
        return str(found)
    if holds_tensorflows(folder):
        return str(convert_originals(args))
    raise CheckpointError(
        f"{folder}: no checkpoint in it; train one with 'aocr train', name another folder with "
        "--model-dir or a file with --checkpoint"
    )


def describe(args: argparse.Namespace, path: str) -> dict[str, Any]:
    """Returns a checkpoint's description; says which of the flags given it overrules.

    Raises:
        CheckpointError: unusable, or of another charset than ``--full-ascii`` asks for.
    """
    from aocr_plugin.engine import checkpoint_file

    described = checkpoint_file.description(checkpoint_file.load(path), path)
    differing = settings.disagreements(args, described, given_only=True)
    if differing:
        print(
            f"note: {path} was trained with {', '.join(differing)}, which counts, not the flag",
            file=sys.stderr,
        )
    return described

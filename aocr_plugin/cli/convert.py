"""Turns weights of the original into a checkpoint: ``tools/convert.py weights.npz OUT.pth``."""

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np

from aocr_plugin.cli.common import add_traceback_flag, guarded
from aocr_plugin.errors import CheckpointError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="convert.py",
        description="Converts weights that the original aocr trained. Sizes, layers, LSTM or GRU, "
        "colour and charset are read off the shapes; the three flags below are not in there.",
    )
    parser.add_argument(
        "weights", help="npz file: every TensorFlow variable by name, / or | between its parts"
    )
    parser.add_argument("out", help="checkpoint to write, .pth")
    parser.add_argument("--max-width", type=int, default=160, help="as when it was trained (160)")
    parser.add_argument("--max-height", type=int, default=60, help="likewise (60)")
    parser.add_argument("--max-prediction", type=int, default=8, help="likewise (8)")
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def convert(args: argparse.Namespace) -> int:
    """Converts and writes; returns the exit code."""
    import torch

    from aocr_plugin.atomic import write_atomically
    from aocr_plugin.conversion.checkpoint import to_checkpoint

    try:
        with np.load(args.weights, allow_pickle=False) as archive:
            variables = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise CheckpointError(f"{args.weights}: cannot be read as npz ({error})") from error
    checkpoint = to_checkpoint(
        variables,
        max_width=args.max_width,
        max_height=args.max_height,
        max_prediction=args.max_prediction,
    )
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    write_atomically(buffer.getvalue(), Path(args.out))
    print(f"{args.out}: {len(checkpoint['state_dict'])} tensors, no variable left over")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return guarded(convert, parse_args, argv)

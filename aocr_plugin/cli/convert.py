"""Turns weights of the original into ours: ``tools/convert.py model.ckpt-1000 OUT.pth``."""

import argparse
import functools
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aocr_plugin import charset, storage
from aocr_plugin.cli.aocr.native import find_config
from aocr_plugin.cli.common import add_traceback_flag, guarded, whole_from
from aocr_plugin.errors import CheckpointError


def parse_args(argv: list[str] | None = None, prog: str = "convert.py") -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Converts weights that the original aocr trained, without TensorFlow, and "
        "writes a matching config beside them. Sizes, layers, LSTM or GRU, colour and charset are "
        "read off the shapes; --max-width, --max-height and --max-prediction are not in there.",
    )
    parser.add_argument(
        "weights",
        help="TensorFlow checkpoint (prefix, one of its files, or the folder that holds it), or "
        "an npz file of every variable by name, with / or | between its parts",
    )
    parser.add_argument("out", help="checkpoint to write, NAME.pth; the config is NAME.py")
    parser.add_argument(
        "--max-width", type=whole_from(1), default=160, help="as when it was trained (160)"
    )
    parser.add_argument("--max-height", type=whole_from(1), default=60, help="likewise (60)")
    parser.add_argument("--max-prediction", type=whole_from(1), default=8, help="likewise (8)")
    parser.add_argument(
        "--tensorflow",
        type=int,
        choices=[1, 2],
        help="release whose resizing it was trained with; by default as the variables' names say",
    )
    parser.add_argument(
        "--charset",
        help="the characters in the network's order, if not the original's: 'file:PATH' (one a "
        f"line), 'chars:ABC', {', '.join(charset.NAMED)}",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    agree = parser.add_argument_group("need not be given; if given they must agree with the shapes")
    for flag in ("--use-gru", "--color", "--full-ascii"):
        agree.add_argument(flag, action="store_true")
    for flag in ("--attn-num-hidden", "--attn-num-layers", "--target-embedding-size"):
        agree.add_argument(flag, type=int)
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def read_variables(path: str) -> dict[str, NDArray[Any]]:
    """Reads a TensorFlow checkpoint or an npz file.

    Raises:
        CheckpointError: it cannot be read.
    """
    if not path.endswith(".npz"):
        from aocr_plugin.conversion.tensorflow_checkpoint import read_checkpoint

        return read_checkpoint(path)
    try:
        with np.load(io.BytesIO(storage.read_bytes(path)), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise CheckpointError(f"{path}: cannot be read as npz ({error})") from error


def _out_paths(args: argparse.Namespace) -> tuple[str, str]:
    """Returns the paths of checkpoint and config.

    Raises:
        CheckpointError: one would be overwritten, or the name does not end in .pth.
    """
    if not args.out.endswith(".pth"):
        raise CheckpointError(f"{args.out}: a checkpoint's name ends in .pth")
    paths = (args.out, args.out.removesuffix(".pth") + ".py")
    for path in paths:
        if storage.exists(path) and not args.force:
            raise CheckpointError(f"{path} exists; give another name, or --force to overwrite it")
    return paths


def convert(args: argparse.Namespace) -> int:
    """Converts and writes; returns the exit code."""
    from aocr_plugin.conversion import flags
    from aocr_plugin.conversion.config_text import config_text
    from aocr_plugin.conversion.tensorflow_names import convert as rename
    from aocr_plugin.conversion.tensorflow_names import written_by

    out, config = _out_paths(args)
    base = find_config("aocr_original.py")
    variables = read_variables(args.weights)
    _, sizes = rename(variables)
    flags.check(args, sizes)
    characters = flags.alphabet(sizes, args.charset)

    import torch

    from aocr_plugin.conversion.checkpoint import to_checkpoint
    from aocr_plugin.inference.model import build_model

    checkpoint = to_checkpoint(
        variables,
        max_width=args.max_width,
        max_height=args.max_height,
        max_prediction=args.max_prediction,
        charset=args.charset,
        tensorflow=args.tensorflow,
    )
    build_model(checkpoint["meta"]["aocr"]["model"], checkpoint["state_dict"], args.weights)
    broken = [n for n, t in checkpoint["state_dict"].items() if not bool(torch.isfinite(t).all())]
    if broken:
        raise CheckpointError(f"{args.weights}: not all numbers are finite in {', '.join(broken)}")
    buffer = io.BytesIO()
    torch.save(checkpoint, buffer)
    storage.write_bytes(out, buffer.getvalue())
    text = config_text(
        checkpoint["meta"]["aocr"],
        base=base,
        out=config,
        checkpoint=storage.absolute(out),
        source=Path(args.weights).name,
    )
    storage.write_bytes(config, text.encode())
    print(
        f"{args.weights}: {sizes.num_layers} {sizes.cell.upper()} layers of {sizes.hidden_size} "
        f"units, embedding of {sizes.embed_dims}, "
        f"{'gray' if sizes.in_channels == 1 else 'colour'} images, "
        f"{charset.describe_charset(characters.characters)}, trained "
        f"{checkpoint['meta']['iter']} steps under TensorFlow "
        f"{args.tensorflow or written_by(variables)}\n"
        f"{out}: {len(checkpoint['state_dict'])} tensors, no variable left over; images up to "
        f"{args.max_width} x {args.max_height}, texts up to {args.max_prediction} characters\n"
        f"{config}: its config; next: python tools/test.py {config} {out} "
        "--cfg-options test_dataloader.dataset.ann_file=ANNOTATIONS"
    )
    return 0


def main(argv: list[str] | None = None, prog: str = "convert.py") -> int:
    """Entry point; returns the exit code."""
    return guarded(convert, functools.partial(parse_args, prog=prog), argv)


if __name__ == "__main__":
    sys.exit(main())

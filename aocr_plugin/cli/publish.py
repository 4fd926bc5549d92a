"""Makes a checkpoint fit to be given away: ``tools/publish.py CHECKPOINT OUT``."""

import argparse
import hashlib
import io
import sys

from aocr_plugin import storage
from aocr_plugin.cli.common import add_traceback_flag, guarded
from aocr_plugin.errors import ConfigError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="publish.py",
        description="Writes a checkpoint with its weights and its description of the model alone: "
        "no optimiser, no state of the training, none of the config's paths. It still reads, "
        "tests, exports and serves as a start (--finetune), but cannot be resumed.",
    )
    parser.add_argument("checkpoint", help="of tools/train.py, e.g. best.pth")
    parser.add_argument("out", metavar="OUT", help="file or URL to write")
    parser.add_argument(
        "--half", action="store_true", help="weights in float16: half the size, read as float32"
    )
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def publish(args: argparse.Namespace) -> int:
    """Writes the file; prints its size and SHA-256; returns the exit code.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        ConfigError: OUT cannot be written.
    """
    import torch

    from aocr_plugin.engine import checkpoint_file

    loaded = checkpoint_file.load(args.checkpoint)
    described = checkpoint_file.description(loaded, args.checkpoint)
    weights = loaded["state_dict"]
    if args.half:
        weights = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in weights.items()
        }
    buffer = io.BytesIO()
    torch.save({"meta": {"aocr": described}, "state_dict": weights}, buffer)
    try:
        storage.write_bytes(args.out, buffer.getvalue())
    except OSError as error:
        raise ConfigError(f"{args.out}: cannot be written ({error.strerror})") from error
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    print(f"{args.out}: {len(buffer.getvalue()) / 1e6:.1f} MB, SHA-256 {digest}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    return guarded(publish, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

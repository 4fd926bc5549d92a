"""Exports a checkpoint for TensorFlow: ``tools/export_tensorflow.py CHECKPOINT DIR``."""

import argparse
import sys

from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="export_tensorflow.py",
        description="Writes a TensorFlow SavedModel or frozen graph with the original aocr's "
        "signature: image files' bytes in, text and probability out. It is compared with PyTorch "
        "before it is written.",
    )
    parser.add_argument("checkpoint", help="of a model of configs/aocr_original.py's kind")
    parser.add_argument("out_dir", help="folder to write")
    parser.add_argument("--format", choices=["savedmodel", "frozengraph"], default="savedmodel")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="probability is the product over all steps, as in the original",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="FILE|DIR|GLOB",
        help="compare on these too, beside images made on the spot; annotation files and "
        "TFRecords will do",
    )
    parser.add_argument(
        "--force", action="store_true", help="write to a folder that holds files, and over them"
    )
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def export(args: argparse.Namespace) -> int:
    """Exports; returns the exit code."""
    from aocr_plugin.export import savedmodel, tensorflow_files

    savedmodel.export(
        args.checkpoint,
        args.out_dir,
        fmt=args.format,
        strict=args.strict,
        images=args.images,
        force=args.force,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(f"{args.out_dir}/{tensorflow_files.FORMATS[args.format]}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(export, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

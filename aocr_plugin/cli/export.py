"""Exports a checkpoint for a runtime: ``tools/export.py CHECKPOINT FILE``."""

import argparse
import sys

from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded, whole_from


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="export.py",
        description="Writes a checkpoint's network for ONNX Runtime (FILE.onnx) or OpenVINO "
        "(FILE.xml), with all that is needed to use it. Nothing is written unless it reads as "
        "PyTorch does, in batches of 1, 2, 7 and 32.",
    )
    parser.add_argument("checkpoint", help="of tools/train.py")
    parser.add_argument("out", metavar="FILE", help="to write: .onnx, or .xml for OpenVINO")
    parser.add_argument(
        "--precision",
        choices=["fp32", "fp16", "bf16", "int8"],
        default="fp32",
        help="int8 is calibrated on --images; bf16 is for OpenVINO",
    )
    parser.add_argument(
        "--bytes",
        action="store_true",
        help="bytes in, text out: decoding and preprocessing are in the file too (.onnx)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="with --bytes: probability is the original's, the product over all steps",
    )
    parser.add_argument("--width", type=whole_from(1), help="the only width in pixels; else any")
    parser.add_argument("--batch", type=whole_from(1), help="the only batch; else any")
    parser.add_argument(
        "--max-length",
        type=whole_from(1),
        metavar="N",
        help="characters of the longest text; each costs time, needed or not, and longer texts "
        "are cut; default: what the checkpoint reads",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="FILE|DIR|GLOB",
        help="compare on these too, beside images made on the spot; annotation files and "
        "TFRecords will do",
    )
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    add_traceback_flag(parser)
    args = parser.parse_args(argv)
    if args.strict and not args.bytes:
        parser.error("--strict is for --bytes; a network's file gives probabilities of all steps")
    if args.bytes and (args.precision != "fp32" or args.width or args.batch):
        parser.error("--bytes takes no --precision, --width or --batch")
    return args


def export(args: argparse.Namespace) -> int:
    """Exports; returns the exit code."""

    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    common = {
        "max_length": args.max_length,
        "images": args.images,
        "force": args.force,
        "report": report,
    }
    if args.bytes:
        from aocr_plugin.export import one_file

        one_file.export(args.checkpoint, args.out, strict=args.strict, **common)
    else:
        from aocr_plugin.export import onnx_file

        onnx_file.export(
            args.checkpoint,
            args.out,
            precision=args.precision,
            width=args.width,
            batch=args.batch,
            **common,
        )
    print(args.out)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(export, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

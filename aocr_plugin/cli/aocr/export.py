"""``aocr export DIR``: a TensorFlow SavedModel or frozen graph."""

import argparse

from aocr_plugin.cli.aocr import checkpoints
from aocr_plugin.cli.aocr.native import announce, tool_line
from aocr_plugin.cli.common import calm_threads


def run(args: argparse.Namespace) -> int:
    """Exports; returns the exit code."""
    calm_threads()
    checkpoint = checkpoints.find(args)
    checkpoints.describe(args, checkpoint)
    words = [checkpoint, args.export_path, "--format", args.format]
    words += ["--strict"] if args.strict else []
    words += ["--force"] if args.force else []
    announce(tool_line("export_tensorflow", words))

    from aocr_plugin.cli import export_tensorflow

    return export_tensorflow.export(export_tensorflow.parse_args(words))

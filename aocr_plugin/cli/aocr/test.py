"""``aocr test DATASET``."""

import argparse
from pathlib import Path
from typing import Any

from aocr_plugin.cli.aocr import checkpoints, settings
from aocr_plugin.cli.aocr.datasets import kind_of
from aocr_plugin.cli.aocr.native import announce, choose_gpu, find_config, tool_line
from aocr_plugin.cli.common import calm_threads


def run(args: argparse.Namespace) -> int:
    """Tests; returns the exit code."""
    calm_threads()
    choose_gpu(args.gpu_id)
    kind = kind_of(args.dataset_path)
    checkpoint = checkpoints.find(args)
    checkpoints.describe(args, checkpoint)
    options = settings.data_options("test_dataloader", args.dataset_path, kind, args)
    options["model.decoder.dictionary.charset"] = "labels"  # the checkpoint's, whichever it is
    if args.strict:
        options["model.score_labels"] = "greedy"
    words = [find_config("aocr_original.py"), checkpoint, "--work-dir", args.output_dir]
    words += ["--visualize", args.output_dir] if args.visualize else []
    words += ["--report", args.report] if args.report else []
    announce(tool_line("test", words, options))

    from aocr_plugin.cli import test

    native: Any = test.parse_args(words)
    native.cfg_options = options | settings.log_options(args, 100)
    Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    return test.test(native)

"""Evaluates a checkpoint: ``tools/test.py CONFIG CHECKPOINT``."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from aocr_plugin import weights
from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded, load_config
from aocr_plugin.errors import CheckpointError, ConfigError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        prog="test.py",
        description="Measures a checkpoint on the test set of a config. The model, its charset and "
        "its preprocessing come from the checkpoint; data and metrics from the config.",
    )
    parser.add_argument("config", help="config file")
    parser.add_argument("checkpoint", help="checkpoint of tools/train.py, e.g. best.pth")
    parser.add_argument("--work-dir", help="where results go; default the checkpoint's folder")
    parser.add_argument(
        "--out", help="predictions as JSON Lines; default WORK_DIR/predictions.jsonl"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="change settings, e.g. test_dataloader.dataset.ann_file=other.txt",
    )
    parser.add_argument(
        "--visualize",
        nargs="?",
        const="results",
        metavar="DIR",
        help="write attention pictures to DIR/correct and DIR/incorrect; DIR is ./results if not "
        "given",
    )
    parser.add_argument("--report", metavar="FILE.html", help="write a self-contained HTML page")
    parser.add_argument("--limit", type=int, help="images that --visualize draws at most")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def adopt(cfg: Any, described: dict[str, Any], checkpoint: str) -> None:
    """Puts the checkpoint's model and preprocessing into a config.

    Raises:
        CheckpointError: config and checkpoint name different charsets.
    """
    from aocr_plugin import charset
    from aocr_plugin.engine.runner import annotation_datasets
    from aocr_plugin.inference.model import with_reading_settings

    ours = ((cfg.get("model") or {}).get("decoder") or {}).get("dictionary") or {}
    theirs = described["model"].get("decoder", {}).get("dictionary", {})
    setting = ours.get("charset", charset.FROM_LABELS)
    if setting != charset.FROM_LABELS and "charset" in theirs:
        here, there = charset.resolve(setting), charset.resolve(theirs["charset"])
        if here != there:
            raise CheckpointError(
                f"{checkpoint}: its charset is another than the config's: "
                f"{charset.describe_charset(there)} in the checkpoint, "
                f"{charset.describe_charset(here)} in the config; test it with its own config, or "
                "set model.decoder.dictionary.charset=labels to take the checkpoint's"
            )
    cfg.model = with_reading_settings(described["model"], cfg.get("model") or {})
    cfg.test_pipeline = described["test_pipeline"]
    outer = cfg.test_dataloader.dataset
    wrapped = outer.get("pipeline") and "datasets" in outer
    if wrapped:
        outer["pipeline"] = described["test_pipeline"]
    for dataset in annotation_datasets(cfg.test_dataloader):
        if not wrapped:
            dataset["pipeline"] = described["test_pipeline"]
        dataset["dictionary"] = dataset["max_label_length"] = None


def picture_hooks(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns the hooks that ``--visualize`` and ``--report`` ask for.

    Raises:
        ConfigError: ``--limit`` without ``--visualize``.
    """
    if args.limit is not None and not args.visualize:
        raise ConfigError("--limit limits what --visualize draws; give that too")
    hooks: list[dict[str, Any]] = []
    if args.visualize:
        hooks.append({"type": "AttentionPictures", "out_dir": args.visualize, "limit": args.limit})
    if args.report:
        hooks.append({"type": "TestReport", "out_file": args.report})
    return hooks


def test(args: argparse.Namespace) -> int:
    """Runs the test loop, its results to a folder or an object store; returns the exit code."""
    from aocr_plugin import storage
    from aocr_plugin.engine import staging

    with staging.results(args.work_dir or storage.parent(args.checkpoint)) as folder:
        return _test(args, str(folder))


def _test(args: argparse.Namespace, folder: str) -> int:
    """Runs the test loop; results go to a local folder."""
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    from mmengine.registry import RUNNERS, init_default_scope
    from mmengine.runner import Runner

    from aocr_plugin.engine import checkpoint_file, config_check
    from aocr_plugin.inference.model import build_model

    cfg = load_config(args.config, args.cfg_options)
    if not cfg.get("test_dataloader"):
        raise ConfigError(f"{args.config}: has no test_dataloader")
    cfg.launcher = args.launcher
    cfg.work_dir = os.path.join(folder, "test")  # apart from the training's own logs and config
    init_default_scope(cfg.get("default_scope", "mmocr"))
    config_check.check(cfg)
    loaded = checkpoint_file.load(args.checkpoint)
    described = checkpoint_file.description(loaded, args.checkpoint)
    build_model(
        described["model"], loaded["state_dict"], args.checkpoint
    )  # strictly, MMEngine's not
    adopt(cfg, described, args.checkpoint)
    cfg.load_from, cfg.resume = str(weights.resolve(args.checkpoint)), False
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.custom_hooks = [
        hook for hook in cfg.get("custom_hooks") or [] if hook.get("type") != "EMAHook"
    ] + picture_hooks(args)
    out = args.out or os.path.join(folder, "predictions.jsonl")
    evaluators = (
        cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
    )
    cfg.test_evaluator = [*evaluators, {"type": "PredictionLines", "out_file": out}]
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    metrics = runner.test()
    if runner.rank == 0:
        report(metrics, out, Path(folder) / "metrics.json")
    return 0


def report(metrics: dict[str, float], predictions: str, path: Path) -> None:
    """Prints the metrics and writes them as JSON."""
    path.write_text(json.dumps(metrics, indent=2) + "\n")
    print()
    for name, value in metrics.items():
        print(f"{name:<40} {value:.0f}" if name.endswith("samples") else f"{name:<40} {value:.4f}")
    print(f"predictions: {predictions}\nmetrics: {path}")


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(test, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

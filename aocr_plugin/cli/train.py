"""Trains a recogniser: ``tools/train.py CONFIG``. The flags are those of MMOCR's tool."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded, load_config
from aocr_plugin.errors import CheckpointError, ConfigError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(prog="train.py", description="Trains a text recogniser.")
    parser.add_argument("config", help="config file")
    parser.add_argument(
        "--work-dir",
        help="where logs and checkpoints go, a folder or URL such as s3://bucket/run; default "
        "./work_dirs/NAME_OF_THE_CONFIG",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in the work directory (or, where that is empty, with load_from): "
        "step, "
        "optimiser, schedule, order of the data, best score; a new run if there is none",
    )
    parser.add_argument(
        "--finetune",
        metavar="WEIGHTS",
        help="begin a new run with this checkpoint's weights ('english': those that come along): "
        "what fits is kept, the output layer is mapped by character where the charset is another; "
        "with --resume only where there is no run to go on with",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="train so long at most (a validation that has begun, and saving, come on top), then "
        "save for --resume to go on with; a run with no step left ends at once",
    )
    parser.add_argument(
        "--amp",
        action="store_true",
        help="mixed precision: bfloat16, on CPUs too (float16 on GPUs without it)",
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate by the batch size, as auto_scale_lr in the config says",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write scalars and a few attention pictures for TensorBoard too",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="change settings of the config, e.g. train_cfg.max_iters=500",
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def set_amp(cfg: Any) -> None:
    """Switches a config to mixed precision.

    Raises:
        ConfigError: its optimiser wrapper is none that can be switched.
    """
    from mmengine.device import get_device

    from aocr_plugin.engine.optim_wrapper import choose_precision

    kind = cfg.optim_wrapper.get("type", "OptimWrapper")
    if kind in ("OptimWrapper", "PrecisionOptimWrapper"):
        cfg.optim_wrapper.type = "PrecisionOptimWrapper"
        device = get_device()
        modern = device == "cpu" or choose_precision("auto", device) == "bf16"
        cfg.optim_wrapper.precision = "bf16" if modern else "fp16"
    elif kind != "AmpOptimWrapper":
        raise ConfigError(f"--amp does not know the optimiser wrapper '{kind}'; set its precision")


def set_resume(cfg: Any) -> None:
    """Points a config at the checkpoint to go on from.

    Raises:
        CheckpointError: the checkpoint named by ``load_from`` cannot be resumed from.
        StorageError: the object store of either cannot be used.
    """
    from aocr_plugin.engine import checkpoint_file, distributed, staging

    found = staging.latest(cfg.work_dir, distributed.several_hosts(cfg.get("launcher", "none")))
    if found is None and cfg.get("load_from"):
        found = checkpoint_file.local(cfg.load_from)
    if found is None:
        print(f"--resume: no checkpoint in {cfg.work_dir} yet, a new run starts")
        return
    if "optimizer" not in checkpoint_file.load(found):
        raise CheckpointError(
            f"{found}: holds weights but no optimiser (a best or published checkpoint), so there "
            "is no run to go on with; to start a new run from its weights leave out --resume and "
            f"use --finetune {found}"
        )
    cfg.resume, cfg.load_from = True, str(found)


def check_fits(cfg: Any, path: str) -> None:
    """Checks that a checkpoint to start from has the config's charset.

    Raises:
        CheckpointError: it has another.
    """
    from aocr_plugin.charset import describe_charset
    from aocr_plugin.engine import checkpoint_file
    from aocr_plugin.engine.runner import resolve

    model = checkpoint_file.load(path).get("meta", {}).get("aocr", {}).get("model", {})
    theirs = model.get("decoder", {}).get("dictionary", {})
    ours = (resolve(cfg).get("model") or {}).get("decoder", {}).get("dictionary", {})
    if not isinstance(theirs, dict) or "charset" not in theirs or "charset" not in ours:
        return
    there, here = (d["charset"].removeprefix("chars:") for d in (theirs, ours))
    if there != here:
        raise CheckpointError(
            f"{path}: its charset is another than the config's, so its output layer does not fit: "
            f"{describe_charset(there)} in the checkpoint, {describe_charset(here)} in the config; "
            f"take --finetune {path} instead, which maps it by character, or set "
            "model.decoder.dictionary.charset to the checkpoint's"
        )


def set_finetune(cfg: Any, weights: str) -> None:
    """Lets a config's new run begin with a checkpoint's weights.

    Raises:
        ConfigError: the config begins with others already.
        CheckpointError: the checkpoint is missing.
        StorageError: its store cannot be used.
    """
    from aocr_plugin.engine import checkpoint_file

    if cfg.get("load_from") and not cfg.get("resume"):
        raise ConfigError(
            f"--finetune {weights}, but the config has load_from={cfg.load_from!r}: give one"
        )
    hook = {"type": "FinetuneHook", "weights": str(checkpoint_file.local(weights))}
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


def train(args: argparse.Namespace) -> int:
    """Builds the runner and trains; returns the exit code."""
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = os.path.join("work_dirs", Path(args.config).stem)
    if args.amp:
        set_amp(cfg)
    if args.auto_scale_lr:
        if "base_batch_size" not in cfg.get("auto_scale_lr", {}):
            raise ConfigError(f"{args.config}: --auto-scale-lr needs auto_scale_lr.base_batch_size")
        cfg.auto_scale_lr.enable = True
    if args.resume:
        set_resume(cfg)
    if args.finetune:
        set_finetune(cfg, args.finetune)
    if args.minutes is not None:
        if not args.minutes > 0:
            raise ConfigError(f"--minutes {args.minutes}: it must be above 0")
        hook = {"type": "TimeLimitHook", "minutes": args.minutes}
        cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]
    if args.tensorboard:
        from aocr_plugin.engine.tensorboard import with_tensorboard

        with_tensorboard(cfg)

    from mmengine.registry import RUNNERS, init_default_scope
    from mmengine.runner import Runner

    from aocr_plugin.engine import config_check, staging

    init_default_scope(cfg.get("default_scope", "mmocr"))
    config_check.check(cfg)
    staging.localise(cfg)
    if cfg.get("load_from"):
        check_fits(cfg, cfg.load_from)
    runner = RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)
    runner.train()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(train, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

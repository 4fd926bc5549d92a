"""``aocr train DATASET``."""

import argparse
import math
import sys
from typing import Any

from aocr_plugin.cli.aocr import checkpoints, settings
from aocr_plugin.cli.aocr.datasets import kind_of
from aocr_plugin.cli.aocr.native import announce, choose_gpu, find_config, tool_line
from aocr_plugin.cli.common import calm_threads
from aocr_plugin.errors import AnnotationError, ConfigError
from aocr_plugin.formats.records import count

_CONFIG = "aocr_original.py"
_HELD_OUT = 20  # every so manieth training image validates, where no other set is given


def _validation(args: argparse.Namespace, kind: str, images: int) -> settings.Options:
    """Returns the settings of the validation set.

    Raises:
        AnnotationError: too few images to hold any out.
        ConfigError: two flags contradict each other.
    """
    if args.validation and args.no_validation:
        raise ConfigError("--validation and --no-validation contradict each other")
    if args.validation:
        return settings.data_options(
            "val_dataloader", args.validation, kind_of(args.validation), args
        )
    if args.no_validation or args.strict:
        return settings.without_validation()
    if images < 2:
        raise AnnotationError(
            f"{args.dataset_path}: {images} images are too few to hold any out for validation; "
            "give --no-validation, or a set with --validation"
        )
    print(
        f"every {_HELD_OUT}th image of {args.dataset_path} is held out to choose the best "
        "checkpoint by (--validation DATASET uses another set, --no-validation none)",
        file=sys.stderr,
    )
    return settings.data_options("val_dataloader", args.dataset_path, kind, args) | {
        "val_dataloader.dataset.hold_out": _HELD_OUT,
        "val_dataloader.dataset.held_out": True,
        "train_dataloader.dataset.hold_out": _HELD_OUT,
    }


def options(args: argparse.Namespace) -> settings.Options:
    """Returns all settings that turn ``aocr_original.py`` into what the flags ask for."""
    kind = kind_of(args.dataset_path)
    images = count(args.dataset_path, kind)
    validation = _validation(args, kind, images)
    if "train_dataloader.dataset.hold_out" in validation:
        images -= -(-images // _HELD_OUT)
    steps = math.ceil(max(1, images) * args.num_epoch / args.batch_size)
    print(
        f"{images} images, {args.num_epoch} epochs of {images / args.batch_size:.1f} steps: "
        f"{steps} steps",
        file=sys.stderr,
    )
    found = (
        settings.data_options("train_dataloader", args.dataset_path, kind, args)
        | settings.network_options(args)
        | validation
        | settings.training_options(args, steps)
    )
    if validation.get("val_dataloader", ...) is None:
        found = {k: v for k, v in found.items() if not k.startswith("val_dataloader.")}
    return found


def _what_to_go_on_with(args: argparse.Namespace) -> settings.Options:
    """Looks at the model folder: a run of ours, the original's weights, or nothing.

    Returns:
        Settings that start from the original's weights where there are no others.

    Raises:
        ConfigError: what is there has another network than the flags say, so that going on would
            read its weights wrongly.
    """
    from aocr_plugin.engine import checkpoint_file

    found, start = checkpoint_file.latest(args.model_dir), {}
    if found is None:
        if not checkpoints.holds_tensorflows(args.model_dir):
            return {}
        found = checkpoints.convert_originals(args)
        start = {"load_from": str(found)}
        print(f"training starts from the original's weights, {found}", file=sys.stderr)
    described = checkpoint_file.load(found).get("meta", {}).get("aocr") or {}
    differing = settings.disagreements(args, described, given_only=False)
    if differing:
        raise ConfigError(
            f"{found} was trained with {', '.join(differing)}: give the same to go on with it, "
            "--no-resume to start anew, or another --model-dir"
        )
    return start


def run(args: argparse.Namespace) -> int:
    """Trains; returns the exit code."""
    calm_threads()
    choose_gpu(args.gpu_id)
    config, chosen = find_config(_CONFIG), options(args)
    start = _what_to_go_on_with(args) if args.resume else {}
    chosen |= start
    words = [config, "--work-dir", args.model_dir]
    words += ["--resume"] if args.resume and not start else []
    words += ["--tensorboard"] if args.tensorboard else []
    announce(tool_line("train", words, chosen))

    from aocr_plugin.cli import train

    native: Any = train.parse_args(words)
    native.cfg_options = chosen | settings.log_options(args, args.steps_per_checkpoint)
    return train.train(native)

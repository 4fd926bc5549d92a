"""From the original's flags to settings of ``configs/aocr_original.py``, and back. No PyTorch."""

import argparse
from collections.abc import Mapping
from typing import Any

from aocr_plugin.charset import NAMED

Options = dict[str, Any]
_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
_LOAD, _CANVAS = 0, 2  # places in the pipeline of aocr_original.py
_NETWORK_FLAGS = {
    "max_width": 160,
    "max_height": 60,
    "max_prediction": 8,
    "full_ascii": False,
    "color": False,
    "use_gru": False,
    "attn_num_layers": 2,
    "attn_num_hidden": 128,
    "target_embedding_size": 10,
}
"""Flags that a trained network depends on, with the original's defaults."""


def _pipeline(step: int, key: str, value: Any) -> Options:
    return {f"{loader}.dataset.pipeline.{step}.{key}": value for loader in _LOADERS}


def network_options(args: argparse.Namespace) -> Options:
    """Returns the settings of network and preprocessing that differ from the config's."""
    options: Options = {}
    if args.max_width != 160:
        options |= _pipeline(_CANVAS, "max_width", args.max_width)
    if args.max_height != 60:
        options |= _pipeline(_CANVAS, "max_height", args.max_height)
    if args.max_prediction != 8:
        options["model.decoder.max_seq_len"] = args.max_prediction + 2
    if args.full_ascii:
        options["model.decoder.dictionary.charset"] = "ascii"
        options["model.decoder.dictionary.letter_case"] = "unchanged"
    if args.color:
        options |= _pipeline(_LOAD, "color_type", "color")
        options["model.backbone.in_channels"] = 3
        options["model.data_preprocessor.mean"] = [128, 128, 128]
        options["model.data_preprocessor.std"] = [128, 128, 128]
        options["model.data_preprocessor.bgr_to_rgb"] = True
    if args.use_gru:
        options["model.decoder.cell"] = "gru"
    if args.attn_num_layers != 2:
        options["model.decoder.num_layers"] = args.attn_num_layers
    if args.attn_num_hidden != 128:
        options["model.decoder.hidden_size"] = args.attn_num_hidden
    units = args.attn_num_hidden * args.attn_num_layers
    if units != 256:
        options["model.encoder.hidden_size"] = units
        options["model.decoder.in_channels"] = 2 * units
    if args.target_embedding_size != 10:
        options["model.decoder.embed_dims"] = args.target_embedding_size
    if args.strict:
        options |= _pipeline(_LOAD, "type", "LoadAOCRImage")
    return options


def data_options(loader: str, path: str, kind: str, args: argparse.Namespace) -> Options:
    """Returns the settings that point a loader at a data set.

    Args:
        loader: "train_dataloader", "val_dataloader" or "test_dataloader".
        path: annotation file or TFRecords.
        kind: "annotations" or "tfrecords".
        args: of the command; with ``strict`` too wide images are left out, as in the original.
    """
    options: Options = {f"{loader}.dataset.ann_file": path}
    if kind == "tfrecords":
        options[f"{loader}.dataset.type"] = "AOCRRecordDataset"
    if args.strict:
        options[f"{loader}.dataset.max_width"] = args.max_width
        options[f"{loader}.dataset.problems"] = {"image_too_wide": "skip"}
        options[f"{loader}.dataset.max_rejected"] = 1.0
    return options


def training_options(args: argparse.Namespace, steps: int) -> Options:
    """Returns the settings of optimiser and schedule that differ from the config's."""
    options: Options = {"train_cfg.max_iters": steps}
    if args.batch_size != 65:
        options["train_dataloader.batch_size"] = args.batch_size
    if args.initial_learning_rate != 1.0:
        options["optim_wrapper.optimizer.lr"] = args.initial_learning_rate
    if not args.clip_gradients:
        options["optim_wrapper.clip_grad"] = None
    elif args.max_gradient_norm != 5.0:
        options["optim_wrapper.clip_grad.max_norm"] = args.max_gradient_norm
    if args.steps_per_checkpoint != 100:
        options["default_hooks.checkpoint.interval"] = args.steps_per_checkpoint
        options["train_cfg.val_interval"] = args.steps_per_checkpoint
    if args.strict:
        options["optim_wrapper.precision"] = "fp32"
    return options


def without_validation() -> Options:
    """Returns the settings that take validation and the best checkpoint out of the config."""
    keys = ("val_dataloader", "val_cfg", "val_evaluator", "default_hooks.checkpoint.save_best")
    return dict.fromkeys(keys)


def log_options(args: argparse.Namespace, every: int) -> Options:
    """Returns the settings of the hook that writes the original's log lines."""
    return {
        "default_hooks.aocr_log.type": "AOCRLog",
        "default_hooks.aocr_log.path": args.log_path,
        "default_hooks.aocr_log.every": every,
        "default_hooks.aocr_log.distance": args.use_distance,
        "default_hooks.aocr_log.strict": args.strict,
    }


def described_flags(description: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the network's flags were, by a checkpoint's description.

    Only flags that the description answers: a checkpoint of another config has no canvas.
    """
    model = description.get("model", {})
    decoder, backbone = model.get("decoder", {}), model.get("backbone", {})
    charset = str(decoder.get("dictionary", {}).get("charset", "")).removeprefix("chars:")
    flags: dict[str, Any] = {
        "max_prediction": decoder.get("max_seq_len", 10) - 2,
        "color": backbone.get("in_channels") == 3,
        "use_gru": decoder.get("cell") == "gru",
        "attn_num_layers": decoder.get("num_layers", 2),
        "attn_num_hidden": decoder.get("hidden_size", 128),
        "target_embedding_size": decoder.get("embed_dims", 10),
    }
    if charset in (NAMED["aocr"], NAMED["ascii"]):
        flags["full_ascii"] = charset == NAMED["ascii"]
    for step in description.get("test_pipeline", []):
        if str(step.get("type")).removeprefix("mmocr.") == "AOCRCanvas":
            flags["max_width"] = step.get("max_width", 160)
            flags["max_height"] = step.get("max_height", 60)
    return flags


def as_flag(name: str, value: Any) -> str:
    """Returns a flag as it is typed; for one that is not set, with "no" before it."""
    typed = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return typed if value else f"no {typed}"
    return f"{typed} {value}"


def disagreements(
    args: argparse.Namespace, description: Mapping[str, Any], *, given_only: bool
) -> list[str]:
    """Compares flags with what a checkpoint says of itself.

    Args:
        args: of the command.
        description: the checkpoint's.
        given_only: pass over flags at their default, which were most likely not typed.

    Returns:
        For each that differs what the checkpoint says, as a flag.
    """
    there = described_flags(description)
    return [
        as_flag(name, there[name])
        for name, default in _NETWORK_FLAGS.items()
        if name in there
        and getattr(args, name) != there[name]
        and not (given_only and getattr(args, name) == default)
    ]

"""Makes word scores mean what they say: ``tools/calibrate.py CONFIG CHECKPOINT``."""

import argparse
import io
import sys
from pathlib import PurePosixPath
from typing import Any

from aocr_plugin import storage
from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded, load_config
from aocr_plugin.errors import CheckpointError, ConfigError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(
        prog="calibrate.py",
        description="Fits a temperature on the validation set of a config, so that of all words "
        "with score 0.8 four out of five are right, and writes a checkpoint that has it. Greedy "
        "texts stay the same.",
    )
    parser.add_argument("config", help="config file; its val_dataloader is read")
    parser.add_argument("checkpoint", help="checkpoint of tools/train.py, e.g. best.pth")
    parser.add_argument("--out", help="checkpoint to write; default CHECKPOINT-calibrated.pth")
    parser.add_argument("--picture", metavar="FILE.png", help="draw accuracy against score")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 …; default a GPU if there is one")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=DictAction,
        metavar="KEY=VALUE",
        help="change settings, e.g. val_dataloader.dataset.ann_file=other.txt",
    )
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def _validation_set(args: argparse.Namespace, described: dict[str, Any]) -> Any:
    """Returns a data loader over the config's validation set, seen as the checkpoint sees it.

    Raises:
        ConfigError: the config is wrong or has no validation set.
    """
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner

    from aocr_plugin.cli.test import adopt
    from aocr_plugin.engine import config_check
    from aocr_plugin.engine.runner import resolve

    cfg = load_config(args.config, args.cfg_options)
    if not cfg.get("val_dataloader"):
        raise ConfigError(f"{args.config}: has no val_dataloader, which a temperature is fitted on")
    init_default_scope(cfg.get("default_scope", "mmocr"))
    config_check.check(cfg)
    cfg.test_dataloader = cfg.val_dataloader
    adopt(cfg, described, args.checkpoint)
    return Runner.build_dataloader(resolve(cfg).test_dataloader, seed=0)


def _load(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Returns the checkpoint, its description and its model.

    Raises:
        CheckpointError: it cannot be used, or its decoder has no temperature.
    """
    from aocr_plugin.engine import checkpoint_file
    from aocr_plugin.inference.model import build_model
    from aocr_plugin.inference.pytorch_engine import find_device

    loaded = checkpoint_file.load(args.checkpoint)
    described = checkpoint_file.description(loaded, args.checkpoint)
    model = build_model(described["model"], loaded["state_dict"], args.checkpoint)
    if not hasattr(model.decoder, "search") or not hasattr(model.decoder.postprocessor, "score"):
        raise CheckpointError(
            f"{args.checkpoint}: its {type(model.decoder).__name__} with "
            f"{type(model.decoder.postprocessor).__name__} has no temperature; only "
            "AttentionDecoder with WordScorePostprocessor can be calibrated"
        )
    return loaded, described, model.to(find_device(args.device)).eval()


def calibrate(args: argparse.Namespace) -> int:
    """Fits, reports and writes; returns the exit code."""
    import numpy as np
    import torch

    from aocr_plugin.evaluation import calibration
    from aocr_plugin.inference.calibration import read_all

    loaded, described, model = _load(args)
    readings = read_all(model, _validation_set(args, described))
    fit = calibration.fit_temperature(readings.log_scores, readings.correct)
    old = model.decoder.search.temperature
    here = int(np.argmin(np.abs(np.log(calibration.TEMPERATURES / old))))
    kind = model.decoder.postprocessor.score
    print(f"{len(readings.correct)} words, {readings.correct.mean():.1%} right; score: {kind}")
    print(f"{'':8}{'temperature':>12}{'mean score':>12}{'ECE':>8}{'NLL':>8}")
    series = {}
    for name, temperature, place in (("before", old, here), ("after", *fit[:2])):
        scores = np.exp(readings.log_scores[:, place])
        bins = calibration.bins_of_equal_mass(scores, readings.correct)
        error = calibration.expected_calibration_error(scores, readings.correct)
        loss = calibration.negative_log_likelihood(
            readings.log_scores[:, [place]], readings.correct
        )[0]
        print(f"{name:8}{temperature:12.3f}{scores.mean():12.4f}{error:8.4f}{loss:8.4f}")
        series[f"{name}: temperature {temperature:.3g}, ECE {error:.4f}"] = bins
    if fit.note:
        print(f"note: {fit.note}")
    loaded["meta"]["aocr"]["model"]["decoder"]["temperature"] = fit.temperature
    buffer = io.BytesIO()
    torch.save(loaded, buffer)
    name = PurePosixPath(args.checkpoint).name
    stem, _, suffix = name.rpartition(".")
    out = args.out or storage.join(
        storage.parent(args.checkpoint),
        f"{stem}-calibrated.{suffix}" if stem else f"{name}-calibrated",
    )
    try:
        storage.write_bytes(out, buffer.getvalue())
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written ({error.strerror})") from error
    print(f"{out}: temperature {fit.temperature:.3f}")
    if args.picture:
        _draw(series, args.picture, f"{name} on the validation set")
    return 0


def _draw(series: dict[str, Any], path: str, title: str) -> None:
    """Draws the reliability diagram.

    Raises:
        ConfigError: matplotlib is missing, or the picture cannot be written.
    """
    from aocr_plugin.visualization.reliability import draw_reliability

    try:
        draw_reliability(series, path, title)
    except ImportError as error:
        raise ConfigError("--picture needs matplotlib: pip install matplotlib") from error
    except (OSError, ValueError) as error:  # ValueError: a file name extension it does not know
        raise ConfigError(f"--picture {path}: cannot be written ({error})") from error
    print(f"picture: {path}")


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(calibrate, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

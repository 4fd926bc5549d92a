"""Converts a checkpoint with MMDeploy: ``tools/deploy.py DEPLOY_CONFIG CHECKPOINT``."""

import argparse
import sys

from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded
from aocr_plugin.errors import ConfigError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line; MMDeploy's own four arguments are taken too."""
    parser = argparse.ArgumentParser(
        prog="deploy.py",
        usage="%(prog)s DEPLOY_CONFIG [MODEL_CONFIG] CHECKPOINT [IMAGE] [options]",
        description="Converts a checkpoint with MMDeploy, with a config of configs/deploy. The "
        "checkpoint says everything about the model; MODEL_CONFIG is taken, as MMDeploy's own tool "
        "does, and not needed. Nothing stays unless it reads as PyTorch does.",
    )
    parser.add_argument("deploy_config", metavar="DEPLOY_CONFIG")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="[MODEL_CONFIG] CHECKPOINT [IMAGE]"
    )
    parser.add_argument("--work-dir", default=".", help="folder to write to")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--dump-info", action="store_true", help="write what MMDeploy's SDK needs beside the model"
    )
    parser.add_argument(
        "--test-img",
        nargs="+",
        metavar="FILE|DIR|GLOB",
        help="compare on these images too, and calibrate TensorRT's int8 on them",
    )
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def split(files: list[str]) -> tuple[str, str | None]:
    """Returns checkpoint and image out of ``[MODEL_CONFIG] CHECKPOINT [IMAGE]``.

    Raises:
        ConfigError: there is no checkpoint, or too much.
    """
    left = files[1:] if files[0].endswith(".py") else files
    if not 1 <= len(left) <= 2:
        raise ConfigError(
            f"{' '.join(files)}: give [MODEL_CONFIG.py] CHECKPOINT [IMAGE] after the deploy config"
        )
    return left[0], left[1] if len(left) == 2 else None


def deploy(args: argparse.Namespace) -> int:
    """Converts; returns the exit code."""
    checkpoint, image = split(args.files)
    try:
        import mmdeploy  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError("MMDeploy is not installed: pip install 'aocr-plugin[deploy]'") from error
    from aocr_plugin.deploy.conversion import convert

    made = convert(
        args.deploy_config,
        checkpoint,
        args.work_dir,
        image=image,
        images=args.test_img,
        device=args.device,
        dump_info=args.dump_info,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print("\n".join(made))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(deploy, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Serves a model over HTTP: ``tools/serve.py MODEL``."""

import argparse
import re
import sys

from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded, whole_from
from aocr_plugin.errors import ConfigError


def _name(text: str) -> str:
    """Returns a model's name; argparse prints the error."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", text):
        raise argparse.ArgumentTypeError(f"'{text}': letters, digits, '.', '_' and '-' only")
    return text


def _seconds(text: str) -> float:
    """Returns a time above 0; argparse prints the error."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"'{text}' is no time above 0 and up to 3600")
    return value


def _port(text: str) -> int:
    """Returns a port; argparse prints the error."""
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port from 0 to 65535")
    return int(text)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="serve.py",
        description="Answers TensorFlow Serving's REST and the Open Inference Protocol v2, with "
        "a page to try at /, the interface's description at /docs and metrics at /metrics.",
    )
    parser.add_argument("model", help="a checkpoint (.pth), an export (.onnx, .xml) or 'english'")
    parser.add_argument("--name", type=_name, default="aocr", help="of the model (aocr)")
    parser.add_argument("--version", type=whole_from(0), default=1, help="of the model (1)")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 is every address (127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8501, help="0 is any free one (8501)")
    group = parser.add_argument_group("the model")
    group.add_argument("--workers", type=whole_from(1), default=1, help="processes with it (1)")
    group.add_argument("--device", help="of a checkpoint: cpu, cuda, cuda:1")
    group.add_argument("--runtime", choices=["pytorch", "onnxruntime", "openvino"])
    group.add_argument("--precision", choices=["fp32", "bf16", "fp16"])
    group.add_argument("--threads", type=whole_from(1), help="of a worker; the cores are shared")
    group.add_argument(
        "--strict",
        action="store_true",
        help="probability is the original's, the product over all steps",
    )
    group = parser.add_argument_group("batches and limits")
    group.add_argument(
        "--max-batch", type=whole_from(1), default=32, help="images read together (32)"
    )
    group.add_argument(
        "--batch-wait-ms", type=float, default=2.0, help="to wait for more images, idle (2)"
    )
    group.add_argument(
        "--max-bytes", type=whole_from(1), default=32 << 20, help="of a request (32 MiB)"
    )
    group.add_argument(
        "--max-held", type=whole_from(1), help="of all requests (8 times --max-bytes)"
    )
    group.add_argument(
        "--max-pixels", type=whole_from(1), default=16_000_000, help="of an image (16,000,000)"
    )
    group.add_argument(
        "--max-width", type=whole_from(1), default=8192, help="at the network's height (8192)"
    )
    group.add_argument(
        "--max-instances", type=whole_from(1), default=256, help="images of a request (256)"
    )
    group.add_argument(
        "--queue", type=whole_from(1), default=1024, help="images that may wait (1024)"
    )
    group.add_argument("--timeout", type=_seconds, default=30.0, help="seconds a request (30)")
    parser.add_argument(
        "--log-level", choices=["critical", "error", "warning", "info", "debug"], default="info"
    )
    add_traceback_flag(parser)
    args = parser.parse_args(argv)
    if not 0 <= args.batch_wait_ms <= 10_000:
        parser.error(f"--batch-wait-ms {args.batch_wait_ms} is not from 0 to 10000")
    if args.queue < args.max_instances:
        parser.error(f"--queue {args.queue} must be at least --max-instances {args.max_instances}")
    args.max_held = args.max_held or 8 * args.max_bytes
    if args.max_held < args.max_bytes:
        parser.error(f"--max-held {args.max_held} must be at least --max-bytes {args.max_bytes}")
    return args


def serve(args: argparse.Namespace) -> int:
    """Serves; returns the exit code."""
    try:
        from aocr_plugin.serving.run import serve as run
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the server needs {error.name}: pip install 'aocr-plugin[serve]'"
        ) from error
    except ImportError as error:
        raise ConfigError(
            f"the server needs other versions ({error}): pip install 'litserve==0.2.19' "
            "'uvicorn[standard]==0.54.0' 'fastapi==0.165.0'"
        ) from error
    from aocr_plugin.serving.settings import Settings

    settings = Settings(
        model=args.model,
        name=args.name,
        version=args.version,
        workers=args.workers,
        max_batch=args.max_batch,
        batch_wait=args.batch_wait_ms / 1000,
        max_bytes=args.max_bytes,
        max_held=args.max_held,
        max_pixels=args.max_pixels,
        max_width=args.max_width,
        max_instances=args.max_instances,
        queue=args.queue,
        timeout=args.timeout,
        strict=args.strict,
        device=args.device,
        runtime=args.runtime,
        precision=args.precision,
        threads=args.threads,
    )
    return run(settings, args.host, args.port, args.log_level)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(serve, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

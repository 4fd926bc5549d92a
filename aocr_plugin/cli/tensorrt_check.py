"""Runs a checkpoint in TensorRT, where it is: ``tools/tensorrt_check.py CHECKPOINT``."""

import argparse
import json
import os
import sys

from aocr_plugin.cli.common import add_traceback_flag, calm_threads, guarded, whole_from


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="tensorrt_check.py",
        description="Builds a checkpoint's network with TensorRT, through MMDeploy where its "
        "version allows, for the GPU of this machine; compares what it reads with PyTorch on the "
        "CPU, in batches of 1, 2, 7 and 32; times it. Exits with 2 where a text differs.",
    )
    parser.add_argument("checkpoint", help="of tools/train.py")
    parser.add_argument(
        "images",
        nargs="*",
        metavar="FILE|DIR|GLOB",
        help="compare on these too, beside images made on the spot; annotation files and "
        "TFRecords will do",
    )
    parser.add_argument(
        "--precision",
        choices=["fp32", "fp16"],
        nargs="+",
        default=["fp32", "fp16"],
        help="both unless given; bounds of a probability's difference are 1e-4 and 2e-2",
    )
    parser.add_argument(
        "--onnxruntime-cuda",
        action="store_true",
        help="where there is a GPU without TensorRT: ONNX Runtime's CUDA path, or PyTorch's where "
        "ONNX Runtime is built for CPUs only",
    )
    parser.add_argument(
        "--device",
        choices=["cuda", "cpu"],
        default="cuda",
        help="cuda: the first GPU (CUDA_VISIBLE_DEVICES chooses); cpu tries --onnxruntime-cuda out",
    )
    parser.add_argument("--rounds", type=whole_from(1), default=100, help="timed runs (100)")
    parser.add_argument("--json", metavar="FILE", help="write the figures here too")
    add_traceback_flag(parser)
    args = parser.parse_args(argv)
    if args.device == "cpu" and not args.onnxruntime_cuda:
        parser.error("TensorRT runs on GPUs; --device cpu is for --onnxruntime-cuda")
    return args


def check(args: argparse.Namespace) -> int:
    """Runs; returns the exit code."""
    import torch

    from aocr_plugin.errors import ConfigError
    from aocr_plugin.export import gpu_check

    runtime = gpu_check.without_tensorrt(args.device) if args.onnxruntime_cuda else "tensorrt"
    done = gpu_check.check(
        args.checkpoint,
        runtime,
        precisions=args.precision,
        images=args.images or None,
        device=args.device,
        rounds=args.rounds,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print("runtime\tprecision\tbatch\twidth\tp50 ms\tp99 ms\timages/s\tworst difference")
    for one in done:
        for timing in one.timings:
            print(
                f"{one.runtime}\t{one.precision}\t{timing.batch}\t{timing.width}\t"
                f"{timing.p50:.2f}\t{timing.p99:.2f}\t{timing.rate:.0f}\t{one.agreement.worst:.1e}"
            )
    if args.json:
        seen = args.device == "cuda" and torch.cuda.is_available()
        found = [
            {
                "runtime": one.runtime,
                "device": torch.cuda.get_device_name() if seen else args.device,
                "precision": one.precision,
                "agreement": one.agreement._asdict(),
                "timings": [timing._asdict() for timing in one.timings],
            }
            for one in done
        ]
        try:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(found, file, indent=2)
        except OSError as error:
            raise ConfigError(f"{args.json}: cannot be written ({error.strerror})") from error
    return 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # float32 is float32
    return guarded(check, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

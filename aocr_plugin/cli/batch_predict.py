"""Reads millions of images: ``tools/batch_predict.py SOURCE DEST --model MODEL``."""

import argparse
import math
import sys

from aocr_plugin import storage, weights
from aocr_plugin.batch import destination, job, manifest, parts, reader
from aocr_plugin.batch import source as sources
from aocr_plugin.cli.common import (
    add_traceback_flag,
    add_views_flag,
    calm_threads,
    guarded,
    whole_from,
)
from aocr_plugin.errors import ConfigError

EXIT_NOTHING_READ = 3


def _share(text: str) -> float:
    """Returns a number of GPUs from 0 on; argparse prints the error."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf or (number > 1 and number != int(number)):
        raise argparse.ArgumentTypeError(f"'{text}' is neither a share from 0 to 1 nor a number")
    return number


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="batch_predict.py",
        description="Reads every image of a large source with several copies of a model, on this "
        "machine or a Ray cluster. Started again after whatever ended it, it goes on.",
        epilog="Exit code: 0 done, 3 done but no image could be read, 2 not done.",
    )
    parser.add_argument(
        "source",
        help="folder, store's prefix or pattern of images, TFRecords or Parquet files; annotation "
        "file, JSON Lines, TFRecord or Parquet file, LMDB",
    )
    parser.add_argument("dest", help="folder or store's prefix that the parts go to")
    parser.add_argument(
        "--model",
        default=weights.DEFAULT,
        help=".pth, .onnx or .xml, a path or URL; default: the one that comes along, English words",
    )
    parser.add_argument(
        "--format", choices=parts.FORMATS, default="parquet", help="of parts (parquet)"
    )
    parser.add_argument(
        "--partition-rows", type=whole_from(1), default=2048, metavar="N", help="of a part (2048)"
    )
    parser.add_argument(
        "--char-scores", action="store_true", help="write the score of every character too"
    )
    group = parser.add_argument_group("the source")
    group.add_argument("--kind", choices=sources.KINDS, help="default by names and content")
    group.add_argument("--encoding", default="auto", help="of labels: a codec (UTF-8, iso-8859-1)")
    group.add_argument("--image-column", metavar="NAME", help="Parquet (image, or the only one)")
    group.add_argument("--label-column", metavar="NAME", help="Parquet (label or text)")
    group = parser.add_argument_group("the workers")
    group.add_argument("--replicas", type=whole_from(1), help="copies of the model (one a core)")
    group.add_argument("--threads", type=whole_from(1), default=1, help="of a replica (1)")
    group.add_argument("--address", metavar="HOST:PORT", help="of a Ray cluster; not this machine")
    group.add_argument("--batch-size", type=whole_from(1), default=32, help="images at once (32)")
    group.add_argument("--device", help="of a checkpoint: cpu, cuda")
    group.add_argument("--gpus", type=_share, help="of a replica (0; 1 with --device cuda)")
    group = parser.add_argument_group("the model")
    group.add_argument("--runtime", choices=["pytorch", "onnxruntime", "openvino"])
    group.add_argument("--precision", choices=["fp32", "bf16", "fp16"])
    group.add_argument("--score", choices=["product", "geometric", "minimum"])
    group.add_argument(
        "--vertical", action="store_true", help="read tall images turned too; see predict.py --help"
    )
    add_views_flag(group)
    add_traceback_flag(parser)
    return parser.parse_args(argv)


def predict(args: argparse.Namespace) -> int:
    """Reads the source; returns the exit code.

    Raises:
        ConfigError: the destination is in the source.
    """
    job.import_ray()  # before anything is written
    device = args.device or "cpu"
    gpus = args.gpus if args.gpus is not None else float(device.startswith("cuda"))
    model = storage.absolute(str(weights.resolve(args.model, args.runtime, device)))
    dest = storage.absolute(args.dest)
    given = storage.absolute(args.source).rstrip("/") or "/"
    if f"{dest}/".startswith(f"{given}/") and storage.kind(given) == "directory":
        raise ConfigError(f"{dest} is in the source {given}; give a folder outside of it")
    source = sources.open_source(
        given,
        args.kind,
        encoding=args.encoding,
        image_column=args.image_column,
        label_column=args.label_column,
    )
    options = {"runtime": args.runtime, "precision": args.precision, "score": args.score}
    options |= {"vertical": True} if args.vertical else {}
    views = args.views or weights.views(args.model)
    options |= {"views": views} if views > 1 else {}
    wanted = manifest.Manifest(
        source=given,
        state=sources.digest(source),
        rows=source.rows,
        model=manifest.checksum(model),
        form=args.format,
        partition_rows=args.partition_rows,
        settings=options
        | {name: getattr(args, name) for name in ("encoding", "char_scores")}
        | {name: getattr(args, name) for name in ("image_column", "label_column")},
    )
    destination.agree(dest, wanted)
    task = reader.Task(
        source=wanted.source,
        model=model,
        checksum=wanted.model,
        dest=dest,
        form=args.format,
        batch_size=args.batch_size,
        threads=args.threads,
        char_scores=args.char_scores,
        options=options | {"device": device},
    )
    workers = job.Workers(args.replicas, args.threads, gpus, args.address)
    summary = job.run(source, wanted, task, workers)
    print(
        f"{dest}: {summary.rows:,} rows in {wanted.partitions:,} parts, {summary.errors:,} errors"
    )
    if summary.read:
        rate = summary.read / summary.seconds
        print(f"{summary.read:,} rows in {summary.seconds:.1f} s, {rate:,.1f} rows/s")
    else:
        print("all of it was done already")
    return EXIT_NOTHING_READ if summary.errors == summary.rows else 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    calm_threads()
    return guarded(predict, parse_args, argv)


if __name__ == "__main__":
    sys.exit(main())

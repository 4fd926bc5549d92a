"""What very large data sets cost: time to start, memory of a process and a worker, shuffling.

    python benchmarks/scale.py                      # 0.1, 1 and 10 million lines and records
    python benchmarks/scale.py --counts 1000000 --kinds annotations mmocr

Writes the files itself: an annotation file whose lines name a thousand small PNG files in turn, and
a TFRecord file of the same images. Each figure comes from a process of its own, which builds the
data set as a config does, shuffles it and reads batches in two workers. ``mmocr`` is MMOCR's
``RecogTextDataset`` on the same lines.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

IMAGES = 1000
WORKERS = 2
RESULTS = Path(__file__).parent / "results"
KINDS = ("annotations", "tfrecords", "mmocr")


def _images(folder: Path) -> list[Path]:
    """Draws small PNG files into ten folders."""
    random = np.random.default_rng(0)
    paths = [folder / str(number % 10) / f"{number:07}.png" for number in range(IMAGES)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        image = np.full((16, 48), random.integers(130, 230), np.uint8)
        cv2.putText(image, path.stem[-4:], (2, 13), cv2.FONT_HERSHEY_PLAIN, 1, 20, 1)
        cv2.imwrite(str(path), image)
    return paths


def write(folder: Path, kind: str, count: int) -> Path:
    """Writes a data set; returns its file."""
    from aocr_plugin.formats.tfrecord import write_record

    paths = _images(folder)
    if kind == "tfrecords":
        data = [path.read_bytes() for path in paths]
        out = folder / "words.tfrecords"
        with out.open("wb") as records:
            for number in range(count):
                label = f"{number:08X}".encode()
                write_record(records, {"image": data[number % IMAGES], "label": label})
        return out
    out = folder / "words.txt"
    names = [str(path.relative_to(folder)) for path in paths]
    with out.open("w", encoding="utf-8") as lines:
        for number in range(count):
            lines.write(f"{names[number % IMAGES]} {number:08X}\n")
    return out


def _resident(pid: str = "self") -> float:
    """Returns the MiB that a process alone has in memory."""
    fields = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    kib = [int(line.split()[1]) for line in fields if line.startswith("Private_")]
    return sum(kib) / 1024


def _dataset(kind: str, path: str, check: str) -> Any:
    """Builds the data set as a config does."""
    from mmengine.registry import init_default_scope
    from mmocr.registry import DATASETS

    import aocr_plugin  # noqa: F401

    init_default_scope("mmocr")
    pipeline = [
        {"type": "LoadImageFromFile", "color_type": "grayscale"},
        {"type": "LoadOCRAnnotations", "with_text": True},
        {"type": "RescaleToHeight", "height": 32, "min_width": 8, "max_width": 2048},
        {"type": "PackTextRecogInputs", "meta_keys": ("img_path", "valid_ratio")},
    ]
    cfg: dict[str, Any] = {"ann_file": path, "pipeline": pipeline}
    if kind == "mmocr":
        cfg |= {
            "type": "RecogTextDataset",
            "data_root": str(Path(path).parent),
            "parser_cfg": {"type": "LineStrParser", "keys": ["filename", "text"]},
        }
    else:
        cfg |= {
            "type": "AOCRDataset" if kind == "annotations" else "AOCRRecordDataset",
            "check_images": check,
            "dictionary": {"type": "AOCRDictionary", "charset": "ascii"},
            "max_label_length": 30,
        }
    return DATASETS.build(cfg)


def measure(kind: str, path: str, batches: int, check: str) -> dict[str, float]:
    """Builds, shuffles and reads one data set in this process."""
    from mmengine.dataset import pseudo_collate
    from torch.utils.data import DataLoader

    import aocr_plugin  # noqa: F401
    from aocr_plugin.datasets.samplers import EndlessSampler, WidthBatchSampler

    before = _resident()
    start = time.perf_counter()
    dataset = _dataset(kind, path, check)
    found: dict[str, float] = {"samples": len(dataset), "start": time.perf_counter() - start}
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["mib"] = _resident() - before
    start = time.perf_counter()
    sampler = WidthBatchSampler(EndlessSampler(dataset, seed=0), 64, pool=1)
    next(iter(sampler))
    found["shuffle"] = time.perf_counter() - start
    indices = iter(sampler)
    next(indices)
    start = time.perf_counter()
    for _ in range(batches):
        next(indices)
    found["indices_a_second"] = batches * 64 / (time.perf_counter() - start)
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=WORKERS,
        collate_fn=pseudo_collate,
        persistent_workers=True,
    )
    reading = iter(loader)
    for _ in range(10):
        next(reading)
    workers = [str(worker.pid) for worker in reading._workers]
    found["worker_mib_first"] = max(map(_resident, workers))
    start = time.perf_counter()
    for _ in range(batches):
        next(reading)
    found["images_a_second"] = batches * 64 / (time.perf_counter() - start)
    found["worker_mib_last"] = max(map(_resident, workers))
    return found


def main() -> None:
    """Measures every kind at every count, prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--batches", type=int, default=500, help="of 64 images, read by workers")
    parser.add_argument(
        "--check-images",
        choices=["exists", "header"],
        default="exists",
        help="how closely images are looked at before; batches by width need their headers",
    )
    parser.add_argument("--out", type=Path, help="scale.json, or with headers scale_header.json")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(*args.measure, args.batches, args.check_images)))
        return
    rows = []
    for count in args.counts:
        for kind in args.kinds:
            with tempfile.TemporaryDirectory() as folder:
                path = write(Path(folder), kind, count)
                command = [sys.executable, __file__, "--measure", kind, str(path)]
                command += ["--batches", str(args.batches), "--check-images", args.check_images]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{kind}, {count}: {done.stderr[-2000:]}")
            figures = json.loads(done.stdout.splitlines()[-1])
            rows.append({"kind": kind, "check_images": args.check_images, **figures})
            print(table(rows[-1:], head=len(rows) == 1), flush=True)
    name = "scale.json" if args.check_images == "exists" else "scale_header.json"
    (args.out or RESULTS / name).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def table(rows: list[dict[str, Any]], head: bool) -> str:
    """Returns rows as Markdown."""
    names = (
        "kind | samples | start, s | us a sample | peak MiB | MiB after | first shuffle, s | "
        "indices/s | worker MiB, first | worker MiB, last | images/s"
    )
    lines = [f"| {names} |", "|---" * 11 + "|"] if head else []
    for row in rows:
        each = 1e6 * row["start"] / row["samples"]
        lines.append(
            f"| {row['kind']} | {row['samples']:.0f} | {row['start']:.1f} | {each:.1f} | "
            f"{row['peak_mib']:.0f} | {row['mib']:.0f} | {row['shuffle']:.2f} | "
            f"{row['indices_a_second']:.0f} | {row['worker_mib_first']:.0f} | "
            f"{row['worker_mib_last']:.0f} | {row['images_a_second']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Reads the same crops with one and with two replicas: ``python benchmarks/batch_predict.py``.

Each replica has one thread. Every run is ``tools/batch_predict.py`` in processes of its own with
a new destination; runs with one and two replicas take turns, the first of a pair changes.
``rows_per_s`` is the tool's own figure, start of Ray and of the workers included;
``steady_rows_per_s`` leaves out each replica's first and last part: rows between two parts' times
of change over the time between. ``cores`` says how much of the machine the workers had meanwhile
(CPU seconds a second), which is what other work on it left them: Ray gives its workers a niceness
of 15. ``rows_per_core_s`` is the steady speed over that.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def make(path: Path, images: list[Path], rows: int) -> None:
    """Writes TFRecords of the images, over and over."""
    from aocr_plugin.formats.tfrecord import write_record

    loaded = [(image.read_bytes(), image.stem.encode()) for image in images]
    with path.open("wb") as file:
        for row in range(rows):
            image, label = loaded[row % len(loaded)]
            write_record(file, {"image": image, "label": label})


def worker_seconds(tool: int) -> float:
    """Returns the CPU seconds that the workers below a process have had so far."""
    parents, spent = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            title = (entry / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(entry.name)] = int(fields[1])
        if title.startswith(b"ray::") and b"PartitionReader" in title:
            ticks = int(fields[11]) + int(fields[12])
            spent[int(entry.name)] = ticks / os.sysconf("SC_CLK_TCK")

    def is_below(process: int) -> bool:
        while process in parents and process != tool:
            process = parents[process]
        return process == tool

    return sum(seconds for process, seconds in spent.items() if is_below(process))


def run(source: Path, model: str, replicas: int, partition: int) -> dict[str, float]:
    """Reads the source once; returns rows a second, of the whole run and of its steady part."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--replicas", str(replicas), "--partition-rows", str(partition), "--model", model]
        tool = str(ROOT / "tools" / "batch_predict.py")
        words = [sys.executable, tool, str(source), f"{folder}/out", *words]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        samples: list[tuple[float, float]] = []

        def watch() -> None:
            while process.poll() is None:
                samples.append((time.time(), worker_seconds(process.pid)))
                time.sleep(0.1)

        threading.Thread(target=watch, daemon=True).start()
        out = process.communicate()[0]
        found = re.search(r"([\d,]+) rows in ([\d.]+) s", out)
        if found is None:
            raise SystemExit(out)
        times = sorted(part.stat().st_mtime for part in Path(folder, "out").glob("part-*"))
    rows = int(found[1].replace(",", ""))
    steady = times[replicas:-replicas]
    if len(steady) < 2:
        raise SystemExit("too few parts: raise --rows or lower --partition-rows")
    seconds = steady[-1] - steady[0]
    speed = (len(steady) - 1) * partition / seconds
    had = [spent for when, spent in samples if steady[0] <= when <= steady[-1]]
    cores = (had[-1] - had[0]) / seconds
    return {
        "rows_per_s": rows / float(found[2]),
        "steady_rows_per_s": speed,
        "cores": cores,
        "rows_per_core_s": speed / cores,
    }


def main() -> None:
    """Measures, prints and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help=".pth, .onnx or .xml")
    parser.add_argument("images", help="folder of crops")
    parser.add_argument("--rows", type=int, default=8_192)
    parser.add_argument("--partition-rows", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", default=str(ROOT / "benchmarks/results/batch_predict.json"))
    args = parser.parse_args()
    images = sorted(p for p in Path(args.images).rglob("*") if p.suffix in (".png", ".jpg"))
    runs: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "crops.tfrecords"
        make(source, images, args.rows)
        for repeat in range(args.repeats):
            for replicas in (1, 2) if repeat % 2 == 0 else (2, 1):
                found = run(source, args.model, replicas, args.partition_rows)
                runs[replicas].append(found)
                print(replicas, found, flush=True)
    ratios = {
        key: [two[key] / one[key] for one, two in zip(runs[1], runs[2], strict=True)]
        for key in runs[1][0]
    }
    result = {
        "rows": args.rows,
        "images": len(images),
        "partition_rows": args.partition_rows,
        "threads_per_replica": 1,
        "cores": len(os.sched_getaffinity(0)),
        "model": Path(args.model).name,
        "one_replica": runs[1],
        "two_replicas": runs[2],
        "ratios": ratios,
        "median_ratio": {key: statistics.median(found) for key, found in ratios.items()},
    }
    Path(args.out).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

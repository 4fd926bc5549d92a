"""Reads a labelled set with every runtime.

``python benchmarks/inference.py CHECKPOINT --data SET``: SET is an annotation file; int8 is
calibrated on ``--calibration``, another one. The checkpoint is exported first. Then each runtime,
in a process of its own and in an order that changes with each repeat, is measured through
``Recognizer``:

- start: seconds from the process's start to the first text;
- milliseconds an image, one at a time, from decoded pixels and from the file's bytes;
- images a second, all at once, at the best of several batch sizes, from both;
- peak memory, word accuracy, and how many texts differ from PyTorch's in float32.

``savedmodel`` is the checkpoint in TensorFlow, with the original's graph and signature: one image
file a call, as ``aocr test`` reads. Of models that it cannot hold it is left out. ``original`` is
the original's own ``aocr test``, measured where ``--original`` names a checkout of its TensorFlow 2
port and ``--original-weights`` the TensorFlow weights that the checkpoint was converted from; its
milliseconds are those of its log.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import original
from machine import processor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from aocr_plugin.cli.common import calm_threads  # noqa: E402

WAYS = {
    "savedmodel": ("savedmodel", {}),
    "pytorch": ("a.pth", {}),
    "pytorch_bf16": ("a.pth", {"precision": "bf16"}),
    "pytorch_compiled": ("a.pth", {"precision": "bf16", "compiled": True}),
    "onnxruntime": ("a.onnx", {}),
    "onnxruntime_int8": ("int8.onnx", {}),
    "openvino": ("a.onnx", {"runtime": "openvino", "precision": "fp32"}),
    "openvino_bf16": ("a.onnx", {"runtime": "openvino", "precision": "bf16"}),
    "openvino_int8": ("int8.xml", {}),
}
BATCHES = (16, 64, 256)


def images(path: str) -> tuple[list[bytes], list[str]]:
    """Returns the files and labels of an annotation file."""
    data, labels = [], []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        name, label = line.split(maxsplit=1)
        data.append((Path(path).parent / name).read_bytes())
        labels.append(label)
    return data, labels


def export(checkpoint: str, calibration: str, folder: Path, length: int | None) -> list[str]:
    """Exports a checkpoint in every form; returns the ways that there are."""
    import shutil

    from aocr_plugin.errors import AOCRError
    from aocr_plugin.export import onnx_file, savedmodel

    shutil.copy(checkpoint, folder / "a.pth")
    onnx_file.export(checkpoint, folder / "a.onnx", max_length=length)
    ways = [name for name, (file, _) in WAYS.items() if file in ("a.pth", "a.onnx")]
    makers = {
        "int8.onnx": lambda out: onnx_file.export(
            checkpoint, out, precision="int8", max_length=length, images=[calibration]
        ),
        "int8.xml": lambda out: onnx_file.export(
            checkpoint, out, precision="int8", max_length=length, images=[calibration]
        ),
        "savedmodel": lambda out: savedmodel.export(checkpoint, out),
    }
    for name, make in makers.items():
        try:
            make(folder / name)
            ways += [way for way, (file, _) in WAYS.items() if file == name]
        except AOCRError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    return ways


def measure(way: str, folder: Path, data: list[bytes], count: int) -> dict[str, Any]:
    """Measures one runtime in this process."""
    started = float(os.environ["BENCHMARK_STARTED"])
    name, settings = WAYS[way]
    if name == "savedmodel":
        return _tensorflow(folder / name, data, count, started)
    import cv2
    import numpy as np

    from aocr_plugin import Recognizer, lazy_packages

    lazy_packages.install()  # as tools/predict.py does
    recognizer = Recognizer(folder / name, **settings)
    recognizer(data[0])
    found: dict[str, Any] = {"start": time.time() - started}
    pixels = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_GRAYSCALE) for one in data]
    found |= _latencies("pixels", recognizer, pixels[:count])
    found |= _latencies("file", recognizer, data[:count])
    for kind, given in (("pixels", pixels), ("file", data)):
        rates = {}
        for batch in BATCHES:
            recognizer.batch_size = batch
            recognizer(given[:batch])
            begun = time.perf_counter()
            texts = [one.text for one in recognizer(given)]
            rates[batch] = len(given) / (time.perf_counter() - begun)
        best = max(rates, key=lambda batch: rates[batch])
        found |= {f"{kind}_per_s": rates[best], f"{kind}_batch": best}
    return found | {"texts": texts, "memory_mib": _peak()}


def _peak() -> float:
    """Returns the process's peak memory in MiB; getrusage would count its parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _latencies(name: str, read: Any, given: list[Any]) -> dict[str, float]:
    for one in given[:5]:
        read(one)
    taken = []
    for one in given:
        begun = time.perf_counter()
        read(one)
        taken.append((time.perf_counter() - begun) * 1e3)
    taken.sort()
    p99 = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    return {f"{name}_ms_p50": statistics.median(taken), f"{name}_ms_p99": p99}


def _tensorflow(folder: Path, data: list[bytes], count: int, started: float) -> dict[str, Any]:
    import tensorflow as tf

    run = tf.saved_model.load(str(folder)).signatures["serving_default"]
    constants = [tf.constant(one) for one in data]

    def read(one: Any) -> Any:
        return run(input=one)["output"].numpy()

    read(constants[0])
    found: dict[str, Any] = {"start": time.time() - started}
    found |= _latencies("file", read, constants[:count])
    begun = time.perf_counter()
    texts = [read(one).decode() for one in constants]
    found["file_per_s"] = len(data) / (time.perf_counter() - begun)
    return found | {"file_batch": 1, "texts": texts, "memory_mib": _peak()}


def main() -> None:
    """Exports, measures, prints a table and writes JSON."""
    calm_threads()  # of the processes that measure, too
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--data", required=True, help="annotation file to read")
    parser.add_argument("--calibration", help="annotation file for int8; default: --data")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--single", type=int, default=100, help="images read one at a time")
    parser.add_argument("--ways", nargs="+", choices=WAYS)
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "results" / "inference.json"))
    parser.add_argument("--max-length", type=int, help="of the exports; see tools/export.py")
    parser.add_argument("--original", help="checkout of the original's TensorFlow 2 port")
    parser.add_argument("--original-weights", help=".npz or prefix of a TensorFlow checkpoint")
    parser.add_argument("--original-flags", default="", help="of aocr test, in one argument")
    parser.add_argument("--original-python", default=sys.executable, help="with TensorFlow")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    args = parser.parse_args()
    data, labels = images(args.data)
    if args.measure:
        print(json.dumps(measure(args.measure, Path(args.checkpoint), data, args.single)))
        return
    runs: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        ways = export(args.checkpoint, args.calibration or args.data, Path(name), args.max_length)
        ways = [way for way in WAYS if way in ways and (not args.ways or way in args.ways)]
        for repeat in range(args.repeats):
            for way in ways[repeat % len(ways) :] + ways[: repeat % len(ways)]:
                words = [sys.executable, __file__, name, "--data", args.data, "--measure", way]
                environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
                environment["BENCHMARK_STARTED"] = str(time.time())
                done = subprocess.run(
                    [*words, "--single", str(args.single)],
                    stdout=subprocess.PIPE,
                    env=environment,
                    check=True,
                )
                runs.setdefault(way, []).append(json.loads(done.stdout.splitlines()[-1]))
                print(f"repeat {repeat + 1} of {args.repeats}: {way}", file=sys.stderr)
            if args.original:
                found = original.measure(
                    args.original,
                    args.original_weights,
                    args.original_flags.split(),
                    args.data,
                    args.original_python,
                )
                runs.setdefault("original", []).append(found)
        sizes = {file: (Path(name) / file) for file, _ in WAYS.values()}
        mib = {f: _mib(p) for f, p in sizes.items() if p.is_file()}
    table = {
        way: summary(found, labels, runs["pytorch"][0]["texts"]) for way, found in runs.items()
    }
    _ratios(table)
    for way, row in table.items():
        row["file_mib"] = mib.get(WAYS[way][0]) if way in WAYS else None
        print(f"{way:17}", *(f"{key} {_short(value)}" for key, value in row.items()))
    report = {
        "data": Path(args.data).parent.name,
        "images": len(data),
        "cores": os.cpu_count(),
        "processor": processor(),
        "medians_of": args.repeats,
        "ways": table,
    }
    Path(args.out).write_text(json.dumps(report, indent=1) + "\n")


def _mib(path: Path) -> float:
    """Returns the size of an export, with the file of weights beside OpenVINO's."""
    weights = path.with_suffix(".bin")
    files = [path, weights] if path.suffix == ".xml" else [path]
    return sum(file.stat().st_size for file in files) / 2**20


def summary(found: list[dict[str, Any]], labels: list[str], right: list[str]) -> dict[str, Any]:
    """Returns the medians of one way's repeats, its accuracy and its differences."""
    row: dict[str, Any] = {
        key: statistics.median(run[key] for run in found) for key in found[0] if key != "texts"
    }
    if "texts" not in found[0]:
        return row
    texts = found[0]["texts"]
    same_case = [label.upper() for label in labels] if right[0].isupper() else labels
    row["accuracy"] = sum(a == b for a, b in zip(texts, same_case, strict=True)) / len(labels)
    row["texts_changed"] = sum(a != b for a, b in zip(texts, right, strict=True))
    return row


def _ratios(table: dict[str, dict[str, Any]]) -> None:
    """Adds how many times faster each way is than the original, or its graph in TensorFlow."""
    base = table.get("original") or table.get("savedmodel")
    for row in table.values() if base else ():
        for kind in ("pixels", "file"):
            if f"{kind}_per_s" in row:
                row[f"{kind}_latency_ratio"] = base["file_ms_p50"] / row[f"{kind}_ms_p50"]
                row[f"{kind}_throughput_ratio"] = row[f"{kind}_per_s"] / base["file_per_s"]


def _short(value: Any) -> str:
    return "-" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()

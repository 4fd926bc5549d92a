"""Reads a TFRecord file here and with TensorFlow: ``python benchmarks/tfrecords.py``.

Each way reads every record of the same file in one process, checksum tested, Example parsed,
image bytes and label given to Python. TensorFlow does it record by record, and in batches of 256,
its fastest way. Every repeat is a process of its own; the order changes with each.

A second, large file is opened and read at random, and opened as a dataset that reads every label:
time and resident memory.
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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
WAYS = ("ours", "ours_random", "tensorflow", "tensorflow_batched")


def make(path: Path, records: int, size: int) -> None:
    """Writes a file of records of random bytes."""
    import numpy as np

    from aocr_plugin.formats.tfrecord import write_record

    noise = np.random.default_rng(0).bytes(4 * size)
    with path.open("wb") as file:
        for number in range(records):
            start = number % (3 * size)
            image = noise[start : start + size]
            write_record(file, {"image": image, "label": b"AB%d" % number})


def read(path: str, way: str) -> tuple[float, int]:
    """Reads a file in one way; returns seconds and bytes of images."""
    if way.startswith("ours"):
        from aocr_plugin.formats.tfrecord import TFRecordFile

        start, total = time.perf_counter(), 0
        source = TFRecordFile(path)
        if way == "ours":
            for number, data in source:
                features = source.parse(number, data)
                total += len(features["image"]) + 0 * len(features["label"])
        else:
            import numpy as np

            for number in np.random.default_rng(0).permutation(len(source)) + 1:
                total += len(source.features(int(number))["image"])
        return time.perf_counter() - start, total
    import tensorflow as tf

    spec = {key: tf.io.FixedLenFeature([], tf.string) for key in ("image", "label")}
    records = tf.data.TFRecordDataset(path)
    if way == "tensorflow":
        parsed = records.map(lambda record: tf.io.parse_single_example(record, spec))
    else:
        parsed = records.batch(256).map(lambda batch: tf.io.parse_example(batch, spec))
    for _ in records.take(1):  # its start-up is not counted
        pass
    start, total = time.perf_counter(), 0
    for example in parsed.as_numpy_iterator():
        images = [example["image"]] if way == "tensorflow" else example["image"]
        total += sum(map(len, images))
    return time.perf_counter() - start, total


def memory() -> float:
    """Returns the most memory that this process had, in MiB; getrusage's begins at its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def open_large(path: str) -> dict[str, float]:
    """Opens a file twice and reads 10,000 records at random; seconds and MiB."""
    import numpy as np

    from aocr_plugin.formats.tfrecord import TFRecordFile

    before = memory()
    start = time.perf_counter()
    source = TFRecordFile(path)
    first = time.perf_counter() - start
    start = time.perf_counter()
    source = TFRecordFile(path)
    again = time.perf_counter() - start
    start = time.perf_counter()
    for number in np.random.default_rng(0).integers(1, len(source) + 1, 10_000):
        source.features(int(number))
    return {
        "records": len(source),
        "first_open_s": first,
        "second_open_s": again,
        "random_reads_10000_s": time.perf_counter() - start,
        "memory_grew_mib": memory() - before,
    }


def open_dataset(path: str) -> dict[str, float]:
    """Builds a dataset, which tests every checksum and sifts every label; seconds and MiB."""
    import aocr_plugin.register  # noqa: F401
    from aocr_plugin.datasets.record_dataset import AOCRRecordDataset

    before = memory()
    start = time.perf_counter()
    dataset = AOCRRecordDataset(path, check_images="exists")
    return {
        "samples": len(dataset),
        "open_s": time.perf_counter() - start,
        "memory_grew_mib": memory() - before,
    }


def child(*words: str) -> object:
    """Runs a part of this script in a process of its own."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, __file__, *words],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures, prints and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--records", type=int, default=20_000, help="of the file read by all")
    parser.add_argument("--size", type=int, default=10_000, help="bytes of an image")
    parser.add_argument("--large", type=float, default=2.0, help="GB of the large file")
    parser.add_argument("--out", default=str(ROOT / "benchmarks/results/tfrecords.json"))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        path, way = args.child
        others = {"large": open_large, "dataset": open_dataset}
        print(json.dumps(others[way](path) if way in others else read(path, way)))
        return
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tfrecords"
        make(path, args.records, args.size)
        for repeat in range(args.repeats):
            for way in WAYS[repeat % len(WAYS) :] + WAYS[: repeat % len(WAYS)]:
                seconds, total = child("--child", str(path), way)  # type: ignore[misc]
                if total != args.records * args.size:
                    raise SystemExit(f"{way} read {total} bytes")
                times[way].append(seconds)
        path.unlink()
        large = Path(folder) / "large.tfrecords"
        make(large, int(args.large * 1e9 / args.size), args.size)
        opened = child("--child", str(large), "large")
        built = child("--child", str(large), "dataset")
    medians = {way: statistics.median(found) for way, found in times.items()}
    result = {
        "records": args.records,
        "bytes_an_image": args.size,
        "seconds": times,
        "medians": medians,
        "times_as_fast_as_tensorflow": medians["tensorflow"] / medians["ours"],
        "times_as_fast_as_tensorflow_batched": medians["tensorflow_batched"] / medians["ours"],
        "large_file": opened,
        "large_file_as_dataset": built,
    }
    Path(args.out).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

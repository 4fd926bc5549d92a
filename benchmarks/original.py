"""Runs the original, its ``aocr test`` and its training steps, to be measured beside.

Needs a checkout of its TensorFlow 2 port and an interpreter with TensorFlow; nothing of it is here.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import turns

_LINE = re.compile(
    r"Step \d+ \((?P<seconds>[\d.]+)s\).*(?:\((?P<text>.*) vs .*\)|% \((?P<right>.*)\))"
)
_SAVE = """
import sys, numpy as np, tensorflow as tf
with np.load(sys.argv[1]) as found:
    names = [name for name in found.files]
    values = [tf.constant(found[name]) for name in names]
names = [name.replace("|", "/") for name in names]
tf.raw_ops.SaveV2(prefix=sys.argv[2], tensor_names=names, shape_and_slices=[""] * len(names),
                  tensors=values)
"""
_TRAIN = """
import io, json, sys, tempfile, time
import numpy as np, tensorflow as tf
from PIL import Image
from aocr.defaults import Config
from aocr.model.model import Model
from aocr.util.bucketdata import BucketData

width, warm_up, steps = map(int, sys.argv[1:])
chance = np.random.default_rng(0)
shape = {86: (160, 60)}.get(width, (width, 32))  # --max-width, --max-height

def example():
    file = io.BytesIO()
    Image.fromarray(chance.integers(0, 256, (32, width), np.uint8)).save(file, "PNG")
    word = chance.integers(3, 39, chance.integers(5, Config.MAX_PREDICTION + 1))
    return file.getvalue(), np.array([1, *word, 2], np.int32), b"", b""

with tf.compat.v1.Session(config=tf.compat.v1.ConfigProto(allow_soft_placement=True)) as session:
    model = Model(
        "train", False, ".", Config.BATCH_SIZE, Config.INITIAL_LEARNING_RATE, 10**9,
        tempfile.mkdtemp(dir="."), Config.TARGET_EMBEDDING_SIZE, Config.ATTN_NUM_HIDDEN,
        Config.ATTN_NUM_LAYERS, Config.CLIP_GRADIENTS, Config.MAX_GRADIENT_NORM, session, False,
        Config.GPU_ID, False, max_image_width=shape[0], max_image_height=shape[1],
        max_prediction_length=Config.MAX_PREDICTION, channels=Config.CHANNELS,
    )
    assert model.max_width == width, model.max_width
    seconds = []
    for _ in range(warm_up + steps):
        data = BucketData()
        for _ in range(Config.BATCH_SIZE):
            data.append(*example())
        data = data.flush_out(model.buckets)
        print("ready", flush=True)
        sys.stdin.readline()
        begun = time.perf_counter()
        loss = model.step(data, False)["loss"]
        seconds.append(time.perf_counter() - begun)
peak = [x.split()[1] for x in open("/proc/self/status") if x.startswith("VmHWM")][0]
print(json.dumps({
    "images_per_s": Config.BATCH_SIZE / float(np.median(seconds[warm_up:])), "loss": float(loss),
    "memory_mb": int(peak) * 1024 / 1e6, "size": [1, 32, width], "batch": Config.BATCH_SIZE,
    "tensorflow": tf.__version__,
}))
"""


def environment(checkout: str) -> dict[str, str]:
    """Returns the environment in which the original's package is found."""
    paths = [str(Path(checkout).resolve()), os.environ.get("PYTHONPATH", "")]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return found | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def train(settings: dict[str, Any], width: int, warm_up: int, steps: int) -> dict[str, Any]:
    """Times training steps of the original's ``Model`` with its defaults: batch 65, 10 steps.

    Each waits for its turn (``turns.py``).

    Args:
        settings: ``checkout`` (folder that holds the package ``aocr``) and ``python``.
        width: columns of the network's input: 86 (its defaults) or another. The images fed are
            files of that size, so that little but decoding them is left to the graph.
        warm_up: steps that are not counted.
        steps: steps whose median counts.

    Returns:
        ``images_per_s``, ``memory_mb`` (peak, 10^6 bytes), ``size``, ``batch``, ``tensorflow``.
    """
    line = [settings["python"], "-c", _TRAIN, str(width), str(warm_up), str(steps)]
    said = ""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            line,
            cwd=folder,
            env=environment(settings["checkout"]),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process:
            for said in process.stdout:
                if said == turns.READY:
                    print(said, end="", flush=True)  # the answer goes straight to the process
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"the original ended with an error:\n{errors.read()[-2000:]}")
    return json.loads(said)


def read_files(settings: dict[str, Any], files: list[str]) -> dict[str, Any]:
    """Times ``aocr test`` on image files, whatever their texts.

    Args:
        settings: ``checkout``, ``python``, ``weights`` and ``flags``, as for :func:`measure`.
        files: of images; those wider than its ``--max-width`` it drops.

    Returns:
        ``ms`` and ``images_per_s`` of its log, one image at a time; ``images`` that it read;
        ``file_mb``; or ``left_out``, a reason.
    """
    if not settings["weights"]:
        return {"left_out": "no weights of the original are given"}
    with tempfile.TemporaryDirectory() as folder:
        annotations = Path(folder) / "files.txt"
        annotations.write_text("".join(f"{file} 0\n" for file in files))
        flags = settings["flags"].split()
        found = measure(
            settings["checkout"], settings["weights"], flags, str(annotations), settings["python"]
        )
    weights = Path(settings["weights"])
    parts = [weights] if weights.suffix == ".npz" else weights.parent.glob(f"{weights.name}.*")
    return {
        "ms": found["file_ms_p50"],
        "images_per_s": found["file_per_s"],
        "images": found["images"],
        "file_mb": sum(part.stat().st_size for part in parts) / 1e6,
    }


def _model_folder(weights: Path, folder: Path, python: str) -> Path:
    """Returns a folder with the weights as the original finds them.

    Args:
        weights: an ``.npz`` with TensorFlow's names, or the prefix of a TensorFlow checkpoint.
        folder: to put it in.
        python: interpreter with TensorFlow.
    """
    prefix = folder / "model.ckpt-1"
    if weights.suffix == ".npz":
        subprocess.run([python, "-c", _SAVE, str(weights), str(prefix)], check=True)
    else:
        for file in weights.parent.glob(f"{weights.name}.*"):
            os.symlink(file.resolve(), folder / file.name.replace(weights.name, prefix.name, 1))
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-1"\n')
    return folder


def measure(
    checkout: str, weights: str, flags: list[str], annotations: str, python: str = sys.executable
) -> dict[str, Any]:
    """Reads a set with ``aocr test``; returns what its own log says.

    Args:
        checkout: folder that holds the package ``aocr``.
        weights: see :func:`_model_folder`.
        flags: of ``aocr test``, such as ``--max-width=200``.
        annotations: annotation file.
        python: interpreter with TensorFlow, NumPy, Pillow, six and distance.

    Returns:
        ``file_ms_p50`` and ``file_ms_p99`` of an image, ``file_per_s``, ``accuracy``, ``images``.
    """
    from aocr_plugin.cli.aocr.main import main as aocr

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = os.getcwd()
        os.chdir(Path(annotations).resolve().parent)
        try:
            records = str(folder / "set.tfrecords")
            log = f"--log-path={folder / 'ours.log'}"
            if aocr(["dataset", Path(annotations).name, records, log]):
                raise SystemExit(f"{annotations}: cannot be written as TFRecords")
        finally:
            os.chdir(home)
        _model_folder(Path(weights), folder, python)
        begun = time.time()
        done = subprocess.run(
            [
                *(python, "-m", "aocr", "test", records, "--model-dir", name, *flags),
                *("--log-path", str(folder / "aocr.log")),
            ],
            cwd=folder,
            env=environment(checkout),
            capture_output=True,
            text=True,
        )
        whole = time.time() - begun
        if done.returncode:
            raise SystemExit(f"the original ended with an error:\n{done.stderr[-2000:]}")
        found = [m for m in map(_LINE.search, (folder / "aocr.log").read_text().splitlines()) if m]
    if not found:
        raise SystemExit("the original's log has no line of a step")
    milliseconds = [float(m["seconds"]) * 1e3 for m in found[1:]]  # the first builds the graph
    milliseconds.sort()
    return {
        "start": whole - sum(milliseconds) / 1e3,
        "file_ms_p50": statistics.median(milliseconds),
        "file_ms_p99": milliseconds[int(len(milliseconds) * 0.99)],
        "file_per_s": 1e3 * len(milliseconds) / sum(milliseconds),
        "file_batch": 1,
        "accuracy": sum(m["right"] is not None for m in found) / len(found),
        "images": len(found),
    }

"""Runs the original ``aocr test`` where it is installed, to be measured beside.

Needs a checkout of its TensorFlow 2 port and an interpreter with TensorFlow; nothing of it is here.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
        paths = [str(Path(checkout).resolve()), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
        begun = time.time()
        done = subprocess.run(
            [
                *(python, "-m", "aocr", "test", records, "--model-dir", name, *flags),
                *("--log-path", str(folder / "aocr.log")),
            ],
            cwd=folder,
            env=environment,
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

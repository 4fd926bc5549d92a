"""Runs a script in a process with TensorFlow, which stays out of the tests' own."""

import importlib.util
import os
import subprocess
import sys

import pytest


def run_tensorflow(script: str, *words: str) -> str:
    """Runs Python code, in which tf and np are imported, and returns what it printed."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install 'aocr-plugin[tensorflow]'")
    heading = "import sys\nimport numpy as np\nimport tensorflow as tf\n"
    done = subprocess.run(
        [sys.executable, "-c", heading + script, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout

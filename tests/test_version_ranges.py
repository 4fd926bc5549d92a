"""Both ends of the ranges that setup.py allows for what every install has.

The rest of the stack stays as it is: MMOCR, MMEngine and MMDetection have ranges of one tested
release, and of PyTorch no other CPU build may be at hand.
"""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

TESTED = ("annotations", "charset", "dataset", "format_faults", "images", "network", "samplers")
_REQUIRED = re.search(r"install_requires=\[(.*?)\]", (ROOT / "setup.py").read_text(), re.S)[1]
RANGES = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', _REQUIRED))


def lowest(name: str, version: str) -> str:
    """Returns what pip calls the oldest release; OpenCV's have a fourth number."""
    return f"{name}=={version}.0.*" if name == "opencv-python" else f"{name}=={version}"


WANTED = {
    "lowest": [lowest(name, version) for name, version in RANGES.items()],
    "newest": [f"{name}>={version}" for name, version in RANGES.items()],
}


@pytest.mark.parametrize("end", WANTED)
def test_an_end_of_the_ranges(end, tmp_path):
    assert len(RANGES) == _REQUIRED.count(">=") == 8
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    pip += ["--upgrade", "--target", str(tmp_path / "packages"), *WANTED[end]]
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"pip installs no such set here: {installed.stderr.strip().splitlines()[-1]}")
    versions = (
        "import cv2, numpy, PIL, sys; from importlib.metadata import version;"
        "assert numpy.__file__.startswith(sys.argv[1]), numpy.__file__;"
        "print(*(version(name) for name in sys.argv[2:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "packages")}
    run = {"capture_output": True, "text": True, "cwd": ROOT, "env": environment}
    names = [str(tmp_path), *RANGES]
    told = subprocess.run([sys.executable, "-c", versions, *names], **run)
    assert told.returncode == 0, told.stderr
    files = [f"tests/test_{name}.py" for name in TESTED]
    pytest_line = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", *files]
    done = subprocess.run([*pytest_line, "-p", "no:cacheprovider"], **run)
    print(dict(zip(RANGES, told.stdout.split(), strict=True)), done.stdout[-300:])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]

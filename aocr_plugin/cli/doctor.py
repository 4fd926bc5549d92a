"""Looks at the installed stack: ``tools/doctor.py``. Works where the stack is broken."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "opencv-python",
    "pillow",
    "mmengine",
    "mmcv",
    "mmdet",
    "mmocr",
    "setuptools",
    "rapidfuzz",
    "imgaug",
    "lmdb",
    "fsspec",
    "simplejpeg",
    "google-crc32c",
)
_ALTERNATIVES = {"mmcv": "mmcv-lite", "opencv-python": "opencv-python-headless"}
_CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
_PROBE = """
import json
from aocr_plugin import mends
import mmocr.registry
import aocr_plugin.register
import torch
import google_crc32c
from aocr_plugin.engine.optim_wrapper import cpu_bf16_pays
print("PROBE" + json.dumps(dict(
    mended=mends.APPLIED,
    reasons=mends.reasons(),
    crc=google_crc32c.implementation,
    gpus=[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    threads=torch.get_num_threads(),
    bf16=cpu_bf16_pays(),
)))
"""
_KNOWN = {
    "torchvision::": "torchvision and torch are of different builds; install the pair of "
    "constraints.txt",
    "mmcv._ext": "mmcv has no compiled operators and the mend for it did not run",
    "is incompatible": "a version is out of MMOCR's range",
    "sctypes": "imgaug does not run with this NumPy",
}


def _version(package: str) -> tuple[str, str] | None:
    """Returns (name, version) of a package or of what may stand in for it."""
    for name in (package, _ALTERNATIVES.get(package)):
        if name:
            try:
                return name, importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return None


def tested_versions() -> dict[str, str]:
    """Returns the pinned versions of constraints.txt, by package; nothing outside a checkout."""
    if not _CONSTRAINTS.exists():
        return {}
    lines = _CONSTRAINTS.read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def _pip(*requirements: str) -> str:
    constraint = "-c constraints.txt " if _CONSTRAINTS.exists() else ""
    return f"{sys.executable} -m pip install {constraint}" + " ".join(
        f"'{r}'" for r in requirements
    )


def packages() -> tuple[list[str], list[str]]:
    """Returns the lines of the table of versions, and the missing packages' pip names."""
    tested = tested_versions()
    lines, missing = [], []
    for package in _PACKAGES:
        found = _version(package)
        name = found[0] if found else _ALTERNATIVES.get(package, package)
        pin = tested.get(name, tested.get(package, ""))
        if found is None:
            missing.append(f"{name}=={pin}" if pin else name)
            lines.append(f"  {package:<16} missing")
            continue
        same = not pin or found[1].split("+")[0] == pin
        lines.append(f"  {name:<16} {found[1]:<14}" + ("" if same else f" (tested: {pin})"))
    return lines, missing


def probe() -> tuple[dict[str, object] | None, str]:
    """Imports everything in a process of its own.

    Returns:
        What it found, or None and the error's text.
    """
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", _PROBE],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith("PROBE"):
            return json.loads(line[5:]), ""
    return None, done.stderr.strip() or f"the process ended with {done.returncode}"


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns 0 where everything runs, else 1."""
    parser = argparse.ArgumentParser(
        prog="doctor.py", description="Shows versions, mends, and what is missing with its cure."
    )
    parser.add_argument("--traceback", action="store_true", help="show a failed import in full")
    args = parser.parse_args(argv)
    print(f"Python {platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    print("packages:")
    lines, missing = packages()
    print("\n".join(lines))
    if sys.version_info < (3, 11):  # noqa: UP036
        print("Python 3.11 or newer is needed; make a virtual environment with it")
        return 1
    if missing:
        print(f"missing: {', '.join(missing)}\n  cure: {_pip(*missing)}")
        return 1
    found, error = probe()
    if found is None:
        print(f"importing fails: {error if args.traceback else error.splitlines()[-1]}")
        for sign, meaning in _KNOWN.items():
            if sign in error:
                print(f"  meaning: {meaning}")
        pins = [f"{name}=={version}" for name, version in tested_versions().items()]
        print(
            "  cure, the tested set: " + (_pip("-e .[cpu]") if pins else _pip("aocr-plugin[cpu]"))
        )
        return 1
    mended = found["mended"]
    reasons = found["reasons"]
    print("mended:" if mended else "mended: nothing, the stack needs no mend")
    if isinstance(mended, list) and isinstance(reasons, dict):
        for name in mended:
            print(f"  {name}: {reasons[name]}")
    if found["crc"] != "c":
        print("google-crc32c runs in pure Python here: reading TFRecords is slow")
    gpus = found["gpus"]
    print("GPU: " + (", ".join(gpus) if isinstance(gpus, list) and gpus else "none"))
    print(f"CPU threads: {found['threads']}; bfloat16 is {'' if found['bf16'] else 'not '}faster")
    print("all well")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Seconds from the start of a program to the first text.

    python benchmarks/start_up.py IMAGE                 # the recogniser that comes along
    python benchmarks/start_up.py IMAGE --model best.pth --repeats 15

Each way is a process of its own, and the ways take turns:

- checkpoint: ``tools/predict.py`` with a ``.pth`` file;
- checkpoint, all imported: the same without ``aocr_plugin.lazy_packages``, so that all of MMOCR is;
- torch: ``import torch`` alone, below which nothing that reads with PyTorch can be;
- export: ``tools/predict.py`` with the ``.onnx`` file beside it, where there is one.

Standing are medians, and medians of each round's ratio to the checkpoint. Figures go to
``benchmarks/results/start_up.json``.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import processor

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = "checkpoint"


def ways(model: Path, image: Path) -> dict[str, list[str]]:
    """Returns the command lines by the ways' names."""
    tool = str(ROOT / "tools" / "predict.py")
    found = {
        REFERENCE: [tool, str(model), str(image)],
        "checkpoint, all imported": ["-m", "aocr_plugin.cli.predict", str(model), str(image)],
        "torch": ["-c", "import torch; print()"],
    }
    export = model.with_suffix(".onnx")
    if export.is_file():
        found["export"] = [tool, str(export), str(image)]
    return found


def seconds(words: list[str]) -> float:
    """Returns how long a program takes to its first line.

    Raises:
        SystemExit: it printed none.
    """
    begun = time.perf_counter()
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, cwd=ROOT) as process:
        line = process.stdout.readline() if process.stdout else b""
        taken = time.perf_counter() - begun
    if not line or process.returncode:
        raise SystemExit(f"error: {' '.join(words)} printed nothing or failed")
    return taken


def main() -> None:
    """Measures, prints a table and writes JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("image", type=Path)
    weights = ROOT / "aocr_plugin" / "weights" / "english.pth"
    parser.add_argument("--model", type=Path, default=weights, help="checkpoint")
    parser.add_argument("--repeats", type=int, default=9, help="rounds, after one that warms up")
    results = ROOT / "benchmarks" / "results"
    parser.add_argument("--out", type=Path, default=results / "start_up.json")
    args = parser.parse_args()
    lines = ways(args.model.resolve(), args.image.resolve())
    rounds = []
    for number in range(args.repeats + 1):
        order = list(lines) if number % 2 else list(reversed(lines))
        rounds.append({name: seconds(lines[name]) for name in order})
        print(f"round {number} of {args.repeats}", file=sys.stderr)
    del rounds[0]  # files come into the system's cache
    table = {
        name: {
            "seconds": statistics.median(one[name] for one in rounds),
            "times": statistics.median(one[name] / one[REFERENCE] for one in rounds),
        }
        for name in lines
    }
    print("| to the first text | s | times the checkpoint's |\n|---|---|---|")
    for name, row in table.items():
        print(f"| {name} | {row['seconds']:.2f} | {row['times']:.2f} |")
    report = {"processor": processor(), "model": args.model.name, "repeats": args.repeats}
    args.out.write_text(json.dumps(report | {"ways": table, "rounds": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    main()

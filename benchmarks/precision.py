"""What a network reads that learnt in bfloat16, beside one that learnt in float32, steps alike.

    python benchmarks/precision.py --data DATA

Trains ``aocr_captcha5_classic`` for the same steps from the same seeds in both precisions and reads
the testing split with the last step's weights. Only the accuracies are compared: where a processor
has no bfloat16 it computes what one that has it would, more slowly. Writes
``benchmarks/results/precision.json``.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import machine

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs" / "aocr_captcha5_classic.py"
SET = "captcha5_classic"
PARTS = ("train", "val", "test")


def run(tool: str, *words: str) -> str:
    """Returns what a tool printed.

    Raises:
        SystemExit: it failed.
    """
    line = [sys.executable, str(ROOT / "tools" / f"{tool}.py"), str(CONFIG), *words]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)}\n{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def learn(precision: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Trains and tests once."""
    options = [f"{part}_dataloader.dataset.data_root={args.data / SET}" for part in PARTS]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        options += [f"train_cfg.max_iters={args.steps}", f"train_cfg.val_interval={args.steps}"]
        options += [f"optim_wrapper.precision={precision}", f"randomness.seed={seed}"]
        run("train", "--work-dir", folder, "--cfg-options", *options)
        seconds = time.monotonic() - begun
        last = Path(folder) / f"iter_{args.steps}.pth"
        said = run("test", str(last), "--work-dir", folder, "--cfg-options", *options)
    accuracy = re.findall(r"recog/word_acc: ([\d.]+)", said)[-1]
    return {"seed": seed, "word_acc": float(accuracy), "training_s": round(seconds, 1)}


def main() -> None:
    """Trains in both precisions, seeds by turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--steps", type=int, default=300, help="of 32 images (default 300)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings in each (default 3)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/precision.json")
    args = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {"fp32": [], "bf16": []}
    for seed in range(args.seeds):
        for precision, runs in found.items():
            runs.append(learn(precision, seed, args))
            print(precision, runs[-1], flush=True)
            result = {"machine": machine(), "set": SET, "steps": args.steps} | found
            args.out.write_text(json.dumps(result, indent=1) + "\n")
    for precision, runs in found.items():
        print(precision, "median", statistics.median(run["word_acc"] for run in runs))


if __name__ == "__main__":
    main()

"""Wall time from nothing to a given accuracy on a real set, and what the original reaches in more.

    python benchmarks/time_to_accuracy.py --data DATA --original CHECKOUT

Trains ``configs/aocr_captcha5_classic.py`` from nothing with several seeds; the time is that from
the start of the command to the end of the first validation with the accuracy wanted. It is the
testing split that is looked at, every few steps, since the question is when it is read well;
nothing is chosen by it. Then ``aocr train`` of the original learns the same images at its defaults
for ``--times`` as long, is stopped, and its last checkpoint reads the same split.
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

import original
from machine import machine
from real_sets import RESULTS, ROOT

NAME = "captcha5_classic"
_FLAGS = ["--max-width=200", "--max-height=50"]
_VALIDATED = re.compile(r"Iter\(val\).*recog/word_acc: ([\d.]+)")
_STEP = re.compile(r"Step (\d+):")


def ours(data: Path, goal: float, seed: int, every: int) -> dict[str, Any]:
    """Trains one seed until the goal; returns seconds, steps and the accuracy.

    Raises:
        SystemExit: training ended without it.
    """
    options = [
        f"{part}_dataloader.dataset.data_root={data}" for part in ("train", "val", "test")
    ] + [
        "val_dataloader.dataset.ann_file=annotations-testing.txt",
        f"train_cfg.val_interval={every}",
        f"randomness.seed={seed}",
    ]
    steps = 0
    with tempfile.TemporaryDirectory() as work:
        words = [str(ROOT / "tools" / "train.py"), str(ROOT / "configs" / f"aocr_{NAME}.py")]
        words += ["--work-dir", work, "--cfg-options", *options]
        start = time.perf_counter()
        training = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in training.stdout or ():
            if found := _VALIDATED.search(line):
                steps += every
                if float(found[1]) >= goal:
                    seconds = time.perf_counter() - start
                    training.terminate()
                    training.wait()
                    return {"seconds": seconds, "steps": steps, "accuracy": float(found[1])}
        raise SystemExit(f"seed {seed} ended with code {training.wait()} below {goal}")


def theirs(args: argparse.Namespace, data: Path, seconds: float) -> dict[str, Any]:
    """Lets the original train for a time; returns steps, seconds and its accuracy."""
    from aocr_plugin.cli.aocr.main import main as aocr

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records, models = str(folder / "set.tfrecords"), folder / "models"
        lines = (data / "annotations-training.txt").read_text().splitlines()
        whole = folder / "training.txt"
        whole.write_text("".join(f"{data / line}\n" for line in lines))
        if aocr(["dataset", str(whole), records, f"--log-path={folder / 'ours.log'}"]):
            raise SystemExit("the training split cannot be written as TFRecords")
        log = folder / "aocr.log"
        words = ["-m", "aocr", "train", records, *_FLAGS, "--model-dir", str(models)]
        words += ["--steps-per-checkpoint=10", "--log-path", str(log)]
        environment = original.environment(args.original)
        start = time.perf_counter()
        with (folder / "output.log").open("w") as output:
            training = subprocess.Popen(
                [args.original_python, *words],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=output,
            )
            try:
                ended = training.wait(seconds)
                raise SystemExit(
                    f"the original ended with code {ended} after "
                    f"{time.perf_counter() - start:.0f} s: {(folder / 'output.log').read_text()}"
                )
            except subprocess.TimeoutExpired:
                training.kill()
                training.wait()
        steps = len(_STEP.findall(log.read_text()))
        prefixes = sorted(models.glob("*.index"), key=lambda path: path.stat().st_mtime)
        if not prefixes:
            return {"seconds": seconds, "steps": steps, "accuracy": 0.0, "checkpoint": None}
        annotations = str(data / "annotations-testing.txt")
        prefix = prefixes[-1].with_suffix("")
        found = original.measure(
            args.original, str(prefix), _FLAGS, annotations, args.original_python
        )
    return {
        "seconds": seconds,
        "steps": steps,
        "accuracy": found["accuracy"],
        "checkpoint": prefix.name,
    }


def main() -> None:
    """Measures, prints and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--original", help="checkout of the original's TensorFlow 2 port")
    parser.add_argument("--original-python", default=sys.executable, help="with TensorFlow")
    parser.add_argument("--goal", type=float, default=0.95)
    parser.add_argument("--times", type=float, default=4, help="as long has the original (4)")
    parser.add_argument("--repeats", type=int, default=5, help="seeds (5)")
    parser.add_argument("--every", type=int, default=10, help="steps between validations (10)")
    parser.add_argument("--out", type=Path, default=RESULTS / "time_to_accuracy.json")
    args = parser.parse_args()
    data = args.data.resolve() / NAME
    runs = []
    for seed in range(args.repeats):
        runs.append(ours(data, args.goal, seed, args.every))
        print(f"seed {seed}: {runs[-1]['seconds']:.0f} s, {runs[-1]['steps']} steps", flush=True)
    middle = statistics.median(run["seconds"] for run in runs)
    report: dict[str, Any] = {"set": NAME, "goal": args.goal, "ours": runs, "median": middle}
    print(f"{args.goal} on the testing split after {middle:.0f} s (median)")
    if args.original:
        found = report["original"] = theirs(args, data, args.times * middle)
        print(
            f"the original, after {found['seconds']:.0f} s and {found['steps']} steps: "
            f"{found['accuracy']:.3f}"
        )
    args.out.write_text(json.dumps(report | {"machine": machine()}, indent=1) + "\n")


if __name__ == "__main__":
    main()

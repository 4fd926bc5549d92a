"""Trains on real sets from nothing and from weights that come along, step for step alike.

    python benchmarks/finetuning.py --data DATA captcha5_classic plates_us sroie_lines iam_words

Both runs of a set have the same config, seed, data and number of steps; ``--finetune`` is the only
difference. Only the training split is learnt from, only the validation split chooses the
checkpoint, and the testing split is read once, at the end. ``benchmarks/results/finetuning.json``
has the figures, ``finetuning.png`` the validation accuracy against steps.
"""

import argparse
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from machine import machine
from real_sets import RESULTS, ROOT, run

sys.path.insert(0, str(ROOT))

from aocr_plugin.visualization.curves import read_scalars

STEPS = {"captcha5_classic": 200, "plates_us": 400, "sroie_lines": 200, "iam_words": 200}


def measure(name: str, weights: str | None, steps: int, data: Path, work: Path) -> dict[str, Any]:
    """Trains and tests one run; returns its record."""
    config = str(ROOT / "configs" / f"aocr_{name}.py")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    parts = ("train", "val", "test")
    roots = [f"{part}_dataloader.dataset.data_root={data / name}" for part in parts]
    options = [*roots, f"train_cfg.max_iters={steps}", f"train_cfg.val_interval={steps // 20}"]
    begin = ["--finetune", weights] if weights else []
    log = work / "output.log"
    seconds = run(
        *("train", config, "--work-dir", str(work), *begin, "--cfg-options", *options), log=log
    )
    run("test", config, str(work / "best.pth"), "--cfg-options", *roots, log=log)
    tested = json.loads((work / "metrics.json").read_text())
    return {
        "validation": {
            entry["step"]: round(entry["recog/word_acc"], 4)
            for entry in read_scalars(work)
            if "recog/word_acc" in entry
        },
        "testing": {key: tested[key] for key in ("recog/word_acc", "recog/samples")},
        "training_wall_seconds": round(seconds, 1),
    }


def draw(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Draws the validation accuracy of every run, a panel a set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        1, len(found), figsize=(3.4 * len(found), 3.2), layout="constrained", squeeze=False
    )
    for axes, (name, runs) in zip(panels[0], found.items(), strict=True):
        for start, record in runs.items():
            points = {int(step): value for step, value in record["validation"].items()}
            tested = record["testing"]["recog/word_acc"]
            label = f"from {start}: {tested:.3f} in testing"
            axes.plot(points.keys(), points.values(), marker=".", label=label)
        axes.set(title=name, xlabel="step", ylim=(-0.02, 1.02))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    panels[0][0].set_ylabel("word accuracy, validation")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=sorted(STEPS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--weights", default="english", help="to begin with (english)")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/finetuning"))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (1)")
    parser.add_argument("--out", type=Path, default=RESULTS / "finetuning.json")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // args.jobs)))
    starts = {"nothing": None, Path(args.weights).stem: args.weights}

    def one(run: tuple[str, str]) -> dict[str, Any]:
        name, start = run
        work = args.work_dir / f"{name}-{start}"
        record = measure(name, starts[start], STEPS[name], args.data.resolve(), work)
        tested = record["testing"]
        print(
            f"{name} from {start}: {tested['recog/word_acc']:.4f} on "
            f"{tested['recog/samples']:.0f} testing images, {STEPS[name]} steps",
            flush=True,
        )
        return record

    runs = [(name, start) for name in args.names for start in starts]
    with ThreadPoolExecutor(args.jobs) as pool:
        records = dict(zip(runs, pool.map(one, runs), strict=True))
    found = {name: {start: records[name, start] for start in starts} for name in args.names}
    report = {"seed": 0, "steps": STEPS, "runs": found, "machine": machine()}
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    draw(found, args.out.with_suffix(".png"))


if __name__ == "__main__":
    main()

"""Trains configs on real sets, tests them, and writes what came of it.

    python benchmarks/real_sets.py --data DATA captcha5_classic captcha6_plain original

DATA is a folder of sets, each with ``annotations-{training,validation,testing}.txt``. Only the
training split is learnt from and only the validation split chooses the checkpoint; the testing
split is read once, at the end. For each name ``benchmarks/results/NAME.json`` (figures, seed,
machine, versions, command), ``NAME.log`` (the training's log) and ``NAME.png`` (learning curve)
are written.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from machine import machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from aocr_plugin.visualization.curves import draw_learning_curve, read_scalars  # noqa: E402

RESULTS = Path(__file__).resolve().parent / "results"
RUNS = {
    "captcha5_classic": ("aocr_captcha5_classic", "captcha5_classic"),
    "captcha6_plain": ("aocr_captcha6_plain", "captcha6_plain"),
    "captcha4_digits": ("aocr_captcha4_digits", "captcha4_digits"),
    "plates_us": ("aocr_plates_us", "plates_us"),
    "sroie_lines": ("aocr_sroie_lines", "sroie_lines"),
    "original": ("aocr_original_captcha5_classic", "captcha5_classic"),
}


def run(tool: str, *arguments: str, log: Path) -> float:
    """Runs a tool; returns its wall time in seconds, start and imports included."""
    start = time.time()
    command = [sys.executable, str(ROOT / "tools" / f"{tool}.py"), *arguments]
    with log.open("a") as file:
        subprocess.run(command, check=True, stdout=file, stderr=subprocess.STDOUT)
    return time.time() - start


def measure(name: str, data: Path, work: Path, reuse: bool) -> dict[str, Any]:
    """Trains (unless reused) and tests one run; returns its record."""
    config_name, set_name = RUNS[name]
    config, work_dir = str(ROOT / "configs" / f"{config_name}.py"), work / name
    reuse = reuse and (work_dir / "best.pth").exists()
    if not reuse:
        shutil.rmtree(work_dir, ignore_errors=True)
    work_dir.mkdir(parents=True, exist_ok=True)
    folder = data / set_name
    roots = [f"{part}_dataloader.dataset.data_root={folder}" for part in ("train", "val", "test")]
    log = work_dir / "output.log"
    wall = None
    if not reuse:
        wall = run("train", config, "--work-dir", str(work_dir), "--cfg-options", *roots, log=log)
    run("test", config, str(work_dir / "best.pth"), "--cfg-options", *roots, log=log)
    scalars = read_scalars(work_dir)
    steps = [entry for entry in scalars if "loss" in entry]
    gaps = [b["step"] - a["step"] for a, b in zip([{"step": 0}, *steps], steps, strict=False)]
    return {
        "name": name,
        "command": f"python benchmarks/real_sets.py --data DATA {name}",
        "config": f"configs/{config_name}.py",
        "set": set_name,
        "seed": 0,
        "steps": steps[-1]["step"],
        "training_wall_seconds": None if wall is None else round(wall, 1),
        "training_steps_seconds": round(
            sum(gap * entry["time"] for gap, entry in zip(gaps, steps, strict=True)), 1
        ),
        "validation": {
            str(entry["step"]): round(entry["recog/word_acc"], 4)
            for entry in scalars
            if "recog/word_acc" in entry
        },
        "testing": json.loads((work_dir / "metrics.json").read_text()),
        "machine": machine(),
    }


def short_log(work_dir: Path) -> str:
    """Returns the lines of the training's log that tell its course, without paths."""
    logs = sorted(work_dir.glob("*/2*.log"))
    wanted = re.compile(r"Iter\((train|val)\)|samples,|saved as best")
    lines = [line for log in logs for line in log.read_text().splitlines() if wanted.search(line)]
    return "\n".join(re.sub(r"/\S*/(annotations-\w+\.txt)", r"\1", line) for line in lines) + "\n"


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=sorted(RUNS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/benchmarks"))
    parser.add_argument("--reuse", action="store_true", help="test finished trainings again")
    args = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    for name in args.names:
        record = measure(name, args.data.resolve(), args.work_dir, args.reuse)
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n")
        (RESULTS / f"{name}.log").write_text(short_log(args.work_dir / name))
        accuracy, count = record["testing"]["recog/word_acc"], record["testing"]["recog/samples"]
        title = f"{name}: word accuracy {accuracy:.4f} on {count:.0f} testing images"
        draw_learning_curve({name: args.work_dir / name}, RESULTS / f"{name}.png", title)
        print(f"{title}; {record['steps']} steps, {record['training_wall_seconds']} s")


if __name__ == "__main__":
    main()

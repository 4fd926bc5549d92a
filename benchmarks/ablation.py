"""What each part of aocr_english's recipe brings: trained without it, everything else alike.

    python benchmarks/ablation.py --jobs 2 --finetune english --steps 250

Draws images of words of at most 6 characters for training and others, of the same words, for
testing, trains ``configs/aocr_english_end.py`` on them, once a variant and seed, from nothing or
from given weights, each image seen once, and tests the last step. Real images play no part.
``benchmarks/results/ablation.json`` has every run; a table goes to standard output.
"""

import argparse
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean
from typing import Any

from machine import machine
from real_sets import RESULTS, ROOT, run

BATCH = 32
VARIANTS = {
    "the recipe": "",
    "constant learning rate": (
        "param_scheduler = ["
        "dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100)]"
    ),
    "no averages of the weights": "custom_hooks = []",
    "dropout 0.2 and 0.1, as aocr_base": (
        "model = dict(backbone=dict(dropout=0.2), decoder=dict(dropout=0.1))"
    ),
    "label smoothing 0.1": "model = dict(decoder=dict(module_loss=dict(label_smoothing=0.1)))",
    "LineJitter as in aocr_base": (
        "train_dataloader['dataset']['pipeline'] = [dict(step, affine=0.5, blur=0.2, noise=0.2) "
        "if step['type'] == 'LineJitter' else step for step in _base_.train_pipeline]"
    ),
    "no LineJitter": (
        "train_dataloader['dataset']['pipeline'] = "
        "[step for step in _base_.train_pipeline if step['type'] != 'LineJitter']"
    ),
}


def write_config(path: Path, variant: str, drawn: Path, steps: int, seed: int) -> None:
    """Writes the config of a run."""
    dataset = f"dict(data_root={str(drawn)!r}, ann_file='training.tfrecords')"
    testing = (
        f"dict(type='AOCRRecordDataset', data_root={str(drawn)!r}, ann_file='testing.tfrecords', "
        "pipeline=_base_.test_pipeline, test_mode=True, _delete_=True)"
    )
    lines = [
        f"_base_ = [{str(ROOT / 'configs' / 'aocr_english_end.py')!r}]",
        f"train_cfg = dict(max_iters={steps}, val_interval={steps})",
        f"randomness = dict(seed={seed})",
        f"train_dataloader = dict(batch_size={BATCH}, num_workers=1, dataset={dataset})",
        f"val_dataloader = dict(dataset={testing})",
        f"test_dataloader = dict(dataset={testing})",
        VARIANTS[variant],
    ]
    path.write_text("\n".join(lines) + "\n")


def measure(
    variant: str, seed: int, steps: int, weights: str | None, drawn: Path, work: Path
) -> dict[str, Any]:
    """Trains and tests one run; returns its figures."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    config, log = work / "run.py", work / "output.log"
    write_config(config, variant, drawn, steps, seed)
    begin = ["--finetune", weights] if weights else []
    run("train", str(config), "--work-dir", str(work), *begin, log=log)
    run("test", str(config), str(work / f"iter_{steps}.pth"), log=log)
    tested = json.loads((work / "metrics.json").read_text())
    figures = {key: tested[f"recog/{key}"] for key in ("word_acc", "cer", "loss")}
    print(f"{variant}, seed {seed}: {figures['word_acc']:.4f}", flush=True)
    return figures


def draw(drawn: Path, training: int, testing: int) -> None:
    """Draws the images, those for testing from indices that those for training do not reach."""
    drawn.mkdir(parents=True, exist_ok=True)
    for name, first, count in (("training", 0, training), ("testing", 1_000_000, testing)):
        run(
            *("synthesize", str(drawn / f"{name}.tfrecords"), "--force"),
            *("--first", str(first), "--count", str(count)),
            *("--kinds", "word=1", "--charset", "ascii", "--max-length", "6"),
            *("--height", "32", "--gray"),
            log=drawn / "output.log",
        )


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Returns the figures as a table in Markdown."""
    lines = ["| | word accuracy | of each seed | CER | loss |", "|---" * 5 + "|"]
    for variant, runs in found.items():
        words = [one["word_acc"] for one in runs]
        cer, loss = (mean(one[key] for one in runs) for key in ("cer", "loss"))
        seeds = ", ".join(f"{word:.3f}" for word in words)
        lines.append(f"| {variant} | {mean(words):.3f} | {seeds} | {cer:.3f} | {loss:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Runs every variant with every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=800, help=f"of {BATCH} images (800)")
    parser.add_argument("--finetune", metavar="WEIGHTS", help="to begin with; default: nothing")
    parser.add_argument("--tested", type=int, default=2000, help="images for testing (2000)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (1)")
    parser.add_argument("--work-dir", type=Path, default=Path("work_dirs/ablation"))
    parser.add_argument("--out", type=Path, default=RESULTS / "ablation.json")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // args.jobs)))
    drawn = (args.work_dir / "drawn").resolve()
    draw(drawn, args.steps * BATCH, args.tested)
    runs = [(variant, seed) for seed in args.seeds for variant in args.variants]

    def one(pair: tuple[str, int]) -> dict[str, Any]:
        variant, seed = pair
        name = f"{list(VARIANTS).index(variant)}-{seed}"
        work = args.work_dir.resolve() / name
        return measure(variant, seed, args.steps, args.finetune, drawn, work)

    with ThreadPoolExecutor(args.jobs) as pool:
        records = dict(zip(runs, pool.map(one, runs), strict=True))
    found = {v: [records[v, seed] for seed in args.seeds] for v in args.variants}
    settings = {key: getattr(args, key) for key in ("steps", "seeds", "tested", "finetune")}
    settings["batch"] = BATCH
    report = {"settings": settings, "runs": found, "machine": machine()}
    args.out.write_text(json.dumps(report, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()

"""Trainings on several processes, as a user starts them: torchrun and the tool."""

import atexit
import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import torch
from conftest import ROOT, draw_word

CONFIG = """
_base_ = [{base!r}]
pipeline = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="RescaleToHeight", height=32, min_width=8, max_width=2048, interpolation="area"),
    dict(type="PackTextRecogInputs",
         meta_keys=("img_path", "ori_shape", "img_shape", "valid_ratio")),
]
train_dataloader = dict(batch_size=8, num_workers=0, persistent_workers=False,
                        dataset=dict(ann_file={words!r}, pipeline=pipeline))
val_dataloader = dict(batch_size=2, dataset=dict(ann_file={few!r}))
test_dataloader = dict(dataset=dict(ann_file={few!r}))
train_cfg = dict(max_iters=8, val_interval=8)
default_hooks = dict(checkpoint=dict(interval=4), logger=dict(interval=1))
optim_wrapper = dict(precision="fp32", optimizer=dict(lr=1e-3))
param_scheduler = None
model = dict(
    backbone=dict(channels=(8, 8, 16, 16, 32, 32, 32), dropout=0.0),
    encoder=dict(in_channels=32, hidden_size=16),
    decoder=dict(in_channels=32, hidden_size=16, embed_dims=8, max_seq_len=12, dropout=0.0),
)
"""


def quiet() -> dict[str, str]:
    """The environment of one thread a process."""
    return os.environ | {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"}


def write_set(folder: Path, count: int = 48, held: int = 7) -> Path:
    """Writes images of many widths with labels of many lengths; returns a config's path."""
    chance = random.Random(3)
    lines = []
    for number in range(count):
        text = "".join(chance.choices("ACEHKLTX", k=chance.randint(1, 9)))
        name = f"{number:03d}.png"
        cv2.imwrite(str(folder / name), draw_word(text))
        lines.append(f"{name} {text}\n")
    (folder / "words.txt").write_text("".join(lines))
    (folder / "few.txt").write_text("".join(lines[:held]))
    base = str(ROOT / "configs" / "aocr_base.py")
    files = {"words": str(folder / "words.txt"), "few": str(folder / "few.txt")}
    (folder / "config.py").write_text(CONFIG.format(base=base, **files))
    return folder / "config.py"


def train_line(config: Path, work_dir: Path, *options: str, flags: tuple[str, ...] = ()):
    """The tool's words."""
    line = [str(ROOT / "tools" / "train.py"), str(config), "--work-dir", str(work_dir), *flags]
    return [*line, "--cfg-options", *options] if options else line


def torchrun_line(*flags: str, processes: int = 2) -> list[str]:
    """The words that start processes on this machine."""
    where = [] if any("rdzv" in flag for flag in flags) else ["--standalone"]
    run = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    return [*run, *where, *flags]


def run(line: list[str], code: int = 0, **options):
    """Runs a command to its end; returns what it wrote."""
    done = subprocess.run(
        line, capture_output=True, text=True, env=quiet() | options.pop("env", {}), **options
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


@functools.cache
def set_once() -> Path:
    """The config of a set that all tests of a session share."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return write_set(folder)


@functools.cache
def alone() -> Path:
    """The run of one process with batches of 8 on that set."""
    folder = set_once().parent / "alone"
    run([sys.executable, *train_line(set_once(), folder)])
    return folder


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint."""
    return torch.load(path, weights_only=True)["state_dict"]


def largest_difference(one: Path, other: Path) -> float:
    """The largest difference of any number in two checkpoints' weights."""
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours)

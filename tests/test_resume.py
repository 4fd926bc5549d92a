"""A training killed at any moment goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT

pytestmark = pytest.mark.slow

STEPS = 60
CONFIG = """
_base_ = [{base!r}]
train_pipeline = [step for step in _base_.train_pipeline if step["type"] != "LineJitter"]
train_dataloader = dict(
    batch_size=2,
    dataset=dict(ann_file={words!r}, pipeline=train_pipeline),
)
val_dataloader = dict(dataset=dict(ann_file={words!r}))
test_dataloader = val_dataloader
train_cfg = dict(max_iters={steps}, val_interval=20)
default_hooks = dict(checkpoint=dict(interval=10), logger=dict(interval=1))
optim_wrapper = dict(precision="fp32")
model = dict(backbone=dict(dropout=0.0), decoder=dict(dropout=0.0))
"""


def start(config, run, resume):
    """Starts a training of its own process group, so that its workers die with it."""
    command = [
        sys.executable,
        str(ROOT / "tools" / "train.py"),
        str(config),
        "--work-dir",
        str(run),
    ]
    return subprocess.Popen(
        command + (["--resume"] if resume else []),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill_when(process, condition, timeout=120):
    """Sends SIGKILL to the whole group as soon as the condition holds."""
    end = time.time() + timeout
    while not condition():
        assert process.poll() is None, "the training ended before it was killed"
        assert time.time() < end, "the moment to kill never came"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def scalars(run):
    """All training losses that were logged, by step; of several the last."""
    losses = {}
    for file in sorted(run.glob("*/vis_data/scalars.json")):
        for line in file.read_text().splitlines():
            entry = json.loads(line) if line.endswith("}") else {}
            if "loss" in entry:
                losses[entry["step"]] = entry["loss"]
    return losses


def test_killed_at_several_moments_it_ends_like_an_unbroken_run(words, tmp_path):
    config = words.parent / "killed.py"
    base = str(ROOT / "configs" / "aocr_base.py")
    config.write_text(CONFIG.format(base=base, words=str(words), steps=STEPS))
    whole, run = tmp_path / "whole", tmp_path / "killed"
    assert start(config, whole, resume=False).wait(timeout=300) == 0

    process = start(config, run, resume=False)
    kill_when(process, lambda: (run / "iter_10.pth").exists())
    partial = []

    def writing():
        partial[:] = [path for path in run.glob(".partial-iter_*") if "iter_10" not in path.name]
        return bool(partial)

    process = start(config, run, resume=True)
    kill_when(process, writing)
    process = start(config, run, resume=True)
    kill_when(process, lambda: (run / "iter_40.pth").exists())
    time.sleep(1.1)  # a new log folder a second
    assert start(config, run, resume=True).wait(timeout=300) == 0

    assert not list(run.glob(".partial-*"))
    expected = torch.load(whole / f"iter_{STEPS}.pth", weights_only=True)
    found = torch.load(run / f"iter_{STEPS}.pth", weights_only=True)
    assert found["meta"]["iter"] == STEPS
    for name, value in expected["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], value, atol=1e-5, rtol=1e-4)
    assert {int(s["step"]) for s in found["optimizer"]["state"].values()} == {STEPS}
    assert found["param_schedulers"] == expected["param_schedulers"]
    info = found["message_hub"]["runtime_info"], expected["message_hub"]["runtime_info"]
    assert info[0]["best_score"] == info[1]["best_score"]
    curve, unbroken = scalars(run), scalars(whole)
    assert sorted(curve) == list(range(1, STEPS + 1))
    assert max(abs(curve[step] - unbroken[step]) for step in unbroken) < 1e-3
    assert (run / "best.pth").exists()

"""Two processes started by torchrun: the same weights and metrics as one, and what a death does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from distributed_side import (
    alone,
    largest_difference,
    quiet,
    run,
    set_once,
    torchrun_line,
    train_line,
)

pytestmark = pytest.mark.slow
HALF = "train_dataloader.batch_size=4"
MANY = ("--launcher", "pytorch")


@pytest.fixture(scope="module")
def together():
    """The run of two processes with batches of 4 each."""
    folder = set_once().parent / "together"
    run([*torchrun_line(), *train_line(set_once(), folder, HALF, flags=MANY)])
    return folder


def last_metrics(folder):
    [path] = folder.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    [found] = [line for line in lines if "recog/word_acc" in line]
    return {name: value for name, value in found.items() if name.startswith("recog/")}


def test_two_processes_end_with_the_weights_of_one(together):
    assert largest_difference(alone() / "iter_8.pth", together / "iter_8.pth") < 1e-4
    assert largest_difference(alone() / "iter_4.pth", alone() / "iter_8.pth") > 1e-3


def test_three_processes_end_with_the_weights_of_one(tmp_path):
    """Six images a step: other sums in BatchNorm than with eight."""
    one, three = tmp_path / "one", tmp_path / "three"
    size = "train_dataloader.batch_size="
    run([sys.executable, *train_line(set_once(), one, f"{size}6")])
    run([*torchrun_line(processes=3), *train_line(set_once(), three, f"{size}2", flags=MANY)])
    assert largest_difference(one / "iter_8.pth", three / "iter_8.pth") < 1e-4
    alone_found, found = last_metrics(one), last_metrics(three)
    assert found["recog/samples"] == 7.0
    for name, value in alone_found.items():
        assert found[name] == pytest.approx(value, abs=1e-4), name


def test_seven_images_on_two_processes_are_counted_once_each(together):
    one, two = last_metrics(alone()), last_metrics(together)
    assert two["recog/samples"] == 7.0 and one.keys() == two.keys()
    for name, value in one.items():
        assert two[name] == pytest.approx(value, abs=1e-4), name


def children(pid):
    return map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def process_of_rank(pid, rank):
    """The process of a rank below torchrun's."""
    for child in children(pid):
        if f"RANK={rank}\0".encode() in Path(f"/proc/{child}/environ").read_bytes():
            return child
    raise LookupError(f"no rank {rank} below {pid}")


def start_and_kill(line, checkpoint):
    """Starts torchrun, kills rank 1 when there is a checkpoint; returns (process, when)."""
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=quiet()
    )
    limit = time.monotonic() + 60
    while not checkpoint.exists():
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)
    os.kill(process_of_rank(process.pid, 1), signal.SIGKILL)
    return process, time.monotonic()


def test_a_killed_rank_ends_the_job_and_resume_goes_on(tmp_path):
    line = train_line(set_once(), tmp_path, HALF, "train_cfg.max_iters=4000", flags=MANY)
    process, killed = start_and_kill([*torchrun_line(), *line], tmp_path / "iter_4.pth")
    said = process.communicate(timeout=60)[0]
    assert time.monotonic() - killed < 20
    assert process.returncode != 0
    assert "rank      : 1 " in said and "Signal 9 (SIGKILL) received" in said
    last = int(Path((tmp_path / "last_checkpoint").read_text()).stem.removeprefix("iter_"))
    assert 4 <= last < 4000
    steps = f"train_cfg.max_iters={last + 4}"
    line = train_line(set_once(), tmp_path, HALF, steps, flags=(*MANY, "--resume"))
    said = run([*torchrun_line(), *line])
    assert f"iter_{last}.pth" in said and f"Iter(train) [{last + 1}/" in said
    assert "Iter(train) [1/" not in said
    straight = tmp_path / "straight"
    run([sys.executable, *train_line(set_once(), straight, steps)])
    ends = [folder / f"iter_{last + 4}.pth" for folder in (tmp_path, straight)]
    assert largest_difference(*ends) < 5e-4


def test_torchrun_restarts_and_goes_on_from_the_checkpoint(tmp_path):
    options = (HALF, "train_cfg.max_iters=40")
    line = train_line(set_once(), tmp_path, *options, flags=(*MANY, "--resume"))
    torchrun = torchrun_line("--max-restarts=3")
    process, _ = start_and_kill([*torchrun, *line], tmp_path / "iter_4.pth")
    said = process.communicate(timeout=300)[0]
    assert process.returncode == 0, said
    assert "no checkpoint in" in said and "resumed epoch: 0, iter: " in said
    assert torch.load(tmp_path / "iter_40.pth", weights_only=True)["meta"]["iter"] == 40


RESTARTED = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from aocr_plugin import mends
mends.apply()
import torch.distributed as dist
if os.environ["RANK"] == {late!r}:
    time.sleep(4)
dist.init_process_group("gloo")
dist.barrier()
attempt = os.environ["TORCHELASTIC_RESTART_COUNT"]
if attempt == "0" and dist.get_rank() == 1:
    os.kill(os.getpid(), signal.SIGKILL)
dist.barrier()
os.write(1, f"attempt {{attempt}} of {{dist.get_rank()}} is through\\n".encode())
"""


@pytest.mark.parametrize("late", ["0", "1"])
def test_a_restart_does_not_look_for_addresses_of_before(late, tmp_path):
    """With PyTorch 2.13 alone whoever comes first waits at the other's old address for ever."""
    script = tmp_path / "restarted.py"
    script.write_text(RESTARTED.format(root=str(ROOT), late=late))
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*line, "--max-restarts=1", str(script)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for rank in (0, 1):
        assert f"attempt 1 of {rank} is through" in done.stdout

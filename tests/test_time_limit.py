"""Training in pieces of so many minutes."""

import re
import sys

import pytest
from distributed_side import (
    largest_difference,
    run,
    set_once,
    torchrun_line,
    train_line,
)

from aocr_plugin.cli.train import main
from aocr_plugin.engine.time_limit import TimeLimitHook
from aocr_plugin.errors import ConfigError

AT_ONCE = ("--minutes", "0.0001", "--resume")
STEPS = "train_cfg.max_iters=3"


@pytest.mark.slow
def test_pieces_end_like_a_run_in_one(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run([sys.executable, *train_line(set_once(), whole, STEPS)])
    line = [sys.executable, *train_line(set_once(), parts, STEPS, flags=AT_ONCE)]
    said = [run(line) for _ in range(4)]
    ended = [re.findall(r"time is up after step (\d) of 3; --resume goes on", one) for one in said]
    assert ended == [["1"], ["2"], [], []]  # the fourth has nothing left to do
    assert largest_difference(whole / "iter_3.pth", parts / "iter_3.pth") == 0
    assert (parts / "best.pth").exists()


@pytest.mark.slow
def test_several_processes_stop_after_the_same_step(tmp_path):
    options = ("train_cfg.max_iters=24", "train_dataloader.batch_size=4")
    flags = (*AT_ONCE, "--launcher", "pytorch")
    said = run([*torchrun_line(), *train_line(set_once(), tmp_path, *options, flags=flags)])
    assert "time is up after step 1 of 24" in said
    assert "time is up after step 2 of 24" in run(
        [*torchrun_line(), *train_line(set_once(), tmp_path, *options, flags=flags)]
    )
    assert (tmp_path / "iter_2.pth").exists()


@pytest.mark.slow
def test_a_step_that_the_config_would_not_have_saved(tmp_path):
    options = (
        STEPS,
        "default_hooks.checkpoint.interval=1",
        "default_hooks.checkpoint.save_begin=2",
    )
    run([sys.executable, *train_line(set_once(), tmp_path, *options, flags=AT_ONCE)])
    assert (tmp_path / "iter_1.pth").exists()


def test_checkpoints_by_epochs_are_refused(tmp_path, capsys):
    (tmp_path / "best.pth").write_bytes(b"of an earlier run")
    options = ["default_hooks.checkpoint.by_epoch=True", f"work_dir={tmp_path}"]
    line = [str(set_once()), "--minutes", "1", "--cfg-options", *options]
    assert main(line) == 2
    assert "a time limit needs training that is counted and saved by steps" in str(
        capsys.readouterr()
    )
    assert (tmp_path / "best.pth").exists()


def test_no_time(capsys):
    assert main([str(set_once()), "--minutes", "0"]) == 2
    assert "--minutes 0.0: it must be above 0" in str(capsys.readouterr())
    with pytest.raises(ConfigError, match="minutes is 0; it must be above 0"):
        TimeLimitHook(0)

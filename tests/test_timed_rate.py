"""A learning rate by the clock."""

import re
import sys

import pytest
import torch
from distributed_side import run, set_once, train_line

from aocr_plugin.cli.train import main
from aocr_plugin.engine.timed_rate import TimedRateHook
from aocr_plugin.errors import ConfigError

CONFIG = """
_base_ = [{base!r}]
train_cfg = dict(max_iters=100000, val_interval=100000)
default_hooks = dict(checkpoint=dict(interval=100000))
custom_hooks = [dict(type="TimedRateHook", minutes=0.1)]
param_scheduler = {schedule}
"""


def config(folder, schedule="[]"):
    """Writes a config that trains for six seconds."""
    path = folder / "timed.py"
    path.write_text(CONFIG.format(base=str(set_once()), schedule=schedule))
    return path


def test_the_rate_rises_and_falls_to_nothing():
    factor = TimedRateHook(10, warm_up=0.1).factor
    assert [factor(share) for share in (0.0, 0.05, 0.1)] == pytest.approx([1e-3, 0.5, 1.0])
    assert factor(0.55) == pytest.approx(0.5)
    assert factor(1.0) == factor(1.7) == 1e-4


@pytest.mark.parametrize("wrong", [dict(minutes=0), dict(minutes=1, warm_up=1.0)])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        TimedRateHook(**wrong)


@pytest.mark.slow
def test_training_ends_with_its_minutes_and_is_not_taken_up_again(tmp_path):
    line = [sys.executable, *train_line(config(tmp_path), tmp_path / "run")]
    said = run(line)
    rates = [float(rate) for rate in re.findall(r" lr: (\S+)", said)]
    assert max(rates) > 0.9e-3
    assert rates[-1] < 0.1 * max(rates)
    assert "eta: 0:00:0" in said
    steps = int(re.search(r"time is up after step (\d+): the rate has fallen", said).group(1))
    assert said.count("saved as best.pth") == 1  # of the last step
    assert (tmp_path / "run" / "best.pth").exists()
    saved = tmp_path / "run" / f"iter_{steps}.pth"
    state = torch.load(saved, weights_only=False)
    assert state["message_hub"]["runtime_info"]["timed_rate_seconds"] >= 6
    again = run([*line, "--resume"])
    assert "Iter(train)" not in again
    assert len(list(saved.parent.glob("iter_*.pth"))) == 1


def test_a_schedule_by_steps_beside_it_is_refused(tmp_path, capsys):
    path = config(tmp_path, "[dict(type='ConstantLR', by_epoch=False)]")
    assert main([str(path), "--work-dir", str(tmp_path)]) == 2
    assert "set param_scheduler=[]" in capsys.readouterr().err

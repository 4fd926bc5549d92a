"""A training whose data and work directory are in an object store, on machines that come and go."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT, WORDS
from object_store import Wire, put_folder, s3, s3_port, settings  # noqa: F401

from aocr_plugin import storage

pytestmark = pytest.mark.slow

STEPS = 40
CONFIG = """
_base_ = [{base!r}]
train_pipeline = [step for step in _base_.train_pipeline if step["type"] != "LineJitter"]
train_dataloader = dict(
    batch_size=2,
    num_workers=2,
    dataset=dict(ann_file="words.txt", data_root={root!r}, pipeline=train_pipeline),
)
val_dataloader = dict(num_workers=2, dataset=dict(ann_file={root!r} + "/words.txt"))
test_dataloader = val_dataloader
train_cfg = dict(max_iters={steps}, val_interval=20)
default_hooks = dict(checkpoint=dict(interval=10), logger=dict(interval=1))
optim_wrapper = dict(precision="fp32")
model = dict(backbone=dict(dropout=0.0), decoder=dict(dropout=0.0))
"""


def start(config, work_dir, *flags, env=None):
    """Starts a training of its own process group, so that its workers die with it."""
    tool = str(ROOT / "tools" / "train.py")
    return subprocess.Popen(
        [sys.executable, tool, str(config), "--work-dir", work_dir, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        env=os.environ | (env or {}),
    )


def finish(process):
    """Waits for a training; returns its exit code and what it printed."""
    output, _ = process.communicate(timeout=170)
    return process.returncode, output


def kill_when(process, condition):
    """Sends SIGKILL to the whole group as soon as the condition holds."""
    end = time.time() + 120
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.time() < end, "the moment to kill never came"
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def load(url, tmp_path):
    storage.fetch(url, tmp_path / "fetched.pth")
    return torch.load(tmp_path / "fetched.pth", weights_only=True)


@pytest.fixture
def config(words, s3):  # noqa: F811
    """A config whose data are in the bucket only."""
    put_folder(words.parent / "images", f"{s3}/data/images")
    storage.upload(words, f"{s3}/data/words.txt")
    shutil.rmtree(words.parent / "images")
    words.unlink()
    path = words.parent / "bucket.py"
    base = str(ROOT / "configs" / "aocr_base.py")
    path.write_text(CONFIG.format(base=base, root=f"{s3}/data", steps=STEPS))
    return path


def test_killed_and_resumed_on_a_fresh_machine_it_ends_like_an_unbroken_run(
    config,
    s3,  # noqa: F811
    tmp_path,
):
    whole, run = f"{s3}/whole", f"{s3}/run"
    code, output = finish(start(config, whole))
    assert code == 0, output
    names = storage.files(whole, recursive=True)
    assert {"best.pth", "last_checkpoint", "iter_30.pth", "iter_40.pth", "bucket.py"} < set(names)
    assert "iter_20.pth" not in names
    assert storage.read_bytes(f"{whole}/last_checkpoint").decode() == f"{whole}/iter_40.pth"
    (scalars,) = (name for name in names if name.endswith("scalars.json"))
    lines = storage.read_bytes(f"{whole}/{scalars}").decode().splitlines()
    assert [json.loads(line)["step"] for line in lines if "lr" in line] == list(range(1, STEPS + 1))

    process = start(config, run)
    kill_when(process, lambda: storage.exists(f"{run}/iter_20.pth"))
    newest = max(n for n in storage.files(run) if n.startswith("iter_"))
    data = storage.read_bytes(f"{run}/{newest}")
    storage.write_bytes(f"{run}/iter_35.pth", data[: len(data) // 2])  # not whole
    shutil.rmtree(tmp_path / "cache")
    assert not (ROOT / "work_dirs" / "bucket").exists()
    code, output = finish(start(config, run, "--resume"))
    assert code == 0, output
    assert f"resumed epoch: 0, iter: {newest[5:7]}" in output

    expected, found = load(f"{whole}/iter_40.pth", tmp_path), load(f"{run}/iter_40.pth", tmp_path)
    assert found["meta"]["iter"] == expected["meta"]["iter"] == STEPS
    for name, value in expected["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], value, atol=1e-5, rtol=1e-4)
    assert {int(s["step"]) for s in found["optimizer"]["state"].values()} == {STEPS}
    info = found["message_hub"]["runtime_info"], expected["message_hub"]["runtime_info"]
    assert info[0]["best_score"] == info[1]["best_score"]
    assert [n for n in storage.files(run) if n.startswith("iter_")] == [
        "iter_30.pth",
        "iter_40.pth",
    ]

    from aocr_plugin import Recognizer

    prediction = Recognizer(f"{run}/best.pth")(f"{s3}/data/images/{WORDS[0]}.png")
    assert prediction.error is None and prediction.source.endswith("CAT.png")
    tool = [sys.executable, str(ROOT / "tools" / "test.py"), str(config), f"{run}/best.pth"]
    subprocess.run([*tool, "--work-dir", str(tmp_path / "results")], check=True)
    measured = json.loads((tmp_path / "results" / "metrics.json").read_text())
    assert measured["recog/word_acc"] == pytest.approx(info[0]["best_score"], abs=1e-4)
    options = ["--cfg-options", f"load_from={run}/best.pth", "train_cfg.max_iters=1"]
    code, output = finish(start(config, run, *options))
    assert code == 0 and "Load checkpoint from" in output, output
    assert "previous/iter_40.pth" in storage.files(run, recursive=True)


def test_a_store_that_goes_away_costs_no_step(config, s3, s3_port, tmp_path):  # noqa: F811
    run, wire = f"{s3}/run", Wire(s3_port)
    text = config.read_text().replace("num_workers=2", "num_workers=0, persistent_workers=False")
    local = tmp_path / "data"  # so that the outage meets the checkpoints alone
    for name in storage.files(f"{s3}/data", recursive=True):
        storage.fetch(f"{s3}/data/{name}", local / name)
    config.write_text(text.replace(f"{s3}/data", str(local)))
    process = start(config, run, env=settings(wire.port))
    while not storage.exists(f"{run}/iter_10.pth"):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    wire.cut()
    code, output = finish(process)
    assert code == 2 and "the next checkpoint tries again" in output, output
    assert "error: s3://" in output and "could not be written to the store" in output
    assert f"iter_{STEPS}.pth" not in storage.files(run)

    wire.mend()
    code, output = finish(start(config, run, "--resume", env=settings(wire.port)))
    assert code == 0 and f"resumed epoch: 0, iter: {STEPS}" in output, output
    assert load(f"{run}/iter_{STEPS}.pth", tmp_path)["meta"]["iter"] == STEPS
    assert storage.read_bytes(f"{run}/last_checkpoint").decode() == f"{run}/iter_{STEPS}.pth"
    wire.cut()
    code, output = finish(start(config, run, "--resume", env=settings(wire.port)))
    assert code == 2 and "does not answer as it should" in output, output


IN_MEMORY = """
import sys
from pathlib import Path
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmocr.registry import RUNNERS
import aocr_plugin
from aocr_plugin import storage
from object_store import put_folder

put_folder(Path(sys.argv[2]), "memory://bucket/data")
init_default_scope("mmocr")
for steps in (10, 20):
    cfg = Config.fromfile(sys.argv[1])
    cfg.train_cfg.max_iters = steps
    cfg.work_dir, cfg.resume = "memory://bucket/run", True  # as MMOCR's own tool says it
    runner = RUNNERS.build(cfg)
    runner.train()
assert runner.iter == 20 and cfg.work_dir == "memory://bucket/run"
print("in the bucket:", *sorted(storage.files("memory://bucket/run")))
"""


def test_mmocrs_own_way_to_train_and_resume_takes_urls_too(words, tmp_path):
    text = CONFIG.format(
        base=str(ROOT / "configs" / "aocr_base.py"), root="memory://bucket/data", steps=STEPS
    )
    config = tmp_path / "memory.py"
    config.write_text(text.replace("num_workers=2", "num_workers=0, persistent_workers=False"))
    env = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT / "tests"),
    }
    command = [sys.executable, "-c", IN_MEMORY, str(config), str(words.parent)]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "resumed epoch: 0, iter: 10" in done.stdout + done.stderr
    names = "best.pth iter_10.pth iter_20.pth last_checkpoint memory.py run_id"
    assert f"in the bucket: {names}" in done.stdout

"""Work directories in a store, without a training: what is staged, mirrored and resumed from."""

import logging
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from object_store import memory  # noqa: F401

import aocr_plugin  # noqa: F401
from aocr_plugin import storage
from aocr_plugin.engine import checkpoint_file, staging
from aocr_plugin.engine.mirror import MirrorHook
from aocr_plugin.errors import CheckpointError, StorageError


def whole(path: Path, content: str = "x") -> bytes:
    """Writes a file that passes for a whole checkpoint; returns its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", content)
    return path.read_bytes()


@pytest.fixture
def run(memory):  # noqa: F811
    """URL of a work directory."""
    return f"{memory}/runs/plates"


def runner_of(run, step=0, keep=(), **cfg):
    """What the hook asks of a runner."""
    folder = staging.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    info = {"keep_ckpt_ids": list(keep)} if keep else {}
    return SimpleNamespace(
        iter=step,
        work_dir=str(folder),
        logger=logging.getLogger("mirror"),
        message_hub=SimpleNamespace(runtime_info=info),
        cfg=Config(cfg),
    )


def begin(runner, run):
    hook = MirrorHook(run)
    hook.before_run(runner)
    hook.before_train(runner)
    return hook


def save(hook, runner, step, keep):
    """Does what SafeCheckpointHook does, and lets the mirror follow."""
    folder = Path(runner.work_dir)
    whole(folder / f"iter_{step}.pth", str(step))
    (folder / "last_checkpoint").write_text(str(folder / f"iter_{step}.pth"))
    (folder / "20260101" / "run.log").parent.mkdir(exist_ok=True)
    (folder / "20260101" / "run.log").write_text(f"step {step}")
    runner.message_hub.runtime_info["keep_ckpt_ids"] = keep
    for path in folder.glob("iter_*.pth"):
        if checkpoint_file.step(path.name) not in keep:
            path.unlink()
    hook.after_train_iter(runner)


def test_checkpoints_pointer_and_logs_follow(run):
    runner = runner_of(run)
    hook = begin(runner, run)
    for step, keep in ((10, [10]), (20, [10, 20]), (30, [20, 30])):
        save(hook, runner, step, keep)
        assert storage.read_bytes(f"{run}/last_checkpoint").decode() == f"{run}/iter_{step}.pth"
        assert storage.read_bytes(f"{run}/20260101/run.log").decode() == f"step {step}"
    names = ["20260101/run.log", "iter_20.pth", "iter_30.pth", "last_checkpoint", "run_id"]
    assert sorted(storage.files(run, recursive=True)) == names
    (Path(runner.work_dir) / "20260101" / "run.log").write_text("end")
    hook.after_run(runner)
    assert storage.read_bytes(f"{run}/20260101/run.log") == b"end"


def test_nothing_is_copied_twice(run, monkeypatch):
    runner = runner_of(run)
    hook = begin(runner, run)
    uploaded = []
    upload = storage.upload
    monkeypatch.setattr(
        storage, "upload", lambda path, url: uploaded.append(Path(path).name) or upload(path, url)
    )
    save(hook, runner, 10, [10])
    hook.after_train_iter(runner)
    hook.after_run(runner)
    assert uploaded == ["iter_10.pth", "run.log"]


def test_a_new_run_moves_the_earlier_one_away(run):
    runner = runner_of(run)
    save(begin(runner, run), runner, 10, [10])
    first = staging.run_id(run)
    storage.write_bytes(f"{run}/best.pth", b"x")
    for path in Path(runner.work_dir).glob("*.pth"):  # as SafeCheckpointHook does
        path.unlink()
    begin(runner_of(run), run)
    assert staging.run_id(run) == staging.run_id(staging.folder(run)) != first
    moved = {f"previous/{name}" for name in ("iter_10.pth", "best.pth", "last_checkpoint")}
    assert moved < set(storage.files(run, recursive=True)) and "iter_10.pth" not in storage.files(
        run
    )


def test_the_newest_whole_checkpoint_is_resumed_from(run, tmp_path):
    assert staging.latest(run) is None and checkpoint_file.latest(run) is None
    data = whole(tmp_path / "x.pth")
    for step, content in ((9, data), (80, data), (100, data), (110, data[:-20])):
        storage.write_bytes(f"{run}/iter_{step}.pth", content)
    for found in (staging.latest(run), checkpoint_file.latest(run)):
        assert found.name == "iter_100.pth" and found.read_bytes() == data
    assert staging.latest(str(tmp_path)) is None


def test_a_newer_staged_checkpoint_counts_if_it_is_of_the_same_run(run, tmp_path):
    place = staging.folder(run)
    storage.write_bytes(f"{run}/iter_10.pth", whole(tmp_path / "x.pth"))
    whole(place / "iter_20.pth")
    for here, there, expected in (("a", "b", 10), ("a", "a", 20)):
        storage.write_bytes(f"{run}/run_id", there.encode())
        storage.write_bytes(place / "run_id", here.encode())
        assert staging.latest(run).name == f"iter_{expected}.pth"


def test_what_is_staged_of_another_run_is_neither_mirrored_nor_best(run, tmp_path):
    place = staging.folder(run)
    for name in ("iter_90.pth", "best.pth"):
        whole(place / name, "stale")
    best = whole(tmp_path / "best.pth", "best")
    storage.write_bytes(f"{run}/best.pth", best)
    storage.write_bytes(f"{run}/iter_50.pth", whole(tmp_path / "x.pth"))
    runner = runner_of(run, 50, [50], resume=True, load_from=str(staging.latest(run)))
    begin(runner, run)
    assert (place / "best.pth").read_bytes() == best
    assert not (place / "iter_90.pth").exists() and "iter_90.pth" not in storage.files(run)
    storage.write_bytes(f"{run}/best.pth", best[:-9])
    begin(runner, run)
    assert not (place / "best.pth").exists()


def test_a_store_that_goes_away_warns_and_is_an_error_at_the_end(run, monkeypatch, caplog):
    runner = runner_of(run)
    hook = begin(runner, run)

    def gone(path, url):
        raise StorageError(f"{url}: no answer")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "upload", gone)
        save(hook, runner, 10, [10])
        assert "the next checkpoint tries again" in caplog.text
        assert "iter_10.pth: no answer" in caplog.text
        assert "last_checkpoint" not in storage.files(run)
        hook.rescue(runner)
        with pytest.raises(StorageError, match=r"iter_10.pth could not be written .* --resume on"):
            hook.after_run(runner)
    save(hook, runner, 20, [10, 20])
    assert {"iter_10.pth", "iter_20.pth", "last_checkpoint"} < set(storage.files(run))
    hook.after_run(runner)


def test_a_config_is_made_local(run, tmp_path):
    data = whole(tmp_path / "x.pth")
    storage.write_bytes(f"{run}/iter_10.pth", data)
    hook = {"type": "MirrorHook", "url": run}
    cfg = Config(dict(work_dir=f"{run}/", resume=True, load_from=None))
    staging.localise(cfg)
    assert cfg.work_dir == str(staging.folder(run)) and cfg.custom_hooks == [hook]
    assert cfg.resume and Path(cfg.load_from).read_bytes() == data
    staging.localise(cfg)
    assert cfg.custom_hooks == [hook]
    cfg = Config(dict(work_dir=f"{run}/new", resume=True))
    staging.localise(cfg)
    assert cfg.resume is False and cfg.load_from is None
    cfg = Config(dict(work_dir="here", load_from="https://host/x.pth"))
    staging.localise(cfg)
    assert cfg.to_dict() == dict(work_dir="here", load_from="https://host/x.pth")
    with pytest.raises(CheckpointError, match=r"none.pth: no such checkpoint in the store"):
        staging.localise(Config(dict(load_from=f"{run}/none.pth")))
    assert staging.folder("s3://b/../../x//y").parts[-5:] == ("runs", "s3", "b", "x", "y")


def test_results_for_a_store_are_written_locally_first(run, tmp_path):
    with staging.results(str(tmp_path)) as folder:
        assert folder == tmp_path
    with staging.results(run) as folder:
        (folder / "test").mkdir()
        (folder / "test" / "metrics.json").write_text("{}")
    assert storage.files(run, recursive=True) == {"test/metrics.json": 2} and not folder.exists()

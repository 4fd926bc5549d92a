"""Data workers end with their training, however that ends."""

import multiprocessing

import pytest
from conftest import ROOT
from mmengine.config import Config
from mmengine.hooks import Hook


class Fails(Hook):
    """Fails in the second step."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if batch_idx == 1:
            raise RuntimeError("on purpose")


@pytest.fixture
def config(words, tmp_path):
    """A training of three steps with two workers."""
    cfg = Config.fromfile(ROOT / "configs" / "aocr_base.py")
    cfg.work_dir = str(tmp_path / "run")
    cfg.train_dataloader.dataset.ann_file = cfg.val_dataloader.dataset.ann_file = str(words)
    cfg.train_dataloader.update(batch_size=2, num_workers=2)
    cfg.train_cfg.update(max_iters=3, val_interval=100)
    return cfg


@pytest.mark.parametrize("source", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_no_worker_outlives_a_training(config, fails, source):
    from aocr_plugin.engine.runner import AOCRRunner

    if source:
        loader = config.train_dataloader
        loader.dataset = dict(type="ConcatDataset", datasets=[loader.dataset, loader.dataset])
        loader.sampler = dict(type="SourceSampler", weights=[1, 1])
        del loader["batch_sampler"]
    before = set(multiprocessing.active_children())
    runner = AOCRRunner.from_cfg(config)
    assert not runner.cfg.train_dataloader.persistent_workers
    if fails:
        runner.register_hook(Fails())
        with pytest.raises(RuntimeError, match="on purpose"):
            runner.train()
    else:
        runner.train()
    assert runner.iter == (1 if fails else 3)
    assert set(multiprocessing.active_children()) == before


@pytest.mark.parametrize("loop", ["ResumableTrainLoop", "IterBasedTrainLoop"])
def test_a_training_goes_on_after_a_failure(config, loop):
    from aocr_plugin.engine.runner import AOCRRunner

    config.train_cfg.type = loop
    runner = AOCRRunner.from_cfg(config)
    runner.register_hook(Fails())
    with pytest.raises(RuntimeError, match="on purpose"):
        runner.train()
    runner._hooks = [hook for hook in runner.hooks if not isinstance(hook, Fails)]
    runner.train()
    assert runner.iter == 3

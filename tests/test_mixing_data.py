"""Our data sets beside MMOCR's in one training, weighted; figures of each in one validation."""

from collections import Counter
from itertools import islice

import mixing_data
import numpy as np
import pytest
from conftest import ROOT

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import ConfigError

CONFIG = ROOT / "configs" / "mixed" / "aocr_mixed-data.py"
WORDS = [mixing_data.OWN, mixing_data.LINES, mixing_data.CROPS, mixing_data.SYNTHETIC]


class Concat:
    """Sources of given sizes, as ``ConcatDataset`` has them."""

    def __init__(self, *sizes):
        self.datasets = [range(size) for size in sizes]


def sampler(*sizes, weights, **options):
    from aocr_plugin.datasets.source_sampler import SourceSampler

    return SourceSampler(Concat(*sizes), weights, **{"seed": 3, **options})


def load(path=CONFIG):
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    cfg = Config.fromfile(path)
    init_default_scope("mmocr")
    return cfg


@pytest.mark.parametrize("weights", [[4, 2, 1, 1], [1, 100, 0.5, 0.01], [1, 1, 1, 1]])
def test_every_source_has_its_share_at_any_time(weights):
    bounds = np.cumsum([50, 3, 7, 400])
    counts, shares = np.zeros(4), np.array(weights) / sum(weights)
    for number, index in enumerate(islice(sampler(50, 3, 7, 400, weights=weights), 3000), 1):
        counts[np.searchsorted(bounds, index, side="right")] += 1
        assert np.abs(counts - shares * number).max() <= 1.01


def test_a_source_is_passed_through_before_it_begins_anew():
    drawn = list(islice(sampler(5, 4, weights=[1, 1]), 40))
    first = [index for index in drawn if index < 5]
    assert [sorted(first[i : i + 5]) for i in (0, 5, 10, 15)] == [list(range(5))] * 4
    assert first[:5] != first[5:10]
    plain = list(islice(sampler(5, 4, weights=[1, 1], shuffle=False), 8))
    assert plain == [0, 5, 1, 6, 2, 7, 3, 8]
    again = sampler(5, 4, weights=[1, 1])
    assert list(islice(again, 40)) == list(islice(again, 40)) == drawn


def test_ranks_draw_different_samples_with_the_same_shares(monkeypatch):
    from aocr_plugin.datasets import source_sampler

    drawn = []
    for rank in (0, 1):
        monkeypatch.setattr(source_sampler, "get_dist_info", lambda rank=rank: (rank, 2))
        drawn.append(list(islice(sampler(10, 4, weights=[2, 1]), 15)))
    for mine in drawn:
        assert sum(index < 10 for index in mine) == 10
    assert sorted(i for mine in drawn for i in mine[:7] if i < 10)[:10] == list(range(10))


@pytest.mark.parametrize(
    ("sizes", "weights", "message"),
    [
        ((3, 4), [1], r"weights is \[1\]; it must be 2 numbers above 0"),
        ((3, 4), [1, 0], "numbers above 0"),
        ((3, 4), [1, float("inf")], "numbers above 0"),
        ((3, 0), [1, 1], "source 2 of the ConcatDataset is empty"),
    ],
)
def test_weights_that_do_not_fit(sizes, weights, message):
    with pytest.raises(ConfigError, match=message):
        sampler(*sizes, weights=weights)


def test_one_set_alone_needs_no_weights():
    from aocr_plugin.datasets.source_sampler import SourceSampler

    with pytest.raises(ConfigError, match="this is a range: use EndlessSampler"):
        SourceSampler(range(3), [1])


def test_four_kinds_of_data_sets_are_drawn_by_weight(tmp_path, monkeypatch):
    from mmengine.runner import Runner

    mixing_data.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    cfg = load()
    cfg.train_dataloader.update(batch_size=8, num_workers=0, persistent_workers=False)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    assert len(loader.dataset) == sum(map(len, WORDS))
    drawn = Counter()
    for batch in islice(loader, 20):
        assert {tuple(image.shape[:2]) for image in batch["inputs"]} == {(1, 32)}
        drawn.update(sample.gt_text.item for sample in batch["data_samples"])
    shares = [sum(drawn[word] for word in words) for words in WORDS]
    assert shares == [80, 40, 20, 20]
    assert set(drawn) == {word for words in WORDS for word in words}


def test_prepared_benchmarks_need_verify_meta_off(tmp_path, monkeypatch):
    """As docs/MIXING.md says."""
    from mmocr.registry import DATASETS

    mixing_data.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    dataset = load().val_dataloader.dataset
    del dataset["verify_meta"]
    with pytest.raises(ValueError, match="does not match meta information"):
        DATASETS.build(dataset)


@pytest.mark.slow
def test_training_on_all_and_figures_of_each(tmp_path, monkeypatch):
    from conftest import tiny_model
    from mmengine.registry import RUNNERS

    mixing_data.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    cfg = load()
    small = tiny_model(charset="ascii", max_seq_len=34)
    cfg.model = {**small, "mask_padding": True}
    cfg.merge_from_dict(
        {
            "work_dir": str(tmp_path / "run"),
            "custom_hooks": [],
            "train_cfg.max_iters": 4,
            "train_cfg.val_interval": 2,
            "train_dataloader.batch_size": 8,
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
        }
    )
    runner = RUNNERS.build(cfg)
    runner.train()
    found = runner.val_loop.run()
    sizes = {"own": 6, "CUTE80": 3, "IIIT5K": 2}
    assert {name: found[f"{name}/recog/samples"] for name in sizes} == sizes
    assert all(found[f"{name}/recog/loss"] > 0 for name in sizes)
    assert (tmp_path / "run" / "best.pth").exists()

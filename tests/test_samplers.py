from itertools import islice

import numpy as np
import pytest
from torch.utils.data import ConcatDataset

import aocr_plugin  # noqa: F401


class Lines:
    def __init__(self, ratios):
        self.ratios = np.array(ratios, np.float32)

    def __len__(self):
        return len(self.ratios)

    def aspect_ratios(self):
        return self.ratios


def endless(dataset, **options):
    from aocr_plugin.datasets.samplers import EndlessSampler

    return EndlessSampler(dataset, seed=5, **options)


def batches(sampler, **options):
    from aocr_plugin.datasets.samplers import WidthBatchSampler

    return WidthBatchSampler(sampler, **options)


def test_endless_gives_every_index_once_a_pass_and_starts_anew():
    sampler = endless(range(10))
    first = list(islice(sampler, 30))
    assert [sorted(first[i : i + 10]) for i in (0, 10, 20)] == [list(range(10))] * 3
    assert first[:10] != first[10:20]
    assert list(islice(sampler, 30)) == first


def test_ranks_share_one_sequence():
    whole = list(islice(endless(range(10)), 40))
    for rank in range(2):
        sampler = endless(range(10))
        sampler.rank, sampler.world_size = rank, 2
        assert list(islice(sampler, 20)) == whole[rank::2]


def test_batches_hold_similar_widths_and_lose_nothing():
    ratios = np.random.default_rng(0).uniform(1, 10, 64)
    sampler = batches(endless(Lines(ratios)), batch_size=8, pool=8)
    drawn = list(islice(sampler, 8))
    assert sorted(i for batch in drawn for i in batch) == list(range(64))
    spread = np.mean([np.ptp(ratios[batch]) for batch in drawn])
    assert spread < 2.0 < np.ptp(ratios)
    means = [ratios[batch].mean() for batch in drawn]
    assert means != sorted(means)


def test_start_passes_over_batches_exactly():
    data = Lines(np.linspace(1, 9, 50))
    whole = list(islice(batches(endless(data), batch_size=4, pool=3), 30))
    assert list(islice(batches(endless(data), batch_size=4, pool=3, start=17), 13)) == whole[17:]


def test_a_finite_sampler_gives_its_last_batch_too():
    from torch.utils.data import SequentialSampler

    sampler = SequentialSampler(Lines(np.linspace(1, 9, 10)))
    sampler.dataset = sampler.data_source
    drawn = list(batches(sampler, batch_size=4, pool=2))
    assert sorted(i for batch in drawn for i in batch) == list(range(10))


def test_widths_that_are_made_one_by_one_are_sorted_too_and_not_made_for_what_is_passed_over():
    class Costly(Lines):
        asked = 0

        def aspect_ratios(self):
            outer = self

            class Ratios:
                def __len__(self):
                    return len(outer)

                def __getitem__(self, index):
                    outer.asked += 1
                    return float(outer.ratios[index])

            return Ratios()

    ratios = np.random.default_rng(0).uniform(1, 10, 60)
    whole = list(islice(batches(endless(Lines(ratios)), batch_size=4, pool=3), 15))
    costly = Costly(ratios)
    assert list(islice(batches(endless(costly), batch_size=4, pool=3, start=9), 6)) == whole[9:]
    assert costly.asked == 24
    both = ConcatDataset([Costly(ratios[:20]), Lines(ratios[20:])])
    assert list(islice(batches(endless(both), batch_size=4, pool=3), 15)) == whole


def test_a_dataset_without_widths_is_named():
    with pytest.raises(TypeError, match="range has no aspect_ratios"):
        batches(endless(range(4)), batch_size=2)

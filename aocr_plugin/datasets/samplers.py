"""Endless shuffling that can be resumed anywhere, and batches of similar width."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence, Sized
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmocr.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler, Sampler

_AT_ONCE = 1 << 16  # indices that are Python's own numbers


@DATA_SAMPLERS.register_module()
class EndlessSampler(Sampler[int]):
    """Shuffled indices without end; every iteration starts the same sequence again.

    MMEngine's ``InfiniteSampler`` keeps one generator that cannot be set back, so a resumed run
    has to load and throw away all batches that were already seen.

    Args:
        dataset: the dataset.
        shuffle: whether each pass is a new permutation.
        seed: of the permutations; the same on all ranks. None draws one.
    """

    def __init__(self, dataset: Sized, shuffle: bool = True, seed: int | None = None) -> None:
        self.dataset = dataset
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.world_size = get_dist_info()

    def everyone(self) -> Iterator[int]:
        """Yields the one sequence that all ranks share."""
        generator = torch.Generator().manual_seed(self.seed)
        size = len(self.dataset)
        while True:
            if not self.shuffle:
                yield from range(size)
                continue
            for part in torch.randperm(size, generator=generator).split(_AT_ONCE):
                yield from part.tolist()

    def __iter__(self) -> Iterator[int]:
        """Yields this rank's share: every world_size-th index of the one sequence."""
        for position, index in enumerate(self.everyone()):
            if position % self.world_size == self.rank:
                yield index

    def __len__(self) -> int:
        """Number of samples of the dataset, as in MMEngine's ``InfiniteSampler``."""
        return len(self.dataset)


@DATA_SAMPLERS.register_module()
class WidthBatchSampler(BatchSampler):
    """Batches of images of similar width, so that little of a batch is padding.

    Indices are drawn into a pool of ``pool`` batches, sorted by aspect ratio and cut into
    batches, whose order is shuffled. Every index is used as often as the sampler gives it.

    Several ranks get each their share of the batch that one process would have with
    ``batch_size`` times their number, so all work on images of similar width at a time.

    Args:
        sampler: gives indices; its dataset has ``aspect_ratios()``, a sequence of numbers (or is a
            ``ConcatDataset`` of such). With several ranks, one without ``everyone()`` gives each
            its own batches.
        batch_size: images a batch, on each rank.
        pool: batches in a pool. 1: plain batches, nothing is sorted.
        start: batches to pass over at the beginning, for resuming.
    """

    def __init__(
        self, sampler: Sampler[int], batch_size: int, pool: int = 16, start: int = 0
    ) -> None:
        super().__init__(sampler, batch_size, drop_last=False)
        self.pool = pool
        self.start = start
        self._ratios: Sequence[float] | None = None
        if pool > 1:
            self._ratios = _aspect_ratios(sampler.dataset)  # type: ignore[attr-defined]
            if isinstance(self._ratios, np.ndarray) and _alike(self._ratios):
                self._ratios = None

    def _batches(self) -> Iterator[list[int]]:
        """Yields this rank's batches."""
        generator = np.random.default_rng(getattr(self.sampler, "seed", 0))
        everyone = getattr(self.sampler, "everyone", None)
        rank, ranks = 0, 1
        if everyone:
            rank, ranks = self.sampler.rank, self.sampler.world_size  # type: ignore[union-attr]
        whole = self.batch_size * ranks
        size = whole * (1 if self._ratios is None else self.pool)
        pool: list[int] = []
        skip = self.start
        for index in everyone() if everyone else self.sampler:
            pool.append(index)
            if len(pool) == size:
                batches = self._cut(pool, whole, generator, skip)
                skip -= min(skip, -(-size // whole))
                yield from (batch[rank::ranks] for batch in batches)
                pool = []
        if pool:
            batches = self._cut(pool, whole, generator, skip)
            yield from (batch[rank::ranks] for batch in batches)

    def _cut(
        self, pool: list[int], size: int, generator: np.random.Generator, skip: int
    ) -> list[list[int]]:
        """Cuts a pool into batches, less the first ``skip``."""
        count = -(-len(pool) // size)
        order = range(count) if self._ratios is None else generator.permutation(count)
        if skip >= count:  # widths may be costly: none is looked up for what is passed over
            return []
        if self._ratios is not None:
            pool = sorted(pool, key=self._ratios.__getitem__)
        return [pool[i * size : (i + 1) * size] for i in order][skip:]

    def __iter__(self) -> Iterator[list[int]]:
        """Yields lists of indices."""
        yield from self._batches()


def _alike(ratios: Any) -> bool:
    """Whether sorting by width would gain nothing."""
    return bool(np.ptp(ratios) < 0.02 * float(np.max(ratios)))


class _Joined(Sequence[float]):
    """Sequences one after the other, as one.

    Args:
        parts: the sequences.
    """

    def __init__(self, parts: Sequence[Sequence[float]]) -> None:
        self.parts = parts
        self._starts = [0, *accumulate(map(len, parts))]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: Any) -> Any:
        """Returns one number."""
        part = bisect_right(self._starts, index) - 1
        return self.parts[part][index - self._starts[part]]


def _aspect_ratios(dataset: Any) -> Sequence[float]:
    """Gathers the aspect ratios of a dataset or of the parts of a ``ConcatDataset``."""
    parts: list[Sequence[float]] = []
    if hasattr(dataset, "datasets"):
        parts = [_aspect_ratios(part) for part in dataset.datasets]
    elif hasattr(dataset, "times") and hasattr(dataset, "dataset"):  # RepeatDataset
        parts = [_aspect_ratios(dataset.dataset)] * dataset.times
    elif not hasattr(dataset, "aspect_ratios"):
        raise TypeError(
            f"{type(dataset).__name__} has no aspect_ratios(); set the batch sampler's pool to 1"
        )
    else:
        ratios: Sequence[float] = dataset.aspect_ratios()
        return ratios
    whole = all(isinstance(part, np.ndarray) for part in parts)
    return np.concatenate(parts) if whole else _Joined(parts)  # type: ignore[return-value]

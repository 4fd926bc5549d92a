"""Several data sets in one training, each with a weight."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmocr.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from aocr_plugin.errors import ConfigError


@DATA_SAMPLERS.register_module()
class SourceSampler(Sampler[int]):
    """Indices of a ``ConcatDataset`` without end, each source as often as its weight says.

    After any number of samples each source has had its share of them to within one; within a
    source every pass is a new permutation, so that nothing is seen twice before all is seen once.
    A small source with a large weight is passed more often than a large one.

    There was no such part: MMOCR's ``BatchAugSampler`` repeats samples, ``RepeatDataset`` whole
    sets; MMDetection's ``MultiSourceSampler`` rounds the shares of a batch down to whole numbers
    and never returns where one of them is 0.

    Args:
        dataset: a ``ConcatDataset``.
        weights: a number above 0 for each of its sources, in their order; only their ratios
            count.
        shuffle: whether a pass through a source is a permutation, or in the source's order.
        seed: of the permutations; the same on all ranks. None draws one.

    Raises:
        ConfigError: it is no ``ConcatDataset``, a source is empty, or the weights do not fit.
    """

    def __init__(
        self,
        dataset: Any,
        weights: Sequence[float],
        shuffle: bool = True,
        seed: int | None = None,
    ) -> None:
        sources = getattr(dataset, "datasets", None)
        if sources is None:
            raise ConfigError(
                f"SourceSampler weighs the sources of a ConcatDataset, this is a "
                f"{type(dataset).__name__}: use EndlessSampler"
            )
        if len(weights) != len(sources) or not all(0 < w < float("inf") for w in weights):
            raise ConfigError(
                f"weights is {list(weights)}; it must be {len(sources)} numbers above 0, one for "
                "each source of the ConcatDataset"
            )
        self.sizes = [len(source) for source in sources]
        if 0 in self.sizes:
            raise ConfigError(f"source {self.sizes.index(0) + 1} of the ConcatDataset is empty")
        self.dataset = dataset
        self.shares = [weight / sum(weights) for weight in weights]
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.world_size = get_dist_info()

    def _pass_through(self, source: int) -> Iterator[int]:
        """Yields this rank's indices of one source, without end."""
        first, size = sum(self.sizes[:source]), self.sizes[source]
        generator = torch.Generator().manual_seed(self.seed + source)

        def endless() -> Iterator[int]:
            while True:
                order = torch.randperm(size, generator=generator) if self.shuffle else range(size)
                yield from (first + int(index) for index in order)

        return itertools.islice(endless(), self.rank, None, self.world_size)

    def __iter__(self) -> Iterator[int]:
        """Yields indices: always of the source that is furthest behind its share."""
        passes = [self._pass_through(source) for source in range(len(self.sizes))]
        owed = [0.0] * len(passes)
        while True:
            owed = [debt + share for debt, share in zip(owed, self.shares, strict=True)]
            source = owed.index(max(owed))
            owed[source] -= 1
            yield next(passes[source])

    def __len__(self) -> int:
        """Number of samples of all sources."""
        return sum(self.sizes)

"""A training loop that resumes without loading what was already seen."""

from mmengine.runner.loops import IterBasedTrainLoop, _InfiniteDataloaderIterator
from mmocr.registry import LOOPS
from torch import nn

from aocr_plugin.datasets.samplers import WidthBatchSampler


@LOOPS.register_module()
class ResumableTrainLoop(IterBasedTrainLoop):
    """MMEngine's loop over a number of steps, with a cheap start after ``--resume``.

    MMEngine loads every batch that was already trained on and throws it away. Here the batch
    sampler passes over them, which takes no time and gives the very same sequence.
    """

    def run(self) -> nn.Module:
        """Trains from the current step to ``max_iters``."""
        batch_sampler = self.dataloader.batch_sampler
        if not (self._iter and isinstance(batch_sampler, WidthBatchSampler)):
            return super().run()
        batch_sampler.start = self._iter
        self.dataloader_iterator = _Started(self.dataloader, self._iter)
        return super().run()


class _Started(_InfiniteDataloaderIterator):
    """Answers MMEngine's calls to pass over seen batches without loading any."""

    def __init__(self, dataloader: object, passed: int) -> None:
        super().__init__(dataloader)
        self._passed = passed

    def __next__(self) -> object:
        if self._passed:
            self._passed -= 1
            return None
        return super().__next__()

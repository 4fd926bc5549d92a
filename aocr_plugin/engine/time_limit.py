"""Training in pieces: so many minutes, then a checkpoint to go on from."""

import time
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop
from mmocr.registry import HOOKS

from aocr_plugin.errors import ConfigError


@HOOKS.register_module()
class TimeLimitHook(Hook):
    """Ends training when time is up, with a checkpoint that ``--resume`` goes on from.

    For machines that are lent by the minute. The learning rate goes on where it was, as the
    number of steps stays the config's. Of several processes the first whose time is up ends all.

    Args:
        minutes: from the making of the hook on, so that reading the data counts. The step or
            validation that has begun, and saving, come on top.

    Raises:
        ConfigError: ``minutes`` is not above 0.
    """

    priority = "LOWEST"  # the checkpoint hook has had its turn

    def __init__(self, minutes: float) -> None:
        if not minutes > 0:
            raise ConfigError(f"minutes is {minutes}; it must be above 0")
        self.end = time.monotonic() + 60 * minutes

    def before_run(self, runner: Any) -> None:
        """Finds what saves, before anything of an earlier run is set aside.

        Raises:
            ConfigError: the config saves no checkpoints by steps.
        """
        saving = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        by_steps = isinstance(runner.train_loop, IterBasedTrainLoop)
        if not by_steps or not saving or saving[0].by_epoch:
            raise ConfigError(
                "a time limit needs training that is counted and saved by steps: "
                "train_cfg.by_epoch=False and default_hooks.checkpoint.by_epoch=False"
            )
        self.saving = saving[0]

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Saves and ends training where time is up."""
        step, steps = runner.iter + 1, runner.max_iters
        if step >= steps or not self._is_up():
            return
        if not self.every_n_train_iters(runner, self.saving.interval, self.saving.save_begin):
            self.saving._save_checkpoint(runner)
        runner.train_loop.stop_training = True
        runner.logger.info(f"time is up after step {step} of {steps}; --resume goes on")

    def _is_up(self) -> bool:
        up = torch.tensor([int(time.monotonic() >= self.end)])
        all_reduce(up, op="max")
        return bool(up.item())

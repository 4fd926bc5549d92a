"""A learning rate by the clock, for machines that are rented by the minute."""

import math
import time
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop
from mmocr.registry import HOOKS

from aocr_plugin.errors import ConfigError

_SPENT = "timed_rate_seconds"


@HOOKS.register_module()
class TimedRateHook(Hook):
    """Trains for so many minutes; the learning rate falls to nothing just as they are over.

    How many steps a rented machine makes in its time is known only afterwards, and a schedule by
    steps ends too early or not at all. Takes the place of ``param_scheduler``, which has to be
    empty; ``train_cfg.max_iters`` only has to be large enough. The last step is validated and
    saved. A resumed training goes on with the minutes that are left.

    Args:
        minutes: of training, all pieces together; what comes before the first step does not count.
        warm_up: share of the minutes in which the rate rises, in a straight line; then it falls
            by a cosine.

    Raises:
        ConfigError: ``minutes`` is not above 0, ``warm_up`` not in [0, 1), or there is a
            ``param_scheduler`` too.
    """

    priority = "NORMAL"  # after the timer, before the log, which prints the time left

    def __init__(self, minutes: float, warm_up: float = 0.03) -> None:
        if not minutes > 0:
            raise ConfigError(f"minutes is {minutes}; it must be above 0")
        if not 0 <= warm_up < 1:
            raise ConfigError(f"warm_up is {warm_up}; it is a share of the minutes, 0 to below 1")
        self.seconds = 60 * minutes
        self.warm_up = warm_up
        self.start: float | None = None
        self.spent = 0.0

    def before_run(self, runner: Any) -> None:
        """Checks that nothing else sets the rate.

        Raises:
            ConfigError: something does, or the training is not counted by steps.
        """
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ConfigError("TimedRateHook needs training that is counted by steps: max_iters")
        if runner.cfg.get("param_scheduler"):
            raise ConfigError("TimedRateHook sets the learning rate: set param_scheduler=[]")

    def before_train(self, runner: Any) -> None:
        """Ends a resumed training whose minutes are over."""
        if runner.message_hub.runtime_info.get(_SPENT, 0.0) >= self.seconds:
            runner.train_loop.stop_training = True

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Sets the step's learning rate."""
        if self.start is None:
            before = runner.message_hub.runtime_info.get(_SPENT, 0.0)
            self.start = time.monotonic() - before
        spent = torch.tensor([time.monotonic() - self.start])
        all_reduce(spent, op="max")  # the same rate in every process
        self.spent = float(spent)
        runner.message_hub.update_info(_SPENT, self.spent)
        factor = self.factor(self.spent / self.seconds)
        for group in runner.optim_wrapper.param_groups:  # MMEngine's own for the log, too
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Makes this step the last where time is up; tells the log how much is left.

        As the last step it is validated and saved like any training's.
        """
        runner.message_hub.update_info("eta", max(0.0, self.seconds - self.spent))
        if self.spent >= self.seconds:
            runner.train_loop._max_iters = runner.iter + 1
            runner.logger.info(f"time is up after step {runner.iter + 1}: the rate has fallen")

    def factor(self, share: float) -> float:
        """Returns the rate as a share of the highest, after a share of the time."""
        if share < self.warm_up:
            return max(share / self.warm_up, 1e-3)
        fall = (min(share, 1.0) - self.warm_up) / (1 - self.warm_up)
        return max(0.5 * (1 + math.cos(math.pi * fall)), 1e-4)

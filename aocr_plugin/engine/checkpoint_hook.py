"""Checkpoints that are whole or not there, load without running code, and describe themselves."""

import os
from math import inf
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmocr.registry import HOOKS

from aocr_plugin import storage
from aocr_plugin.atomic import PARTIAL, write_atomically
from aocr_plugin.engine.description import describe
from aocr_plugin.engine.plain import from_plain, to_plain
from aocr_plugin.errors import ConfigError

BEST = "best.pth"
PREVIOUS = "previous"


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, whose ``put`` never leaves half a file under the final name."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes bytes atomically; folders are made."""
        write_atomically(obj, filepath)


register_backend("aocr_atomic", AtomicLocalBackend, force=True)


def set_aside(folder: Path) -> None:
    """Moves the checkpoints of an earlier run to ``previous/``: they are not this run's."""
    patterns = ("iter_*.pth", "epoch_*.pth", BEST, "last_checkpoint")
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        (folder / PREVIOUS).mkdir(exist_ok=True)
        path.replace(folder / PREVIOUS / path.name)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` without its traps.

    - A file appears under its name only when it is complete, and an old checkpoint is removed
      only after the new one is written: a killed run can always be resumed.
    - Nothing but tensors and plain data is saved, so ``torch.load(weights_only=True)`` takes it.
    - ``meta["aocr"]`` describes the model, charset and preprocessing for ``Recognizer``.
    - The best checkpoint is always ``best.pth``; of equal scores the latest is kept.

    Args:
        save_best: the validation metric to choose the best checkpoint by, or None.
        rule: "greater" or "less"; None is "less" for loss, perplexity and CER, else "greater".
        **kwargs: as for ``CheckpointHook``.
    """

    rule_map = {"greater": lambda x, y: x >= y, "less": lambda x, y: x <= y}  # noqa: RUF012

    def __init__(
        self, save_best: str | None = None, rule: str | None = None, **kwargs: Any
    ) -> None:
        if save_best and rule is None:
            falls = any(word in save_best.lower() for word in ("loss", "perplexity", "cer"))
            rule = "less" if falls else "greater"
        if kwargs.get("backend_args") is None:
            kwargs["backend_args"] = {"backend": "aocr_atomic"}
        super().__init__(save_best=save_best, rule=rule if save_best else None, **kwargs)

    def before_train(self, runner: Any) -> None:
        """Removes what a killed run left half written, and takes up the best score so far.

        Raises:
            ConfigError: ``out_dir`` is in an object store.
        """
        if storage.is_remote(self.out_dir or ""):
            raise ConfigError(
                f"checkpoint.out_dir is {self.out_dir}: for checkpoints in an object store set "
                "work_dir to a URL instead"
            )
        super().before_train(runner)
        if not is_main_process():
            return
        for partial in Path(self.out_dir).glob(f"{PARTIAL}*"):
            partial.unlink(missing_ok=True)
        if runner.iter == 0:
            set_aside(Path(self.out_dir))
            return
        best = Path(self.out_dir) / BEST
        if not self.save_best or not best.exists():
            return
        score = torch.load(best, weights_only=True, map_location="cpu")["meta"].get("best_score")
        known = self._best_score(runner)
        if score is not None and self.is_better_than[self.key_indicators[0]](score, known):
            runner.message_hub.update_info("best_score", score)

    def _best_score(self, runner: Any) -> float:
        known = runner.message_hub.runtime_info.get("best_score")
        return (-inf if self.rules[0] == "greater" else inf) if known is None else known

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Makes the checkpoint plain and adds the description."""
        checkpoint["meta"]["aocr"] = describe(runner.cfg)
        if "optimizer" not in checkpoint:  # weights to use, not to resume from
            checkpoint.pop("ema_state_dict", None)
        for key in list(checkpoint):
            if key not in ("state_dict", "ema_state_dict"):
                checkpoint[key] = to_plain(checkpoint[key])

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Gives MMEngine its own objects back, and nothing that it would run.

        MMEngine executes ``meta["config"]`` when it resumes. Schedules take their ends from the
        config, so that a run resumed with more steps gets a schedule that reaches them.
        """
        checkpoint.get("meta", {}).pop("config", None)
        for schedule in checkpoint.get("param_schedulers") or []:
            for key in ("end", "T_max", "total_iters"):
                schedule.pop(key, None)
        for key in list(checkpoint):
            if key not in ("state_dict", "ema_state_dict"):
                checkpoint[key] = from_plain(checkpoint[key])

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        """Saves first, removes the oldest after."""
        outdated = []
        if self.max_keep_ckpts > 0:
            if not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step:
                if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                    outdated.append(self.keep_ckpt_ids.popleft())
                self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info("keep_ckpt_ids", list(self.keep_ckpt_ids))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info("last_ckpt", self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            write_atomically(
                str(self.last_ckpt).encode(), os.path.join(runner.work_dir, "last_checkpoint")
            )
            for old in outdated:
                path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old))
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, float]) -> None:
        """Saves ``best.pth`` if the validation score is not below the best so far."""
        if not self.save_best:
            return
        key = self.key_indicators[0]
        if key not in metrics:
            runner.logger.warning(
                f"save_best='{key}' is not among the validation metrics ({', '.join(metrics)}); "
                "no best checkpoint is kept"
            )
            return
        score = float(metrics[key])
        if not self.is_better_than[key](score, self._best_score(runner)):
            return
        step = runner.epoch if self.by_epoch else runner.iter
        runner.message_hub.update_info("best_score", score)
        runner.save_checkpoint(
            self.out_dir,
            BEST,
            save_optimizer=False,
            save_param_scheduler=False,
            meta={"epoch": runner.epoch, "iter": runner.iter, "best_score": score},
            by_epoch=False,
            backend_args=self.backend_args,
        )
        runner.logger.info(f"{key} {score:.4f} at step {step}: saved as {BEST}")
        if self.last_ckpt is not None:
            self._save_checkpoint_with_step(
                runner, step, {"epoch": runner.epoch, "iter": runner.iter}
            )

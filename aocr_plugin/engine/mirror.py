"""Copies a run into the object store that its work directory is in, while it goes on."""

import uuid
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmocr.registry import HOOKS

from aocr_plugin import storage
from aocr_plugin.atomic import PARTIAL
from aocr_plugin.engine import checkpoint_file, staging
from aocr_plugin.engine.checkpoint_hook import BEST, PREVIOUS, set_aside
from aocr_plugin.errors import StorageError

_POINTER = "last_checkpoint"
Stamp = tuple[int, int]


@HOOKS.register_module()
class MirrorHook(Hook):
    """Mirrors the runner's local work directory to a URL.

    - Checkpoints follow as soon as they are written, then ``last_checkpoint``; only then are old
      ones removed from the store. An object appears whole or not at all.
    - Logs, config and scalars follow with every checkpoint, at the end, and after an error.
    - Where the store is out of reach when the training starts, that is an error; later it is a
      warning, the next checkpoint tries again, and at the end it is an error.

    ``tools/train.py`` and ``AOCRRunner`` add it by themselves for a work directory in a store.

    Args:
        url: the work directory, e.g. ``s3://bucket/runs/plates``.
    """

    priority = "LOWEST"  # after SafeCheckpointHook

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._done: dict[str, Stamp] = {}
        self._seen: dict[str, Stamp] = {}
        self._finished = False

    def before_run(self, runner: Any) -> None:
        """Prepares the local folder for a run that goes on: its best checkpoint belongs to it.

        Raises:
            StorageError: the store cannot be used.
        """
        if not is_main_process():
            return
        runner.logger.info(f"{runner.work_dir} is mirrored to {self.url}")
        if not runner.cfg.get("resume") or not runner.cfg.get("load_from"):
            return
        local = Path(runner.work_dir)
        if Path(runner.cfg.load_from).parent == local:
            return
        set_aside(local)  # older than the store's, or of another run
        if storage.exists(f"{self.url}/{BEST}"):
            storage.fetch(f"{self.url}/{BEST}", local / BEST)
            if checkpoint_file.is_whole(local / BEST):
                self._done = _checkpoints(local)
            else:
                (local / BEST).unlink()

    def before_train(self, runner: Any) -> None:
        """Marks the run; moves the checkpoints of an earlier one to ``previous/``.

        Raises:
            StorageError: the store cannot be used or written to.
        """
        if not is_main_process():
            return
        known = staging.run_id(self.url) if runner.iter else None
        if not runner.iter:
            for name in storage.files(self.url):
                if checkpoint_file.by_step([name]) or name in (BEST, _POINTER):
                    storage.move(f"{self.url}/{name}", f"{self.url}/{PREVIOUS}/{name}")
        identity = (known or uuid.uuid4().hex).encode()
        for place in (self.url, runner.work_dir):
            storage.write_bytes(storage.join(place, staging.RUN_ID), identity)
        self.mirror(runner)

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        """Mirrors if a checkpoint was written."""
        self._follow(runner)

    def after_train_epoch(self, runner: Any) -> None:
        """Mirrors if a checkpoint was written."""
        self._follow(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Mirrors if a checkpoint was written."""
        self._follow(runner)

    def after_run(self, runner: Any) -> None:
        """Mirrors what is left.

        Raises:
            StorageError: a checkpoint is not in the store.
        """
        if not is_main_process():
            return
        self._finished = True
        self.mirror(runner)
        missing = sorted(self._pending(_checkpoints(Path(runner.work_dir))))
        if missing:
            raise StorageError(
                f"{self.url}: {', '.join(missing)} could not be written to the store (the log says "
                f"why) and is only in {runner.work_dir}; copy it by hand, or run again with "
                "--resume on this machine when the store is back"
            )

    def rescue(self, runner: Any) -> None:
        """Mirrors what there is after an error; does not raise."""
        if is_main_process() and not self._finished:
            self.mirror(runner)

    def _follow(self, runner: Any) -> None:
        if is_main_process():
            found = _checkpoints(Path(runner.work_dir))
            if found != self._seen:
                self._seen = found
                self.mirror(runner)

    def _pending(self, found: dict[str, Stamp]) -> list[str]:
        return [name for name, stamp in found.items() if self._done.get(name) != stamp]

    def mirror(self, runner: Any) -> None:
        """Copies what changed; where the store cannot be used, a warning says so."""
        try:
            self._mirror(Path(runner.work_dir), runner.message_hub.runtime_info)
        except (StorageError, OSError) as error:
            runner.logger.warning(
                f"not everything could be mirrored, the next checkpoint tries again: {error}"
            )

    def _mirror(self, local: Path, info: dict[str, Any]) -> None:
        """Copies checkpoints, then the pointer, removes old checkpoints, then copies the rest."""
        found = _checkpoints(local)
        pending = self._pending(found)
        for name in pending:
            self._upload(local, name, found[name])
        steps = checkpoint_file.by_step(found)
        if set(pending) & set(steps):
            storage.write_bytes(f"{self.url}/{_POINTER}", f"{self.url}/{steps[0]}".encode())
            self._remove_outdated(steps[0], info.get("keep_ckpt_ids"))
        rest = _others(local)
        for name in self._pending(rest):
            self._upload(local, name, rest[name])

    def _upload(self, local: Path, name: str, stamp: Stamp) -> None:
        storage.upload(local / name, f"{self.url}/{name}")
        self._done[name] = stamp

    def _remove_outdated(self, newest: str, keep: Any) -> None:
        """Removes the checkpoints that ``SafeCheckpointHook`` no longer keeps."""
        if not keep:  # it keeps all
            return
        limit = checkpoint_file.step(newest)
        for name in checkpoint_file.by_step(storage.files(self.url)):
            step = checkpoint_file.step(name)
            if step < limit and step not in keep:
                storage.remove(f"{self.url}/{name}")


def rescue(runner: Any) -> None:
    """Mirrors what a runner that fails has written so far."""
    for hook in runner.hooks:
        if isinstance(hook, MirrorHook):
            hook.rescue(runner)


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _checkpoints(local: Path) -> dict[str, Stamp]:
    """Returns the checkpoints in a work directory, oldest first."""
    names = [*reversed(checkpoint_file.by_step(storage.files(local)))]
    names += [BEST] if (local / BEST).is_file() else []
    return {name: _stamp(local / name) for name in names}


def _others(local: Path) -> dict[str, Stamp]:
    """Returns the other files of a run: logs, scalars, config."""
    return {
        name: _stamp(local / name)
        for name in storage.files(local, recursive=True)
        if not name.endswith(".pth")
        and not name.startswith(f"{PREVIOUS}/")
        and not name.rpartition("/")[2].startswith(PARTIAL)
        and name not in (_POINTER, staging.RUN_ID)
    }

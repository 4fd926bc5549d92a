"""Reading checkpoints: only tensors and plain data are ever unpickled."""

import pickle
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from aocr_plugin import storage, weights
from aocr_plugin.engine.description import FORMAT, checked
from aocr_plugin.errors import CheckpointError

_STEP = re.compile(r"(?:iter|epoch)_(\d+)\.pth")


def local(path: str | Path) -> Path:
    """Returns a checkpoint's path; one in an object store is fetched, one that comes along named.

    Raises:
        CheckpointError: it is missing.
        StorageError: its store cannot be used.
    """
    try:
        found = storage.local_copy(weights.resolve(path))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint in the store") from error
    if not found.is_file():
        raise CheckpointError(f"{path}: no such checkpoint file")
    return found


def load(path: str | Path) -> dict[str, Any]:
    """Loads a checkpoint, given by its path or URL, to the CPU with ``weights_only=True``.

    Raises:
        CheckpointError: missing, truncated, not a checkpoint, or carrying code.
        StorageError: its store cannot be used.
    """
    file = local(path)
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "weights_only" in str(error).lower():
            first = str(error).splitlines()
            reason = next((line for line in first if "GLOBAL" in line), first[0]).strip()
            raise CheckpointError(
                f"{path}: refused, it holds more than tensors and plain data and could run code "
                f"when loaded ({reason})"
            ) from error
        raise CheckpointError(f"{path}: not a PyTorch checkpoint ({error})") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path}: broken or truncated checkpoint ({what})") from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise CheckpointError(f"{path}: no 'state_dict' in it; not a training checkpoint")
    return checkpoint


def description(checkpoint: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """Returns what a loaded checkpoint says about itself, checked.

    Raises:
        CheckpointError: it says nothing, says it in a newer format, or names a type that could
            run code.
    """
    found = (checkpoint.get("meta") or {}).get("aocr")
    if not isinstance(found, dict) or not found.get("model"):
        raise CheckpointError(
            f"{path}: the checkpoint does not describe itself (no meta['aocr']); it was not saved "
            "by this plugin's SafeCheckpointHook. Train with configs/aocr_*.py, or use MMOCR's own "
            "tools with the checkpoint's config"
        )
    if found.get("format", 0) > FORMAT:
        raise CheckpointError(
            f"{path}: written by a newer aocr_plugin ({found.get('version')}); upgrade this one"
        )
    return dict(checked(found, str(path)))


def is_whole(path: str | Path) -> bool:
    """Whether a checkpoint file is complete: its archive's directory is there and sums agree."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def step(name: str) -> int:
    """Returns the step or epoch in a checkpoint's name; -1 if there is none."""
    found = _STEP.fullmatch(name)
    return int(found[1]) if found else -1


def by_step(names: Iterable[str]) -> list[str]:
    """Returns the names that are a checkpoint's of some step or epoch, the newest first."""
    return sorted((name for name in names if step(name) >= 0), key=step, reverse=True)


def latest(work_dir: str | Path) -> Path | None:
    """Finds the checkpoint to resume from, in a folder or a folder's URL.

    MMEngine trusts the file ``last_checkpoint``; here what it names must be whole, or else the
    newest whole ``iter_*.pth`` or ``epoch_*.pth`` is taken. In an object store it is always the
    newest whole one, of which a local copy is returned.

    Raises:
        StorageError: the store cannot be used.
    """
    if storage.is_remote(work_dir):
        names = by_step(storage.files(work_dir))
        copies = (storage.local_copy(storage.join(work_dir, name)) for name in names)
        return next((path for path in copies if is_whole(path)), None)
    work_dir = Path(work_dir)
    pointer = work_dir / "last_checkpoint"
    candidates: list[Path] = []
    if pointer.is_file():
        named = Path(pointer.read_text().strip() or ".")
        candidates.append(work_dir / named.name)  # the folder may have been moved or copied
        candidates.append(named)
    candidates += [work_dir / name for name in by_step(storage.files(work_dir))]
    return next((path for path in candidates if path.is_file() and is_whole(path)), None)

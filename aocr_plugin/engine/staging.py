"""Work directories in an object store: the run is written to a local folder and mirrored."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.config import Config

from aocr_plugin import storage
from aocr_plugin.engine import checkpoint_file
from aocr_plugin.engine.distributed import several_hosts
from aocr_plugin.engine.storage_backend import PREFIXES

RUN_ID = "run_id"
"""File that tells whether a local folder and one in a store are of the same run."""


def folder(url: str) -> Path:
    """Returns the local folder in which a run is staged whose work directory is a URL."""
    parts = [part for part in url.split("://")[1].split("/") if part.strip(".")]
    return storage.cache_folder().joinpath("runs", storage.scheme(url), *parts)


def run_id(place: str | Path) -> str | None:
    """Returns the identity of the run in a work directory, or None if it has none."""
    try:
        return storage.read_bytes(storage.join(place, RUN_ID)).decode()
    except FileNotFoundError:
        return None


def latest(work_dir: str, shared: bool = False) -> Path | None:
    """Finds the newest whole checkpoint of a work directory, as a local file.

    For a directory in a store that may be one still in the staging folder, of the same run, that
    the store was out of reach for. Half an object is passed over.

    Args:
        work_dir: a folder or a URL.
        shared: whether other hosts start from it too, which cannot see this one's staging folder.

    Raises:
        StorageError: the store cannot be used.
    """
    if not storage.is_remote(work_dir):
        return checkpoint_file.latest(work_dir)
    place = folder(work_dir)
    identity = run_id(work_dir)
    same = not shared and identity is not None and identity == run_id(place)
    here = checkpoint_file.by_step(storage.files(place)) if same else []
    there = checkpoint_file.by_step(storage.files(work_dir))
    for name in checkpoint_file.by_step({*here, *there}):
        if name in here and checkpoint_file.is_whole(place / name):
            return place / name
        if name in there:
            copy = storage.local_copy(storage.join(work_dir, name))
            if checkpoint_file.is_whole(copy):
                return copy
    return None


def localise(cfg: Config) -> None:
    """Makes a config local where it names a store; does nothing to one that names none.

    A checkpoint to start from is fetched. A work directory becomes its staging folder, and
    ``MirrorHook`` is added, which copies what is written there into the store.

    Args:
        cfg: changed in place.

    Raises:
        CheckpointError: there is no such checkpoint to start from.
        StorageError: a store cannot be used.
    """
    if storage.scheme(cfg.get("load_from") or "") in PREFIXES:
        cfg.load_from = str(checkpoint_file.local(cfg.load_from))
    work_dir = str(cfg.get("work_dir") or "").rstrip("/")
    if not storage.is_remote(work_dir):
        return
    if cfg.get("resume") and not cfg.get("load_from"):
        found = latest(work_dir, several_hosts(cfg.get("launcher", "none")))
        cfg.resume, cfg.load_from = found is not None, found and str(found)
    cfg.work_dir = str(folder(work_dir))
    hook = {"type": "MirrorHook", "url": work_dir}
    cfg.custom_hooks = [*(cfg.get("custom_hooks") or []), hook]


@contextmanager
def results(work_dir: str) -> Iterator[Path]:
    """Yields a local folder to write results into; those for a URL are in the store afterwards.

    Raises:
        StorageError: the store cannot be used.
    """
    if not storage.is_remote(work_dir):
        yield Path(work_dir)
        return
    with tempfile.TemporaryDirectory() as local:
        yield Path(local)
        for name in storage.files(local, recursive=True):
            storage.upload(Path(local) / name, storage.join(work_dir, name))

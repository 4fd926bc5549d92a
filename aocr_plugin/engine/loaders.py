"""What training loaders need beyond their configs, and when their workers end."""

import copy
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator

_ENDLESS = ("EndlessSampler", "SourceSampler")
_PACK = ("PackTextRecogInputs", "mmocr.PackTextRecogInputs")


def _stacks(loader: dict[str, Any]) -> bool:
    """Whether a loader's batches are put together in its workers."""
    collate = loader.get("collate_fn")
    return isinstance(collate, dict) and collate.get("type") == "stacked_collate"


def suit(cfg: Config) -> None:
    """Makes the training loader fit the model and the device.

    Stacked batches are for ``StackedDataPreprocessor`` alone. Where there is a GPU, batches wait in
    memory that it reads by itself. An endless sampler's workers have nothing to outlive;
    ``persistent_workers`` would only make PyTorch wait five seconds for each at the program's end.

    Args:
        cfg: changed in place.
    """
    loader, model = cfg.get("train_dataloader"), cfg.get("model") or {}
    if not loader:
        return
    kind = (model.get("data_preprocessor") or {}).get("type")
    if _stacks(loader) and kind != "StackedDataPreprocessor":
        del loader["collate_fn"]
    if str((loader.get("sampler") or {}).get("type")).removeprefix("mmocr.") in _ENDLESS:
        loader["persistent_workers"] = False
    if torch.cuda.is_available():
        loader.setdefault("pin_memory", True)


def packing_lines(loader: dict[str, Any]) -> dict[str, Any]:
    """Returns a loader's config; where its batches are stacked, pipelines end with ``PackLine``."""
    if not _stacks(loader):
        return loader
    loader = copy.deepcopy(loader)
    _pack_lines(loader.get("dataset"))
    return loader


def _pack_lines(dataset: Any) -> None:
    """Puts ``PackLine`` in the place of MMOCR's transform, in wrapped datasets too."""
    if isinstance(dataset, list | tuple):
        for part in dataset:
            _pack_lines(part)
    elif isinstance(dataset, dict):
        last = (dataset.get("pipeline") or [None])[-1]
        if isinstance(last, dict) and last.get("type") in _PACK:
            last["type"] = "PackLine"
        _pack_lines(dataset.get("dataset"))
        _pack_lines(dataset.get("datasets"))


def end_workers(loop: Any) -> None:
    """Ends the workers of a training by steps, which has no more use for them."""
    if isinstance(loop, IterBasedTrainLoop):
        loop.dataloader_iterator = None


def begin_again(loop: Any) -> None:
    """Starts the workers of a training by steps that goes on after :func:`end_workers`."""
    if isinstance(loop, IterBasedTrainLoop) and loop.dataloader_iterator is None:
        loop.dataloader_iterator = _InfiniteDataloaderIterator(loop.dataloader)

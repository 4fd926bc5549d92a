"""The runner: derives from a config what would otherwise have to be said twice."""

import copy
import logging
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.logging import MessageHub, print_log
from mmengine.registry import RUNNERS as ROOT_RUNNERS
from mmengine.runner import Runner
from mmocr.registry import RUNNERS
from torch import nn
from torch.utils.data import DataLoader

from aocr_plugin import annotations, charset
from aocr_plugin.datasets.record_dataset import find_shards
from aocr_plugin.engine import distributed, loaders, mirror, param_groups, staging
from aocr_plugin.engine.config_check import check
from aocr_plugin.engine.heap import keep_freed_memory
from aocr_plugin.engine.message_hub import DeferredMessageHub
from aocr_plugin.errors import ConfigError
from aocr_plugin.record_samples import read_record_samples
from aocr_plugin.sifting import Report, policies

_DATASETS = ("AOCRDataset", "AOCRRecordDataset", "SyntheticDataset")
_LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def annotation_datasets(loader: Any) -> Iterator[Any]:
    """Yields our datasets' configs in a dataloader config, also inside of wrappers."""
    if isinstance(loader, dict):
        if str(loader.get("type", "")).removeprefix("mmocr.") in _DATASETS:
            yield loader
        for key in ("dataset", "datasets"):
            yield from annotation_datasets(loader.get(key))
    elif isinstance(loader, list | tuple):
        for part in loader:
            yield from annotation_datasets(part)


def _labels(cfg: Config, letter_case: str) -> Iterator[str]:
    """Yields the training labels that a config names."""
    for dataset in annotation_datasets(cfg.get("train_dataloader")):
        for label in _labels_of(dataset):
            yield charset.apply_case(label, letter_case)


def _labels_of(dataset: dict[str, Any]) -> Iterator[str]:
    """Yields the labels of one dataset config, usable or not."""
    encoding = dataset.get("encoding", "auto")
    if str(dataset["type"]).endswith("SyntheticDataset"):
        if dataset.get("charset") is not None:  # else it draws the dictionary's characters
            yield charset.resolve(dataset["charset"])
        return
    if str(dataset["type"]).endswith("AOCRRecordDataset"):
        files = find_shards(dataset.get("ann_file", ""), dataset.get("data_root"))
        for file in [files] if isinstance(files, str) else files:
            report = Report(file, policies(None, testing=False))
            for sample in read_record_samples(
                file, report, encoding=encoding, check_images="exists"
            ):
                yield sample.label
        return
    path = annotations.find_file(dataset.get("ann_file", ""), dataset.get("data_root"))
    text = annotations.text(path, encoding)
    for line in annotations.parse(text, dataset.get("separator")):
        if line.label is not None:
            yield line.label


def resolve_charset(cfg: Config, dictionary: dict[str, Any]) -> str:
    """Returns the characters of a dictionary config; collects them for ``charset="labels"``.

    Raises:
        ConfigError: "labels" without training annotations that hold any character.
    """
    setting = dictionary.get("charset", "aocr")
    if setting != charset.FROM_LABELS:
        return charset.resolve(setting)
    characters = charset.collect(_labels(cfg, dictionary.get("letter_case", "unchanged")))
    if not characters:
        raise ConfigError(
            "charset='labels' finds no label in train_dataloader's AOCRDataset; set its ann_file, "
            "or the charset to a name, 'file:PATH' or 'chars:…'"
        )
    return characters


def _schedules(schedules: list[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """Ends open schedules by steps with the training; drops those that would begin after it."""
    kept = []
    for schedule in schedules:
        if schedule.get("by_epoch") is False:
            if schedule.get("begin", 0) >= steps:
                continue
            schedule.setdefault("end", steps)
        kept.append(schedule)
    return kept


def _fuse(cfg: Config) -> None:
    """Lets Adam make its step in one kernel, unless the config says how it is to be made."""
    optimizer = (cfg.get("optim_wrapper") or {}).get("optimizer") or {}
    ways = ("fused", "foreach", "capturable", "differentiable")
    if optimizer.get("type") in ("Adam", "AdamW") and not any(way in optimizer for way in ways):
        optimizer["fused"] = True


def resolve(cfg: Config) -> Config:
    """Returns a copy of a config with everything said that can be derived.

    - The charset is spelt out, so that a checkpoint needs no other file.
    - A learning rate schedule by steps that names no end goes on to the last step.
    - Several processes train as one with the whole batch: :mod:`aocr_plugin.engine.distributed`.
    - Each of our datasets checks its labels against the model's dictionary and length, unless
      its own config says otherwise.
    """
    cfg = copy.deepcopy(cfg)
    distributed.prepare(cfg)
    loaders.suit(cfg)
    _fuse(cfg)
    steps = (cfg.get("train_cfg") or {}).get("max_iters")
    if steps and isinstance(cfg.get("param_scheduler"), list):
        cfg.param_scheduler = _schedules(cfg.param_scheduler, steps)
    decoder = (cfg.get("model") or {}).get("decoder") or {}
    dictionary = decoder.get("dictionary")
    if not isinstance(dictionary, dict) or dictionary.get("type") != "AOCRDictionary":
        return cfg
    dictionary["charset"] = "chars:" + resolve_charset(cfg, dictionary)
    limit = decoder["max_seq_len"] - 2 if "max_seq_len" in decoder else None
    for loader in _LOADERS:
        for dataset in annotation_datasets(cfg.get(loader)):
            if dataset.get("dictionary") is None:
                dataset["dictionary"] = copy.deepcopy(dictionary)
            if dataset.get("max_label_length") is None:
                dataset["max_label_length"] = limit
    return cfg


def overridden(cfg: Config) -> list[str]:
    """Returns a note for each top-level variable that no component uses as it stands.

    MMEngine merges dicts but does not compute a base config's values anew, so a config that
    changes ``dictionary`` or a pipeline at the top has to put it into its place as well.
    """
    decoder = (cfg.get("model") or {}).get("decoder") or {}
    used = {
        ("dictionary", "model.decoder.dictionary"): [decoder.get("dictionary")],
        ("train_pipeline", "train_dataloader.dataset.pipeline"): [
            dataset.get("pipeline") for dataset in annotation_datasets(cfg.get("train_dataloader"))
        ],
        ("test_pipeline", "val_dataloader.dataset.pipeline"): [
            dataset.get("pipeline") for dataset in annotation_datasets(cfg.get("val_dataloader"))
        ],
    }

    def same(stated: Any, value: Any) -> bool:
        if isinstance(stated, dict) and isinstance(value, dict):  # the charset is spelt out by now
            return all(value.get(key) == stated[key] for key in stated if key != "charset")
        return bool(stated == value)

    return [
        f"the config's {name} differs from its {place}, which is the one that counts"
        for (name, place), values in used.items()
        if cfg.get(name) is not None
        and any(value and not same(cfg[name], value) for value in values)
    ]


@ROOT_RUNNERS.register_module()
@RUNNERS.register_module()
class AOCRRunner(Runner):
    """MMEngine's runner on a checked and completed config; see :func:`resolve`.

    Set ``runner_type = "AOCRRunner"`` in a config; MMOCR's own ``tools/train.py`` heeds it too. It
    looks in MMEngine's registry, so the runner is in there beside MMOCR's.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> "AOCRRunner":
        """Builds the runner.

        Raises:
            ConfigError: the config has arguments that nothing takes, all named at once, or a
                component refuses its values.
            StorageError: it names an object store that cannot be used.
        """
        check(cfg)
        distributed.check_launcher(cfg.get("launcher", "none"))
        try:
            cfg = resolve(cfg)
            staging.localise(cfg)
            runner: AOCRRunner = super().from_cfg(cfg)
        except (ValueError, TypeError, KeyError, AssertionError) as error:
            raise ConfigError(f"{cfg.filename or 'config'}: {error}") from error
        for ignored in overridden(runner.cfg):
            print_log(ignored, logger="current", level=logging.WARNING)
        return runner

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader[Any] | dict[str, Any], *args: Any, **kwargs: Any
    ) -> DataLoader[Any]:
        """Builds a loader as MMEngine's runner does; what is stacked is packed by ``PackLine``."""
        if isinstance(dataloader, dict):
            dataloader = loaders.packing_lines(dataloader)
        loader: DataLoader[Any] = Runner.build_dataloader(dataloader, *args, **kwargs)
        return loader

    def build_message_hub(self, message_hub: dict[str, Any] | None = None) -> MessageHub:
        """Builds the hub of what is logged, which does not wait for a GPU."""
        settings = {"name": self._experiment_name} | (message_hub or {})
        hub: MessageHub = DeferredMessageHub.get_instance(**settings)
        return hub

    def resume(self, *args: Any, **kwargs: Any) -> None:
        """Resumes; schedules go on from the rates of today's parameter groups.

        A checkpoint may have more groups: :mod:`aocr_plugin.engine.param_groups`.
        """
        super().resume(*args, **kwargs)
        if isinstance(self.param_schedulers, list):
            param_groups.follow(self.param_schedulers)

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Wraps the model for several processes, BatchNorm over all of them included."""
        model = distributed.with_synced_norm(self.cfg, model)
        return super().wrap_model(model_wrapper_cfg, model)

    def train(self) -> nn.Module:
        """Trains; a work directory in an object store has the log even if the training fails.

        Raises:
            CheckpointError: the processes would start from different checkpoints.
            ConnectionLostError: another process was killed or is out of reach.
        """
        try:
            distributed.check_same_start(self.cfg)
            keep_freed_memory()
            loaders.begin_again(self._train_loop)
            return super().train()
        except BaseException as error:
            mirror.rescue(self)
            lost = distributed.explain(error) if isinstance(error, RuntimeError) else None
            if lost:
                raise lost from error
            raise
        finally:
            loaders.end_workers(self._train_loop)

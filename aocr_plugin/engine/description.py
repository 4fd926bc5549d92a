"""What a checkpoint says about itself: model, charset, preprocessing. Plain data, no code."""

import re
from typing import Any

from mmengine.config import Config

from aocr_plugin.errors import CheckpointError
from aocr_plugin.version import __version__

FORMAT = 1
_NAME = re.compile(r"(mmocr\.)?[A-Za-z_]\w*")
_EVALUATES_CODE = {"ConditionApply"}


def test_pipeline(cfg: Config) -> list[dict[str, Any]]:
    """Returns the pipeline that images go through when a config's model reads."""
    if cfg.get("test_pipeline"):
        return list(cfg.test_pipeline)
    for name in ("test_dataloader", "val_dataloader"):
        dataset = (cfg.get(name) or {}).get("dataset", {})
        if dataset.get("pipeline"):
            return list(dataset["pipeline"])
    return []


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def describe(cfg: Config) -> dict[str, Any]:
    """Returns the description of a (resolved) config's model, as plain data."""
    return {
        "format": FORMAT,
        "version": __version__,
        "model": _plain(cfg.get("model", {})),
        "test_pipeline": _plain(test_pipeline(cfg)),
    }


def check_types(value: Any, where: str) -> None:
    """Refuses a description that could make a registry run something else than a component.

    MMEngine's registries import any dotted path given as ``type``, and one of MMOCR's transforms
    evaluates a string; neither may come out of a file that only claims to be weights.

    Raises:
        CheckpointError: such a type is found.
    """
    if isinstance(value, dict):
        kind = value.get("type")
        if kind is not None and (
            not isinstance(kind, str)
            or not _NAME.fullmatch(kind)
            or kind.removeprefix("mmocr.") in _EVALUATES_CODE
        ):
            raise CheckpointError(
                f"{where}: the checkpoint's description names the type {kind!r}, which could run "
                "code; it is refused. Take checkpoints from sources you trust"
            )
        for entry in value.values():
            check_types(entry, where)
    elif isinstance(value, list):
        for entry in value:
            check_types(entry, where)

"""What a checkpoint says about itself: model, charset, preprocessing. Plain data, no code."""

from typing import Any

from mmengine.config import Config
from mmocr.registry import MODELS, TASK_UTILS, TRANSFORMS

from aocr_plugin.errors import CheckpointError
from aocr_plugin.lazy_packages import is_registered
from aocr_plugin.version import __version__

FORMAT = 1
_REFUSED = {"ConditionApply", "ImgAugWrapper"}  # evaluates text; calls imgaug's writers of files
_NOT_BUILT = {"color_type"}


def test_pipeline(cfg: Config) -> list[dict[str, Any]]:
    """Returns the pipeline that images go through when a config's model is validated."""
    for name in ("val_dataloader", "test_dataloader"):
        dataset = (cfg.get(name) or {}).get("dataset", {})
        if dataset.get("pipeline"):
            return list(dataset["pipeline"])
    return list(cfg.get("test_pipeline") or [])


def _plain(value: Any) -> Any:
    """Returns plain data, without what is not needed to build a model whose weights are there."""
    if isinstance(value, dict):
        needed = [key for key in value if key not in ("_scope_", "init_cfg")]
        return {str(key): _plain(value[key]) for key in needed}
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


def _is_known(name: str) -> bool:
    """Whether a name is that of something that a description may be built of."""
    return name not in _REFUSED and is_registered(name, MODELS, TRANSFORMS, TASK_UTILS)


def checked(value: Any, where: str) -> Any:
    """Returns a description out of a file as plain lists and dicts, if it can run no code.

    MMEngine's registries import whatever module or dotted path a ``type`` or ``_scope_`` names,
    and one of MMOCR's transforms evaluates a string. None of that may come out of a file that
    only claims to be weights: every type must be a component of a registry.

    Raises:
        CheckpointError: it could run code, or holds something else than plain data.
    """
    if isinstance(value, list | tuple):
        return [checked(entry, where) for entry in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if not isinstance(value, dict):
        raise CheckpointError(f"{where}: the description holds a {type(value).__name__}")
    for key, entry in value.items():
        builds = key == "type" or (str(key).endswith("_type") and key not in _NOT_BUILT)
        if key == "dict_file" or (key == "charset" and str(entry).startswith("file:")):
            raise CheckpointError(
                f"{where}: the checkpoint's description has {key}={entry!r}, which would read a "
                "file of this machine; it is refused (checkpoints spell their charset out)"
            )
        known = isinstance(entry, str) and builds and _is_known(entry.removeprefix("mmocr."))
        if key == "_scope_" or (builds and not known):
            raise CheckpointError(
                f"{where}: the checkpoint's description has {key}={entry!r}, which names no "
                "component of this plugin or MMOCR and could run code; it is refused. Take "
                "checkpoints from sources you trust"
            )
    return {key: checked(entry, where) for key, entry in value.items()}

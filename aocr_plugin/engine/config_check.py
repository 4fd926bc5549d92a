"""Finds every argument of a config that nothing takes, before anything is built."""

import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmocr import registry as mmocr_registry
from torch.utils.data import DataLoader

from aocr_plugin.errors import ConfigError

_SKIPPED_KEYS = {"init_cfg", "norm_cfg", "act_cfg", "conv_cfg", "block_cfgs", "transforms"}
_TAKEN_BEFORE_BUILDING = {
    "type",
    "_scope_",
    "constructor",
    "paramwise_cfg",
    "convert_to_iter_based",
}
_REGISTRIES = (
    "MODELS",
    "TRANSFORMS",
    "DATASETS",
    "DATA_SAMPLERS",
    "METRICS",
    "EVALUATOR",
    "HOOKS",
    "LOOPS",
    "OPTIMIZERS",
    "OPTIM_WRAPPERS",
    "OPTIM_WRAPPER_CONSTRUCTORS",
    "PARAM_SCHEDULERS",
    "TASK_UTILS",
    "VISUALIZERS",
    "VISBACKENDS",
    "LOG_PROCESSORS",
    "RUNNERS",
)
_NOT_BUILT = {"env_cfg", "test_pipeline", "train_pipeline", "tta_pipeline", "tta_model"}
_RUNNER_KEYS = {
    *inspect.signature(Runner.__init__).parameters,
    "env_cfg",
    "runner_type",
    "custom_imports",
    "model_wrapper_cfg",
    "auto_scale_lr",
    "tta_model",
    "tta_pipeline",
    "dictionary",
    "test_pipeline",
    "train_pipeline",
} - {"self"}


_HOOK_SLOTS = {
    "timer",
    "logger",
    "param_scheduler",
    "checkpoint",
    "sampler_seed",
    "sync_buffer",
    "visualization",
    "runtime_info",
    "aocr_log",
}
_LOADER_KEYS = {
    *inspect.signature(DataLoader.__init__).parameters,
    "num_batch_per_epoch",
    "disable_subprocess_warning",
}
_CLIP_KEYS = {"type", "max_norm", "norm_type", "error_if_nonfinite", "foreach", "clip_value"}
_PARAMWISE_KEYS = {
    "lr_mult",
    "decay_mult",
    "bias_lr_mult",
    "bias_decay_mult",
    "norm_decay_mult",
    "flat_decay_mult",
    "dwconv_decay_mult",
    "dcn_offset_lr_mult",
    "bypass_duplicate",
    "custom_keys",
}
_FIXED_KEYS = {
    "train_dataloader": _LOADER_KEYS,
    "val_dataloader": _LOADER_KEYS,
    "test_dataloader": _LOADER_KEYS,
    "default_hooks": _HOOK_SLOTS,
    "optim_wrapper.clip_grad": _CLIP_KEYS,
    "optim_wrapper.paramwise_cfg": _PARAMWISE_KEYS,
}
"""Dicts without a ``type`` whose keys MMEngine reads, by their place."""
_PARTS = {f"model.{part}" for part in ("backbone", "encoder", "decoder", "preprocessor")}


def _unknown_keys(cfg: Config) -> Iterator[str]:
    for place, known in _FIXED_KEYS.items():
        found: Any = cfg
        for part in place.split("."):
            found = found.get(part) if isinstance(found, dict | Config) else None
        for name in found if isinstance(found, dict) else ():
            if name not in known:
                yield f"{place}.{name}: not read by anything{_hint(name, known, 0.5)}"


def _registries() -> Iterator[Registry]:
    from mmengine.registry import FUNCTIONS

    yield from (getattr(mmocr_registry, name) for name in _REGISTRIES)
    yield FUNCTIONS


def _find(kind: str) -> Any:
    for registry in _registries():
        found = registry.get(kind)
        if found is not None:
            return found
    return None


def _names() -> set[str]:
    names: set[str] = set()
    for registry in _registries():
        names |= set(registry.module_dict)
        if registry.parent is not None:
            names |= set(registry.parent.module_dict)
    return names


def accepted(target: Any) -> tuple[set[str], bool]:
    """Returns the argument names that a class or function takes, and whether these are all.

    A constructor with ``**kwargs`` may hand them to the next class in line, so that one is read
    too; it may also swallow them, as some of MMOCR's do, so then there may be more names.
    """
    functions: Iterable[Any] = [target]
    if inspect.isclass(target):
        functions = [vars(cls)["__init__"] for cls in target.__mro__ if "__init__" in vars(cls)]
    names: set[str] = set()
    complete = True
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return names, False
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names, complete and function is not object.__init__
        complete = False
    return names, False


def _hint(name: str, candidates: Iterable[str], cutoff: float = 0.6) -> str:
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=cutoff)
    return f"; did you mean '{close[0]}'?" if close else ""


def _mistakes(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for index, entry in enumerate(value):
            yield from _mistakes(entry, f"{where}[{index}]")
        return
    if not isinstance(value, dict):
        return
    kind = value.get("type")
    if isinstance(kind, str):
        target = _find(kind)
        if target is None:
            hint = _hint(kind, _names(), 0.8)
            if hint or where in ("model", *_PARTS):
                yield f"{where}: there is no '{kind}'{hint}"
        else:
            known, complete = accepted(target)
            for name in value:
                if name in known or name in _TAKEN_BEFORE_BUILDING:
                    continue
                hint = _hint(name, known, 0.6 if complete else 0.9)
                if complete or hint:
                    takes = ", ".join(sorted(known - {"self"})) if not hint else ""
                    yield (
                        f"{where}.{name}: {kind} takes no such argument{hint}"
                        + (f" (it takes: {takes})" if takes else "")
                    )
    for name, entry in value.items():
        if name not in _SKIPPED_KEYS:
            yield from _mistakes(entry, f"{where}.{name}")


def check(cfg: Config) -> None:
    """Checks all components that a config's runner will build.

    Raises:
        ConfigError: with every mistake, its place and the nearest right name.
    """
    found = [
        f"{key}: not read by anything{hint}"
        for key in cfg
        if key not in _RUNNER_KEYS and (hint := _hint(key, _RUNNER_KEYS, 0.88))
    ]
    found += _unknown_keys(cfg)
    for key in cfg:
        if key in _RUNNER_KEYS and key not in _NOT_BUILT:
            found += _mistakes(cfg[key], key)
    if found:
        name = cfg.filename or "config"
        raise ConfigError(f"{name}: {len(found)} mistake(s)\n  " + "\n  ".join(found))

"""Joins this package to MMOCR when, and only when, MMOCR is imported.

MMEngine's registries import their ``locations`` on the first look-up. We add ours to that list
as soon as ``mmocr.registry`` exists. A finder on ``sys.meta_path`` sees MMOCR's import coming;
that keeps ``import aocr_plugin`` free of PyTorch for the commands that need none, and makes the
order of imports in a user's program irrelevant.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec

from aocr_plugin import mends

LOCATION = "aocr_plugin.register"
_REGISTRIES = (
    "DATASETS",
    "DATA_SAMPLERS",
    "HOOKS",
    "LOOPS",
    "METRICS",
    "MODELS",
    "OPTIM_WRAPPERS",
    "RUNNERS",
    "TASK_UTILS",
    "TRANSFORMS",
)


def _extend(registry_module: types.ModuleType) -> None:
    """Adds our location to MMOCR's registries; at once where they were already searched."""
    for name in _REGISTRIES:
        registry = getattr(registry_module, name)
        if LOCATION not in registry._locations:
            registry._locations.append(LOCATION)
            if registry._imported:
                importlib.import_module(LOCATION)


AFTER: dict[str, Callable[[types.ModuleType], None]] = {
    "mmocr.registry": _extend,
    "mmocr.apis.inferencers.base_mmocr_inferencer": mends.inferencer_takes_our_loader,
}
"""What is done to a module of MMOCR's once it has been executed."""


class _MMOCRFinder(importlib.abc.MetaPathFinder):
    """Applies the mends before ``mmocr``, and :data:`AFTER` after the modules that it names."""

    _busy = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Returns None for all modules but those of :data:`AFTER`, whose loaders it wraps."""
        if fullname == "mmocr":
            mends.before_mmocr()
            return None
        if fullname not in AFTER or self._busy:
            return None
        self._busy = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._busy = False
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_extend(module: types.ModuleType) -> None:
            execute(module)
            AFTER[fullname](module)

        spec.loader.exec_module = execute_and_extend  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Watches for MMOCR's imports, and joins at once what of it is already there."""
    if any(isinstance(finder, _MMOCRFinder) for finder in sys.meta_path):
        return
    if "mmocr.registry" in sys.modules:
        mends.apply()
    for name, join in AFTER.items():
        if name in sys.modules:
            join(sys.modules[name])
    sys.meta_path.insert(0, _MMOCRFinder())

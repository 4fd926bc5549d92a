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
from collections.abc import Sequence
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


class _MMOCRFinder(importlib.abc.MetaPathFinder):
    """Applies the mends before ``mmocr`` and joins the registries after ``mmocr.registry``."""

    _busy = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Returns None for all modules but ``mmocr.registry``, whose loader it wraps."""
        if fullname == "mmocr":
            mends.apply()
            return None
        if fullname != "mmocr.registry" or self._busy:
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
            _extend(module)

        spec.loader.exec_module = execute_and_extend  # type: ignore[method-assign]
        return spec


def install() -> None:
    """Watches for MMOCR's import, or joins its registries now if it is already there."""
    if "mmocr.registry" in sys.modules:
        mends.apply()
        _extend(sys.modules["mmocr.registry"])
    elif not any(isinstance(finder, _MMOCRFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _MMOCRFinder())

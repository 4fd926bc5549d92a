"""Imports, of MMOCR and what it stands on, only what reading with a checkpoint uses.

``import mmocr.models`` imports every recogniser and detector, MMDetection, imgaug, SciPy,
matplotlib and SymPy: most of the time until ``tools/predict.py`` prints its first text. Nearly all
of these packages' ``__init__.py`` do nothing but import names. Here such a package is not executed;
when a name is asked for, the module that it comes from is imported, and registries look names up
in the same way. What cannot be found so is found after all, by importing everything.
(``importlib.util.LazyLoader`` executes a package as soon as a module in it is imported.)

This changes what ``import mmocr`` does, so it is for programs that read and nothing else.
"""

import ast
import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec, resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from aocr_plugin import bootstrap, mends

_PACKAGES = ("mmocr", "mmdet", "mmcv", "mmengine")
_MENDED = ("torchvision", "mmcv.ops", "imgaug")  # mends come before these
_OF_IMPORT = ("__path__", "__file__", "__cached__", "__package__", "__loader__", "__spec__")
_lazy = False
"""Whether packages are left unexecuted: from :func:`install` on, until that does not do."""


class _Names:
    """What a package imports.

    Attributes:
        sources: module and name there, by the name in the package.
        stars: modules from which all names are imported.
        public: what ``__all__`` holds.
        plain: whether that is all that the package does.

    Args:
        package: its name.
        source: of its ``__init__.py``.
    """

    def __init__(self, package: str, source: str) -> None:
        self.sources: dict[str, tuple[str, str]] = {}
        self.stars: list[str] = []
        self.public: list[str] = []
        self.plain = self._take(package, ast.parse(source).body)

    def _take(self, package: str, steps: list[ast.stmt]) -> bool:
        """Notes what statements import; returns whether that is all they do."""
        plain = [self._take_one(package, step) for step in steps]
        return all(plain)

    def _take_one(self, package: str, step: ast.stmt) -> bool:
        if isinstance(step, ast.ImportFrom):
            module = resolve_name("." * step.level + (step.module or ""), package)
            for alias in step.names:
                if alias.name == "*":
                    self.stars.append(module)
                else:
                    self.sources[alias.asname or alias.name] = (module, alias.name)
            return True
        if isinstance(step, ast.If | ast.Try):  # what a version, or PyTorch, has to be there for
            return self._take(package, [*step.body, *step.orelse])
        if ast.unparse(step).startswith("__all__"):
            values = (node.value for node in ast.walk(step) if isinstance(node, ast.Constant))
            self.public += [value for value in values if isinstance(value, str)]
            return True
        text = isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant)
        return text or isinstance(step, ast.Import)


@functools.cache
def _parsed(module: str, path: str) -> _Names:
    return _Names(module, Path(path).read_text(encoding="utf-8"))


def _parse(spec: ModuleSpec | None) -> _Names | None:
    """Returns what a module imports, if it is a file."""
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return None
    return _parsed(spec.name, spec.loader.path)


@functools.cache
def _names(module: str) -> _Names:
    """Returns what a package imports; of another module ``__all__`` alone."""
    spec = find_spec(module)
    found, names = _parse(spec), _Names(module, "")
    if found is not None and spec is not None:
        if spec.submodule_search_locations is not None:
            return found
        names.public = found.public
    return names


def _source(package: str, name: str) -> tuple[str, str] | None:
    """Returns the module that a package has a name from, and its name there."""
    names = _names(package)
    if name in names.sources:
        return names.sources[name]
    for module in names.stars:
        if name in _names(module).public or _source(module, name):
            return module, name
    return None


class _LazyPackage(ModuleType):
    """A package whose ``__init__.py`` is executed only where nothing else helps."""

    def __getattr__(self, name: str) -> Any:
        """Imports the module that a name comes from."""
        missing = AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        if name in _OF_IMPORT:
            raise missing
        if not _lazy:
            _execute(self)
            if name in self.__dict__:
                return self.__dict__[name]
        found = _source(self.__name__, name)
        if found is not None:
            value = getattr(importlib.import_module(found[0]), found[1])
            self.__dict__[name] = value
            return value
        if name == "__all__":
            public = _names(self.__name__).public
            if public:
                return public
        elif name.startswith("__"):
            raise missing
        elif find_spec(f"{self.__name__}.{name}") is not None:
            return importlib.import_module(f"{self.__name__}.{name}")
        _execute(self)
        if name not in self.__dict__:
            raise missing
        return self.__dict__[name]

    def __setattr__(self, name: str, value: Any) -> None:
        """Keeps a name that stands for something in the module of the same name."""
        module = f"{self.__name__}.{name}"
        if isinstance(value, ModuleType) and value.__name__ == module:
            source, original = _names(self.__name__).sources.get(name, ("", name))
            if source == module:
                value = getattr(value, original)
        super().__setattr__(name, value)


class _LazyLoader(SourceFileLoader):
    """Makes a package without executing it."""

    executed: bool = False

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Returns the package."""
        return _LazyPackage(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Executes it only where nothing is left out any more."""
        if not _lazy:
            _execute(module)


def _execute(module: ModuleType) -> None:
    """Executes a package's ``__init__.py``, once."""
    loader = module.__loader__
    if isinstance(loader, _LazyLoader) and not loader.executed:
        loader.executed = True  # what it imports may ask for what it is to import
        try:
            SourceFileLoader.exec_module(loader, module)
        except BaseException:
            loader.executed = False
            raise


class _FoundLoader(Loader):
    """Gives a module that was imported while its import was prepared."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Returns the module."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Gives the module back its own spec."""
        module.__spec__ = self.spec


class _Finder(MetaPathFinder):
    """Finds packages that need not be executed; mends what is about to be imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns None for what is imported as always."""
        if fullname in _MENDED:
            mends.apply()
            found = sys.modules.get(fullname)
            return None if found is None else ModuleSpec(fullname, _FoundLoader(found))
        if fullname.partition(".")[0] not in _PACKAGES:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None or spec.submodule_search_locations is None:
            return None
        names = _parse(spec)
        if names is None or not names.plain:
            return None
        spec.loader = _LazyLoader(fullname, spec.origin)
        return spec


def _import_everything() -> None:
    """Executes all packages that were not, and from then on all at once."""
    global _lazy
    _lazy = False
    mends.apply()
    for module in list(sys.modules.values()):
        if isinstance(module, _LazyPackage):
            _execute(module)


def _provide(registry: Any, name: str) -> bool:
    """Imports the module that registers a name; returns whether the registry has it."""
    for location in registry._locations:
        if location == bootstrap.LOCATION:
            importlib.import_module("aocr_plugin.parts")
        found = _source(location, name)
        if found is not None:
            getattr(importlib.import_module(found[0]), found[1])
    return name in registry.module_dict


def is_registered(name: str, *registries: Any) -> bool:
    """Returns whether one of MMOCR's registries, or the one above it, has a component.

    Args:
        name: without a scope.
        registries: where to look.
    """
    if _lazy:
        for registry in registries:
            if _provide(registry, name) or _provide(registry.parent, name):
                return True
        _import_everything()
    for registry in registries:
        registry.import_from_location()
        if name in registry.module_dict or name in registry.parent.module_dict:
            return True
    return False


def _look_up_lazily(module: ModuleType) -> None:
    """Lets registries import the one module that registers a name, not their whole locations."""
    registry_class: Any = module.Registry
    get: Callable[[Any, str], Any] = registry_class.get

    @functools.wraps(get)
    def look_up(self: Any, key: str) -> Any:
        if _lazy:
            scope, name = self.split_scope_key(key)
            registry = self if scope in (None, self.scope) else None
            while registry is not None:
                if _provide(registry, name):
                    return registry.module_dict[name]
                registry = registry.parent if scope is None else None
            _import_everything()
        return get(self, key)

    registry_class.get = look_up


def install() -> None:
    """Begins; where MMEngine is there already, it is too late and nothing is done."""
    global _lazy
    if "mmengine" in sys.modules:
        return
    _lazy = mends.wait = True
    bootstrap.AFTER["mmengine.registry.registry"] = _look_up_lazily
    sys.meta_path.insert(1, _Finder())  # bootstrap's comes first

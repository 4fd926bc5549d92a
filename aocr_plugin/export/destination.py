"""Where an export goes: checked before the work, filled when it has succeeded."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aocr_plugin import storage
from aocr_plugin.atomic import PARTIAL
from aocr_plugin.errors import ConfigError

_OWN = {
    "savedmodel": {"saved_model.pb", "variables", "fingerprint.pb"},
    "frozengraph": {"frozen_graph.pb"},
}


def check(folder: str | Path, fmt: str, force: bool) -> Path:
    """Returns the folder's absolute path if an export may be written to it.

    An export of the other format may be there already, as in the original's README.

    Args:
        folder: need not exist.
        fmt: "savedmodel" or "frozengraph".
        force: other files may be there, and an export that is there is overwritten.

    Raises:
        ConfigError: it is no local folder, or holds files and ``force`` is False.
    """
    if storage.is_remote(folder):
        raise ConfigError(
            f"{folder}: an export is written to a local folder; copy it to the store from there"
        )
    path = Path(os.path.abspath(folder))
    if path.is_dir():
        others = set().union(*(files for name, files in _OWN.items() if name != fmt))
        held = sorted(
            entry.name
            for entry in path.iterdir()
            if entry.name not in others and not entry.name.startswith(PARTIAL)
        )
        if held and not force:
            raise ConfigError(
                f"{folder} is not empty ({held[0]}); give another folder, or --force to overwrite "
                "an export in it"
            )
    elif path.exists():
        raise ConfigError(f"{folder} is a file; give a folder")
    return path


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yields the name of a folder to write that takes its place when the block ends well.

    After an error nothing is left of it. A folder that did not exist appears whole, so that a
    server that watches for versions never sees half of one. In one that did, the graph comes last.

    Args:
        path: absolute, of :func:`check`.

    Raises:
        ConfigError: the folder cannot be made or written.
    """
    near = path
    while not near.is_dir():
        near = near.parent
    try:
        partial = tempfile.TemporaryDirectory(prefix=PARTIAL, dir=near)
    except OSError as error:
        raise ConfigError(f"{near}: cannot be written to ({error.strerror})") from error
    with partial as name:
        made = Path(name) / "export"
        yield made
        try:
            _place(made, path)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written to ({error.strerror})") from error


def _place(made: Path, path: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.rename(made, path)
        return
    for entry in sorted(made.iterdir(), key=lambda entry: entry.suffix == ".pb"):
        target = path / entry.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(entry, target)


@contextlib.contextmanager
def staged_file(name: str | Path, force: bool) -> Iterator[Path]:
    """Yields where to write a file that gets its name when the block ends well.

    Raises:
        ConfigError: it is remote, there already and ``force`` is False, or cannot be written.
    """
    out = Path(name)
    if storage.is_remote(str(name)):
        raise ConfigError(f"{name}: an export is written to a local file; copy it from there")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; give a file")
    if out.exists() and not force:
        raise ConfigError(f"{out} exists; give another name, or --force to overwrite it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=PARTIAL, dir=out.parent)
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written ({error.strerror})") from error
    with folder as partial:
        yield Path(partial) / out.name
        for made in sorted(Path(partial).iterdir(), reverse=True):  # .xml after .bin
            os.replace(made, out.parent / made.name)

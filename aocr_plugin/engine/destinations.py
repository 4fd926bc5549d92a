"""Whether results can be written, asked before a long run and not after it."""

import os
from pathlib import Path

from aocr_plugin import storage
from aocr_plugin.errors import ConfigError


def check(name: str, *, folder: bool) -> None:
    """Raises if a file or folder of this name cannot be written.

    Args:
        name: a path, or a URL, of which nothing can be told beforehand.
        folder: whether it is to be a folder.

    Raises:
        ConfigError: the other kind has that name, or its folder cannot be written to.
    """
    if storage.is_remote(name):
        return
    path = Path(name).absolute()
    if path.exists() and path.is_dir() != folder:
        raise ConfigError(f"{name} is a {'file' if folder else 'folder'}; give another name")
    home = path if path.is_dir() else path.parent
    while not home.exists():
        home = home.parent
    if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
        raise ConfigError(f"{name} cannot be written: {home} is no folder that takes files")

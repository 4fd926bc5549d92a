"""What a user may name to be read: files, folders, globs, lists. Needs no PyTorch."""

import glob
import os
import queue
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from aocr_plugin import storage
from aocr_plugin.errors import ImageError

EXTENSIONS = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def expand(source: str) -> list[str]:
    """Returns the files that a source names, in the order of their names.

    Args:
        source: a file, a folder (its images, folders below it too), a glob pattern, or the URL of
            an object or folder.

    Raises:
        ImageError: nothing of the kind is there.
    """
    if storage.scheme(source) in storage.READERS:
        return [source]
    if storage.is_remote(source):
        return _expand_remote(source)
    if os.path.isdir(source):
        found = sorted(
            str(path)
            for path in Path(source).rglob("*")
            if path.suffix.lower() in EXTENSIONS and path.is_file()
        )
        if not found:
            raise ImageError(
                f"{source}: no image in this folder (looked for {', '.join(sorted(EXTENSIONS))})"
            )
        return found
    if os.path.exists(source):
        return [source]
    if glob.has_magic(source):
        found = sorted(path for path in glob.glob(source, recursive=True) if os.path.isfile(path))
        if found:
            return found
        raise ImageError(f"{source}: no file matches this pattern")
    raise ImageError(f"{source}: no such file or folder")


def _expand_remote(url: str) -> list[str]:
    """Returns the images of a folder in an object store, or the object itself."""
    if storage.kind(url) != "directory":
        return [url]
    found = storage.files(url, recursive=True)
    names = sorted(name for name in found if Path(name).suffix.lower() in EXTENSIONS)
    if not names:
        raise ImageError(f"{url}: no image in this folder")
    return [storage.join(url, name) for name in names]


def read_list(lines: Iterable[str]) -> Iterator[str]:
    """Yields the file names of a list, one a line (as on standard input)."""
    for line in lines:
        name = line.rstrip("\r\n")
        if name.strip():
            yield name


def as_they_come(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yields lists of at most ``size`` names without waiting for a list to be full.

    A program that writes one file name and waits for its text is answered at once, a long list
    is still read in batches.
    """
    arrived: queue.Queue[str | None] = queue.Queue(maxsize=4 * size)
    failure: list[Exception] = []

    def read() -> None:
        try:
            for name in names:
                arrived.put(name)
        except Exception as error:  # noqa: BLE001, raised again where the names are used
            failure.append(error)
        finally:
            arrived.put(None)

    threading.Thread(target=read, daemon=True).start()
    name = arrived.get()
    while name is not None:
        batch = [name]
        name = ""
        while len(batch) < size:
            try:
                name = arrived.get_nowait()
            except queue.Empty:
                break
            if name is None:
                break
            batch.append(name)
        yield batch
        if name is not None:
            name = arrived.get()
    if failure:
        raise failure[0]

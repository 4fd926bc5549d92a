"""Files by name, wherever they lie: on disk, in an object store, inside a TFRecord file.

Needs no PyTorch. A name is a local path, a URL that fsspec knows (``s3://``, ``gs://``,
``memory://`` …), or ``tfrecord:///PATH#NUMBER`` for the image of one record. Credentials and
addresses come from where each store's own tools take them, such as ``AWS_ENDPOINT_URL``.

Every function that meets a URL raises :class:`aocr_plugin.errors.StorageError` where the store
cannot be used, and ``OSError`` where a file is not there.
"""

import hashlib
import os
import posixpath
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aocr_plugin.atomic import atomic_file, write_atomically
from aocr_plugin.errors import StorageError
from aocr_plugin.stores import explained, open_store

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_BLOCK = 8 << 20
_UNUSED = 24 * 3600  # seconds after which the cache forgets the older state of an object
_STATE = ("ETag", "etag", "generation", "md5Hash", "LastModified", "updated", "mtime", "created")


READERS: dict[str, Callable[[str], bytes]] = {}
"""What reads names of other schemes; the module of each format enters its own."""


def scheme(name: str | Path) -> str:
    """Returns what stands before ``://``, or "" for a local path."""
    found = _SCHEME.match(str(name))
    return found[1] if found else ""


def is_remote(name: str | Path) -> bool:
    """Whether a name is an object store's."""
    return scheme(name) not in ("", "tfrecord")


def filesystem(name: str | Path) -> Any:
    """Returns fsspec's file system for a URL; each process has its own, so a fork is safe."""
    with explained(str(name)):
        return open_store(scheme(name), os.getpid())


def join(folder: str | Path, *names: str) -> str:
    """Joins a path or URL with names; an absolute path or URL among them starts anew."""
    joined = str(folder)
    for name in names:
        if scheme(name) or os.path.isabs(name):
            joined = name
        elif is_remote(joined):
            root, _, path = joined.partition("://")
            joined = f"{root}://{posixpath.normpath(posixpath.join(path, name))}"
        else:
            joined = os.path.join(joined, name)
    return joined


def parent(name: str | Path) -> str:
    """Returns the folder that a file is in; of a local path the absolute one."""
    if is_remote(name):
        return str(name).rpartition("/")[0]
    return os.path.dirname(os.path.abspath(name))


def absolute(name: str | Path) -> str:
    """Returns the absolute path; a URL is returned as it is."""
    return str(name) if scheme(name) else os.path.abspath(name)


def kind(name: str | Path) -> str | None:
    """Returns "file", "directory" or, where there is nothing of that name, None."""
    if not is_remote(name):
        path = Path(name)
        return "directory" if path.is_dir() else "file" if path.exists() else None
    try:
        with explained(str(name)):
            return str(filesystem(name).info(str(name))["type"])
    except FileNotFoundError:
        return None


def exists(name: str | Path) -> bool:
    """Whether there is such a file or folder."""
    return kind(name) is not None


def files(folder: str | Path, recursive: bool = False) -> dict[str, int]:
    """Lists a folder in one go.

    Returns:
        By name, relative to the folder: the size in bytes. Empty where there is no such folder.
    """
    if not is_remote(folder):
        paths = Path(folder).rglob("*") if recursive else Path(folder).glob("*")
        return {p.relative_to(folder).as_posix(): p.stat().st_size for p in paths if p.is_file()}
    url = str(folder).rstrip("/")
    try:
        with explained(url):
            store = filesystem(url)
            root = store._strip_protocol(url)
            entries = store.find(url, detail=True).values() if recursive else store.ls(url, True)
            if not entries:
                store.ls(url)  # names a missing bucket, which find takes for an empty folder
    except FileNotFoundError:
        return {}
    names = {e["name"][len(root) :].lstrip("/"): e for e in entries if e["type"] == "file"}
    return {name: int(entry["size"] or 0) for name, entry in names.items() if name}


def read_bytes(name: str | Path) -> bytes:
    """Returns a file's bytes.

    Raises:
        OSError: it is not there or cannot be read.
        StorageError: its store cannot be used.
    """
    if scheme(name) in READERS:
        return READERS[scheme(name)](str(name))
    if not is_remote(name):
        return Path(name).read_bytes()
    with explained(str(name)):
        data: bytes = filesystem(name).cat_file(str(name))
        return data


def write_bytes(name: str | Path, data: bytes) -> None:
    """Writes a file, which appears whole or not at all. Local folders are made."""
    if not is_remote(name):
        write_atomically(data, name)
        return
    with explained(str(name), writing=True):
        filesystem(name).pipe_file(str(name), data)


def upload(path: str | Path, url: str) -> None:
    """Copies a local file into a store, where it appears whole or not at all."""
    parts = {"chunksize": _BLOCK, "max_concurrency": 4} if scheme(url) in ("s3", "s3a") else {}
    with explained(url, writing=True):
        filesystem(url).put_file(str(path), url, **parts)


def copy(url: str, new: str) -> None:
    """Copies an object within its store."""
    with explained(url):
        filesystem(url).cp_file(url, new)


def move(url: str, new: str) -> None:
    """Gives an object another name in its store."""
    copy(url, new)
    remove(url)


def remove(url: str) -> None:
    """Removes an object from its store; one that is not there is no error."""
    try:
        with explained(url):
            filesystem(url).rm_file(url)
    except FileNotFoundError:
        return


def _chunks(url: str) -> Iterator[bytes]:
    """Yields an object in pieces, so that memory stays flat."""
    with explained(url):
        settings = {"block_size": _BLOCK, "cache_type": "none"}
        with filesystem(url).open(url, "rb", **settings) as source:
            while chunk := source.read(_BLOCK):
                yield chunk


def fetch(url: str, path: str | Path) -> None:
    """Copies an object to a local file, which appears whole or not at all.

    Raises:
        StorageError: the store cannot be used, or the object ended early.
        OSError: there is no such object, or the disk is full.
    """
    with explained(url):
        size = filesystem(url).info(url)["size"]
    with atomic_file(path) as file:
        for chunk in _chunks(url):
            file.write(chunk)
        if size is not None and file.tell() != size:
            raise StorageError(f"{url}: ended after {file.tell()} of {size} bytes; try again")


def cache_folder() -> Path:
    """Returns the folder for copies of objects; it may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(os.path.abspath(base)) / "aocr_plugin"


def local_copy(name: str | Path) -> Path:
    """Returns a local file of the same content; a remote one is fetched into the cache once.

    Raises:
        StorageError: the store cannot be used, or the cache not be written.
        FileNotFoundError: there is no such object.
    """
    if not is_remote(name):
        return Path(name)
    url = str(name)
    with explained(url):
        info = filesystem(url).info(url)
    state = [str(info.get(key)) for key in ("size", *_STATE)]
    shelf = cache_folder() / "objects" / hashlib.sha256(url.encode()).hexdigest()[:16]
    path = shelf / hashlib.sha256("\n".join(state).encode()).hexdigest()[:16] / Path(url).name
    try:
        if not path.is_file():
            fetch(url, path)
        os.utime(path.parent)
        for old in shelf.iterdir():
            if old != path.parent and old.stat().st_mtime < time.time() - _UNUSED:
                shutil.rmtree(old, ignore_errors=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(
            f"{url}: no copy can be kept in {cache_folder()} ({error}); set XDG_CACHE_HOME to a "
            "folder with room"
        ) from error
    return path

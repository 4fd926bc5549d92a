"""Files that are whole or not there, whenever the process dies. Needs no PyTorch."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial-"
"""What the name of a file begins with while it is written."""

_STREAMS = {"stdout": 1, "stderr": 2}
_STREAM = re.compile(r"/dev/(?P<name>stdout|stderr)|(/dev|/proc/self)/fd/(?P<number>\d{1,9})")
_OF_ANOTHER = re.compile(r"/proc/\d+/fd/\d+")  # a stream of another process


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Opens a file for writing that appears under its name when the block ends without an error.

    Folders are made. Until then, and for ever after an error, the name stands for what it was. A
    stream, or a link to one such as ``/dev/stdout``, is written on at once.
    """
    path = _followed(path)
    stream, another = _STREAM.fullmatch(path), _OF_ANOTHER.fullmatch(path)
    if stream or another:
        for text in filter(None, (sys.stdout, sys.stderr)):
            text.flush()  # what was printed before comes before
    if stream:
        with os.fdopen(os.dup(int(stream["number"] or _STREAMS[stream["name"]])), "wb") as device:
            yield device  # the very stream: a file behind it has one place to write on
        return
    is_special = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    if is_special or another:
        with open(path, "ab" if os.path.isfile(path) else "wb") as device:  # such as a named pipe
            yield device
        return
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=f"{PARTIAL}{name}-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):  # Ctrl-C just after it was renamed
            os.unlink(partial)
        raise


def _followed(path: str | Path) -> str:
    """Returns what a path's links lead to: a stream's name, or a file's real path."""
    path = os.fspath(path)
    if not os.path.isabs(path):
        path = os.path.join(os.getcwd(), path)
    for _ in range(40):  # as many as Linux follows
        own = path.replace(f"/proc/{os.getpid()}/", "/proc/self/", 1)
        if _STREAM.fullmatch(own) or _OF_ANOTHER.fullmatch(path):
            return own
        if not os.path.islink(path):
            break
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return os.path.realpath(path)  # what a link points to is replaced, not the link


def write_atomically(data: bytes, path: str | Path) -> None:
    """Writes a file so that, whenever the process dies, it is whole or as it was before."""
    with atomic_file(path) as file:
        file.write(data)

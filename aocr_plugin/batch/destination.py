"""The folder or prefix that parts are written to: whose it is, and which parts are done."""

import contextlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from aocr_plugin import storage
from aocr_plugin.atomic import PARTIAL
from aocr_plugin.batch import parts
from aocr_plugin.batch.manifest import Manifest
from aocr_plugin.errors import AOCRError, ConfigError

NAME = "_manifest.json"
FORMAT = 1
_REQUESTS = 16  # files asked of a store at the same time
_WORDS = {
    "source": "source",
    "state": "state of the source (names, labels; of files of records sizes and times)",
    "rows": "number of rows",
    "model": "model (SHA-256)",
    "form": "format",
    "partition_rows": "partition-rows",
    "settings": "settings",
}


class BatchError(AOCRError):
    """A partition could not be read."""


def agree(dest: str, wanted: Manifest) -> bool:
    """Writes the manifest of an empty destination, or compares with what is there.

    Returns:
        Whether there was one.

    Raises:
        ConfigError: the destination is a file, holds something else, or was begun with another
            source, model or setting.
        StorageError: its store cannot be used.
    """
    place = storage.join(dest, NAME)
    if storage.kind(dest) == "file":
        raise ConfigError(f"{dest} is a file; give a folder for the parts")
    try:
        text = storage.read_bytes(place)
    except FileNotFoundError:
        _check_empty(dest)
        entries = {"format": FORMAT, "partitions": wanted.partitions} | asdict(wanted)
        try:
            storage.write_bytes(place, (json.dumps(entries, indent=2) + "\n").encode())
        except OSError as error:
            raise ConfigError(f"{dest}: cannot be written ({error.strerror or error})") from error
        return False
    _compare(dest, place, text, wanted)
    return True


def _check_empty(dest: str) -> None:
    found = [name for name in storage.files(dest) if not name.startswith(".")]
    if found:
        raise ConfigError(
            f"{dest}: holds {found[0]} and no {NAME}, so it is none of ours; give an empty folder"
        )


def _compare(dest: str, place: str, text: bytes, wanted: Manifest) -> None:
    """Compares a manifest with what is wanted; see :func:`agree`."""
    try:
        found = json.loads(text)
        there = {key: found[key] for key in _WORDS}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{place}: not a manifest of this tool ({error}); give another DEST"
        ) from error
    if found.get("format") != FORMAT:
        raise ConfigError(f"{place}: of another version of this tool; give another DEST")
    here = json.loads(json.dumps(asdict(wanted)))
    differ = [_difference(key, there[key], here[key]) for key in _WORDS if there[key] != here[key]]
    if differ:
        raise ConfigError(
            f"{dest}: was begun with another {'; another '.join(differ)}. Give another DEST, or "
            "what it was begun with, or delete it to start anew"
        )


def _difference(key: str, there: Any, here: Any) -> str:
    if key == "settings":
        unsaid = {"views": 1}
        pairs = {
            name: tuple(one.get(name, unsaid.get(name, False)) for one in (there, here))
            for name in there | here
        }
        listed = [f"{name} ({old}, now {new})" for name, (old, new) in pairs.items() if old != new]
        return f"setting: {', '.join(listed).replace('_', '-')}"
    short = 12 if key in ("state", "model") else None
    return f"{_WORDS[key]} ({str(there)[:short]}, now {str(here)[:short]})"


def finished(dest: str, manifest: Manifest) -> dict[int, tuple[int, int]]:
    """Returns rows and errors by number of each partition that is there and whole.

    Raises:
        StorageError: the destination's store cannot be used.
    """

    def check(partition: int) -> tuple[int, int] | None:
        name = manifest.part(partition)
        start, stop = manifest.bounds(partition)
        try:
            found = parts.count(storage.read_bytes(storage.join(dest, name)), manifest.form)
        except (ValueError, KeyError, TypeError) as error:
            print(f"{name} is not whole ({error}) and is made anew", file=sys.stderr)
            return None
        if found[0] != stop - start:
            print(f"{name} has {found[0]} rows and is made anew", file=sys.stderr)
            return None
        return found

    there = storage.files(dest)
    names = {manifest.part(number): number for number in range(manifest.partitions)}
    numbers = [names[name] for name in there if name in names]
    with ThreadPoolExecutor(_REQUESTS) as pool:
        counted = zip(numbers, pool.map(check, numbers), strict=True)
        return {number: found for number, found in counted if found is not None}


def complete(dest: str, manifest: Manifest) -> None:
    """Makes sure that every part is there, and removes what killed workers left half.

    Raises:
        BatchError: a part is not there.
    """
    there = storage.files(dest)
    missing = [n for n in map(manifest.part, range(manifest.partitions)) if n not in there]
    if missing:
        raise BatchError(
            f"{dest}: {len(missing)} parts, such as {missing[0]}, were written and are not there; "
            "DEST must be a folder that all machines share, or a URL"
        )
    if not storage.is_remote(dest):
        for name in there:
            if name.startswith(PARTIAL):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(dest, name))

"""Finds the files of a TensorFlow checkpoint, by any name that people give it. No TensorFlow."""

import ntpath
import posixpath
import re

from aocr_plugin import storage
from aocr_plugin.conversion.sorted_table import MAGIC
from aocr_plugin.errors import CheckpointError

_ENDING = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_STATE = "checkpoint"
_LATEST = re.compile(r'^model_checkpoint_path:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)


def is_named_so(path: str) -> bool:
    """Whether a path is a TensorFlow checkpoint's: a folder, a file of one, or its prefix."""
    if _ENDING.search(path) or storage.kind(path) == "directory":
        return True
    return storage.exists(f"{path}.index") or posixpath.basename(path) == _STATE


def _in_folder(folder: str) -> str:
    """Returns the prefix of the newest checkpoint of a folder, by its state file.

    Raises:
        CheckpointError: there is none, or several and nothing says which.
    """
    names = storage.files(folder)
    prefixes = sorted(name.removesuffix(".index") for name in names if name.endswith(".index"))
    if _STATE in names:
        state = storage.read_bytes(storage.join(folder, _STATE)).decode("utf-8", "replace")
        found = _LATEST.search(state)
        if found is None:
            raise CheckpointError(
                f"{storage.join(folder, _STATE)}: no line 'model_checkpoint_path' in it; name the "
                "checkpoint itself"
            )
        # the path is often another machine's, so that only the name counts
        name = posixpath.basename(ntpath.basename(found[1].replace("\\\\", "\\")))
        if name in prefixes:
            return storage.join(folder, name)
        raise CheckpointError(
            f"{folder}: the state file 'checkpoint' names {name}, but there is no {name}.index; "
            + (f"there are {', '.join(prefixes)}: name one" if prefixes else "copy it there")
        )
    if len(prefixes) == 1:
        return storage.join(folder, prefixes[0])
    if prefixes:
        raise CheckpointError(
            f"{folder}: holds the checkpoints {', '.join(prefixes)} and no state file "
            "'checkpoint' that says which; name one"
        )
    raise CheckpointError(f"{folder}: no TensorFlow checkpoint (NAME.index) in it")


def find_prefix(path: str) -> str:
    """Returns a checkpoint's prefix: what stands before ``.index`` and ``.data-…``.

    Args:
        path: the prefix, one of its files, the folder's state file ``checkpoint``, or a folder.

    Raises:
        CheckpointError: there is no such checkpoint, or it is of TensorFlow's first format.
        StorageError: its store cannot be used.
    """
    if storage.kind(path) == "directory":
        return _in_folder(path)
    prefix = _ENDING.sub("", path)
    if storage.exists(f"{prefix}.index"):
        return prefix
    if posixpath.basename(path) == _STATE and storage.exists(path):
        return _in_folder(storage.parent(path))
    if storage.exists(prefix) and storage.read_bytes(prefix)[-8:] == MAGIC.to_bytes(8, "little"):
        raise CheckpointError(
            f"{prefix}: a checkpoint of TensorFlow's old format V1; read it with TensorFlow's "
            "Saver and save it again with write_version=2, which makes an .index and a .data file"
        )
    raise CheckpointError(f"{prefix}.index: no such file; a checkpoint needs it beside its .data")

"""Reads TensorFlow checkpoints (format V2) without TensorFlow. Needs NumPy only.

``PREFIX.index`` is a sorted table of LevelDB's form, from variables' names to messages that say
type, shape and place; the values lie in ``PREFIX.data-00000-of-0000N``. Checksums are tested.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.errors import CheckpointError
from aocr_plugin.formats import wire
from aocr_plugin.formats.framing import masked_crc

_MAGIC = 0xDB4775248B80FB57
_FOOTER, _TRAILER = 48, 5  # bytes: of the table; of a block: kind of packing and checksum
_DTYPES = {1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 9: "i8", 10: "?", 17: "u2"}
_DTYPES |= {19: "f2", 22: "u4", 23: "u8"}
_BFLOAT16, _STRING = 14, 7
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_SLOTS = ("/Adadelta", "/Adadelta_1")


@dataclass(slots=True)
class Entry:
    """Where a variable lies.

    Attributes:
        dtype: TensorFlow's number of the type.
        shape: of the array.
        shard: number of the data file.
        offset: in it, in bytes.
        size: in bytes.
        crc: masked CRC-32C of the bytes.
        sliced: whether it is stored in several parts.
    """

    dtype: int = 0
    shape: list[int] = field(default_factory=list)
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    sliced: bool = False


def find_prefix(path: str | Path) -> Path:
    """Returns the prefix of the checkpoint that a path stands for.

    Args:
        path: the prefix, any of its files, or a folder: its newest checkpoint, as the file
            ``checkpoint`` says, or the only one.

    Raises:
        CheckpointError: there is none, several, or one of the old format V1.
    """
    path = Path(path)
    if path.is_dir():
        return _in_folder(path)
    prefix = Path(_PART.sub("", str(path)))
    if Path(f"{prefix}.index").is_file():
        return prefix
    if path.is_file():
        raise CheckpointError(
            f"{path}: no TensorFlow checkpoint of format V2 ({prefix}.index is missing). Give the "
            "prefix, e.g. checkpoints/model.ckpt-1000. Files of format V1 are written anew as V2 "
            "by loading and saving them with TensorFlow"
        )
    raise CheckpointError(f"{path}: no such TensorFlow checkpoint ({prefix}.index is missing)")


def _in_folder(folder: Path) -> Path:
    state = folder / "checkpoint"
    if state.is_file():
        named = re.search(r'^model_checkpoint_path:\s*"(.*)"', state.read_text(), re.MULTILINE)
        if named and (folder / f"{Path(named[1]).name}.index").is_file():
            return folder / Path(named[1]).name  # the folder may come from another machine
    found = sorted(folder.glob("*.index"))
    if len(found) == 1:
        return found[0].with_suffix("")
    names = ", ".join(path.name for path in found)
    raise CheckpointError(
        f"{folder}: several TensorFlow checkpoints ({names}); name one of them"
        if found
        else f"{folder}: no TensorFlow checkpoint in it (no file NAME.index)"
    )


def _block(table: bytes, offset: int, size: int, name: str) -> bytes:
    """Returns a block of the table, unpacked and tested."""
    end = offset + size
    if end + _TRAILER > len(table):
        raise CheckpointError(f"{name}: truncated, a block reaches beyond its end")
    crc = struct.unpack_from("<I", table, end + 1)[0]
    if masked_crc(table[offset : end + 1]) != crc:
        raise CheckpointError(f"{name}: damaged, a checksum is wrong at byte {offset}")
    if table[end] == 0:
        return table[offset:end]
    if table[end] == 1:
        return wire.unpack_snappy(table[offset:end])
    raise CheckpointError(f"{name}: packed in a way (number {table[end]}) that is not known")


def _pairs(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields keys and values of a block; a key shares its beginning with the one before."""
    restarts = struct.unpack_from("<I", block, len(block) - 4)[0]
    end, place, key = len(block) - 4 * (restarts + 1), 0, b""
    while place < end:
        shared, place = wire.varint(block, place)
        own, place = wire.varint(block, place)
        length, place = wire.varint(block, place)
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + length]
        place += length


def _handle(data: bytes) -> tuple[int, int]:
    offset, place = wire.varint(data, 0)
    return offset, wire.varint(data, place)[0]


def _entry(message: bytes) -> Entry:
    """Reads a ``BundleEntryProto``."""
    entry = Entry()
    for number, value in wire.fields(message):
        if number == 1:
            entry.dtype = int(value)
        elif number == 2 and isinstance(value, bytes):  # TensorShapeProto
            for inner, dim in wire.fields(value):
                if inner == 2 and isinstance(dim, bytes):
                    entry.shape.append(int(dict(wire.fields(dim)).get(1, 0)))
        elif number in (3, 4, 5):
            setattr(entry, {3: "shard", 4: "offset", 5: "size"}[number], int(value))
        elif number == 6:
            entry.crc = int(value)
        elif number == 7:
            entry.sliced = True
    return entry


def read_index(prefix: Path) -> tuple[dict[str, Entry], int]:
    """Returns every variable's place, and the number of data files.

    Raises:
        CheckpointError: the index is missing, truncated or damaged.
    """
    name = f"{prefix}.index"
    try:
        table = Path(name).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{name}: cannot be read ({error.strerror})") from error
    if len(table) < _FOOTER or struct.unpack_from("<Q", table, len(table) - 8)[0] != _MAGIC:
        raise CheckpointError(f"{name}: truncated, or no index of a TensorFlow checkpoint")
    try:
        footer = table[-_FOOTER:]
        _, place = wire.varint(footer, 0)
        _, place = wire.varint(footer, place)
        index = _block(table, *_handle(footer[place:]), name)
        entries: dict[str, Entry] = {}
        shards = 1
        for _, handle in _pairs(index):
            for key, value in _pairs(_block(table, *_handle(handle), name)):
                if key:
                    entries[key.decode()] = _entry(value)
                else:  # BundleHeaderProto
                    shards = int(dict(wire.fields(value)).get(1, 1))
    except (ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise CheckpointError(f"{name}: damaged ({error})") from error
    return entries, shards


def _array(entry: Entry, data: bytes, where: str) -> NDArray[np.generic]:
    if len(data) != entry.size:
        raise CheckpointError(f"{where}: truncated, the data file ends in it")
    if masked_crc(data) != entry.crc:
        raise CheckpointError(f"{where}: damaged, its checksum is wrong")
    if entry.dtype == _BFLOAT16:
        wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(entry.shape)
    array = np.frombuffer(data, np.dtype(_DTYPES[entry.dtype]).newbyteorder("<"))
    if array.size != np.prod(entry.shape, dtype=int):
        raise CheckpointError(f"{where}: its shape {entry.shape} does not fit its size")
    return array.reshape(entry.shape)


def read_checkpoint(path: str | Path) -> dict[str, NDArray[np.generic]]:
    """Reads a checkpoint's variables.

    Adadelta's slots and strings are passed over.

    Args:
        path: see :func:`find_prefix`.

    Returns:
        Arrays by TensorFlow name.

    Raises:
        CheckpointError: missing, truncated or damaged, or holding what cannot be read.
    """
    prefix = find_prefix(path)
    entries, shards = read_index(prefix)
    wanted = {
        name: entry
        for name, entry in entries.items()
        if entry.dtype != _STRING and not name.endswith(_SLOTS)
    }
    odd = sorted(
        name for name, e in wanted.items() if e.dtype not in _DTYPES and e.dtype != _BFLOAT16
    )
    sliced = sorted(name for name, entry in wanted.items() if entry.sliced)
    if odd or sliced:
        what = "are of a type" if odd else "are stored in parts, a form"
        raise CheckpointError(f"{prefix}: {', '.join(odd or sliced)} {what} that is not read here")
    variables: dict[str, NDArray[np.generic]] = {}
    for shard in range(shards):
        own = {name: entry for name, entry in wanted.items() if entry.shard == shard}
        if not own:
            continue
        file = Path(f"{prefix}.data-{shard:05d}-of-{shards:05d}")
        try:
            with file.open("rb") as source:
                for name, entry in own.items():
                    source.seek(entry.offset)
                    data = source.read(entry.size)
                    variables[name] = _array(entry, data, f"{file}: variable '{name}'")
        except OSError as error:
            raise CheckpointError(
                f"{file}: cannot be read ({error.strerror}); a checkpoint is all of "
                f"{prefix.name}.index and {prefix.name}.data-*-of-{shards:05d}"
            ) from error
    return variables

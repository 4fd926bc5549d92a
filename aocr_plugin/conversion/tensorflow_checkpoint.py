"""Reads TensorFlow checkpoints of format V2. Needs NumPy, not TensorFlow.

A checkpoint ``PREFIX`` is a sorted table ``PREFIX.index``, which holds for each tensor its type,
shape, place and checksum, and the files ``PREFIX.data-00000-of-00001`` … with the bytes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aocr_plugin import storage
from aocr_plugin.conversion.checkpoint_files import find_prefix
from aocr_plugin.conversion.sorted_table import read_table
from aocr_plugin.errors import CheckpointError
from aocr_plugin.formats import wire
from aocr_plugin.formats.framing import masked_crc

Array = NDArray[np.generic]
_BFLOAT16 = 14
_DTYPES = {
    **{1: "f4", 2: "f8", 3: "i4", 4: "u1", 5: "i2", 6: "i1", 9: "i8", 10: "?"},
    **{_BFLOAT16: "u2", 17: "u2", 19: "f2", 22: "u4", 23: "u8"},
}
"""By TensorFlow's number of a type; others (strings, complex numbers, resources) are not read."""
SLOTS = ("/Adadelta", "/Adadelta_1")
"""What names of the optimiser's variables end with."""


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies.

    Attributes:
        dtype: TensorFlow's number of its type.
        shape: of the tensor.
        shard: number of the data file.
        offset: of its first byte there.
        size: in bytes.
        crc: masked CRC-32C of its bytes.
        sliced: whether it is saved in parts (a partitioned variable).
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    sliced: bool


def _bytes(value: wire.Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a field is of the wrong type")
    return value


def _number(found: dict[int, list[wire.Value]], field: int) -> int:
    value = found.get(field, [0])[-1]
    if not isinstance(value, int):
        raise ValueError("a field is of the wrong type")
    return value


def _entry(data: bytes) -> Entry:
    """Reads a BundleEntryProto.

    Raises:
        ValueError: it is none.
    """
    found = wire.message(data)
    shape: list[int] = []
    for part in found.get(2, []):
        for dim in wire.message(_bytes(part)).get(2, []):
            shape.append(_number(wire.message(_bytes(dim)), 1))
    dtype, shard, offset, size, crc = (_number(found, field) for field in (1, 3, 4, 5, 6))
    return Entry(dtype, tuple(shape), shard, offset, size, crc, bool(found.get(7)))


def read_index(prefix: str) -> tuple[dict[str, Entry], int, str]:
    """Reads ``PREFIX.index``.

    Returns:
        The tensors by name, the number of data files, and the byte order, "<" or ">".

    Raises:
        CheckpointError: damaged.
    """
    path = f"{prefix}.index"
    try:
        table = read_table(storage.read_bytes(path))
        header = wire.message(table.pop(b""))
        entries = {
            name.decode("utf-8"): _entry(value)
            for name, value in table.items()
            if not name.startswith(b"\0")  # parts of partitioned variables
        }
        order = ">" if _number(header, 2) else "<"
        return entries, _number(header, 1), order
    except KeyError as error:
        raise CheckpointError(f"{path}: no header in it; not a checkpoint's index") from error
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"{path}: {error}; copy it again from where it was made") from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error


def _tensor(path: Path, name: str, entry: Entry, order: str) -> Array:
    """Reads a tensor from its data file.

    Raises:
        CheckpointError: the file ends before it, or its bytes are damaged.
    """
    dtype = np.dtype(_DTYPES[entry.dtype]).newbyteorder(order)  # type: ignore[arg-type]
    if entry.size != dtype.itemsize * int(np.prod(entry.shape, dtype=object)):
        raise CheckpointError(
            f"{path}: {name} of shape {list(entry.shape)} cannot have {entry.size} bytes; the "
            "index is damaged"
        )
    with path.open("rb") as file:
        file.seek(entry.offset)
        data = file.read(entry.size)
    if len(data) != entry.size:
        raise CheckpointError(
            f"{path}: truncated: {name} lies at bytes {entry.offset} to "
            f"{entry.offset + entry.size}, the file has {path.stat().st_size}; copy it again"
        )
    if masked_crc(data) != entry.crc:
        raise CheckpointError(
            f"{path}: the checksum of {name} (at byte {entry.offset}) is wrong: the file is "
            "damaged; copy it again"
        )
    values = np.frombuffer(data, dtype).reshape(entry.shape)
    if entry.dtype == _BFLOAT16:
        return (values.astype("u4") << 16).view("f4")
    return values.astype(dtype.newbyteorder("="))


def read_checkpoint(path: str | Path) -> dict[str, Array]:
    """Reads all tensors but the optimiser's and those that are no numbers.

    Every checksum is tested.

    Args:
        path: the prefix, a file of it (``.index``, ``.meta``, ``.data-…``), or a folder with a
            state file ``checkpoint`` or with one checkpoint; a path or a URL.

    Returns:
        Arrays by name; bfloat16 becomes float32.

    Raises:
        CheckpointError: missing, damaged, of format V1, or with partitioned variables.
        StorageError: its store cannot be used.
    """
    prefix = find_prefix(str(path))
    entries, shards, order = read_index(prefix)
    wanted = {n: e for n, e in entries.items() if e.dtype in _DTYPES and not n.endswith(SLOTS)}
    sliced = sorted(name for name, entry in wanted.items() if entry.sliced)
    if sliced:
        raise CheckpointError(
            f"{prefix}: {len(sliced)} variables are partitioned, which is not read: "
            f"{', '.join(sliced)}; load them in TensorFlow without a partitioner and save again"
        )
    files: dict[int, Path] = {}
    for shard in sorted({entry.shard for entry in wanted.values()}):
        name = f"{prefix}.data-{shard:05d}-of-{shards:05d}"
        if not storage.exists(name):
            raise CheckpointError(
                f"{name}: missing; a checkpoint is its .index and all of its {shards} .data files: "
                "copy them together"
            )
        files[shard] = storage.local_copy(name)
    return {name: _tensor(files[e.shard], name, e, order) for name, e in wanted.items()}

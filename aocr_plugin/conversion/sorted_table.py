"""Sorted tables of LevelDB's form, which index TensorFlow's checkpoints. Needs no TensorFlow.

A table is a row of blocks of sorted entries, an index block that tells where they lie, and a
footer of 48 bytes: handles (offset and size) of the meta index and the index, padding, a magic
number. Behind each block come a byte for its compression and a masked CRC-32C over both.
"""

import struct
from collections.abc import Iterator

from aocr_plugin.formats.framing import masked_crc
from aocr_plugin.formats.wire import varint

MAGIC = 0xDB4775248B80FB57
_FOOTER = 48  # bytes
_TRAILER = 5  # bytes: compression, checksum
_PLAIN, _SNAPPY = 0, 1


def unsnap(data: bytes) -> bytes:
    """Decompresses a block of Google's Snappy format.

    Raises:
        ValueError: the data are damaged.
    """
    size, place = varint(data, 0)
    out = bytearray()
    while place < len(data):
        tag = data[place]
        place += 1
        kind, length = tag & 3, (tag >> 2) + 1
        if kind == 0:  # literal bytes; lengths above 60 follow in 1 to 4 bytes
            if length > 60:
                extra = length - 60
                length = int.from_bytes(data[place : place + extra], "little") + 1
                place += extra
            out += data[place : place + length]
            place += length
            continue
        if kind == 1:  # copy of 4 to 11 bytes from up to 2047 back
            length = (tag >> 2 & 7) + 4
            offset = (tag >> 5) << 8 | int.from_bytes(data[place : place + 1], "little")
            place += 1
        else:
            width = 2 if kind == 2 else 4
            offset = int.from_bytes(data[place : place + width], "little")
            place += width
        if not 0 < offset <= len(out) or len(out) + length > size:
            raise ValueError("a compressed block is damaged")
        start = len(out) - offset
        if offset >= length:
            out += out[start : start + length]
        else:  # the copy overlaps what it writes: the last bytes repeat
            out += (out[start:] * (length // offset + 1))[:length]
    if len(out) != size or place != len(data):
        raise ValueError("a compressed block is damaged")
    return bytes(out)


def _handle(data: bytes, place: int) -> tuple[tuple[int, int], int]:
    """Reads offset and size of a block; returns them and the place behind."""
    offset, place = varint(data, place)
    size, place = varint(data, place)
    return (offset, size), place


def _block(data: bytes, offset: int, size: int) -> bytes:
    """Returns a block's content, checked and decompressed.

    Raises:
        ValueError: it is damaged.
    """
    whole = data[offset : offset + size + _TRAILER]
    if len(whole) != size + _TRAILER:
        raise ValueError(f"the block at byte {offset} is cut off")
    if masked_crc(whole[:-4]) != int.from_bytes(whole[-4:], "little"):
        raise ValueError(f"the checksum of the block at byte {offset} is wrong")
    if whole[size] == _SNAPPY:
        return unsnap(whole[:size])
    if whole[size] != _PLAIN:
        raise ValueError(f"the block at byte {offset} has unknown compression {whole[size]}")
    return whole[:size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the entries of a block; a key is kept as what differs from the one before.

    Raises:
        ValueError: it is damaged.
    """
    if len(block) < 4:
        raise ValueError("a block has no list of restarts")
    end = len(block) - 4 - 4 * struct.unpack("<I", block[-4:])[0]
    place, key = 0, b""
    while place < end:
        shared, place = varint(block, place)
        fresh, place = varint(block, place)
        length, place = varint(block, place)
        if shared > len(key) or place + fresh + length > end:
            raise ValueError("an entry reaches beyond its block")
        key = key[:shared] + block[place : place + fresh]
        place += fresh
        yield key, block[place : place + length]
        place += length
    if place != end:
        raise ValueError("a block is damaged")


def read_table(data: bytes) -> dict[bytes, bytes]:
    """Returns all entries of a table.

    Args:
        data: the whole file.

    Raises:
        ValueError: no table, or damaged.
        IndexError: damaged, a number reaches beyond its block.
    """
    footer = data[-_FOOTER:]
    if len(footer) < _FOOTER or int.from_bytes(footer[-8:], "little") != MAGIC:
        raise ValueError("it does not end as a table does: it is cut off, or another kind of file")
    _, place = _handle(footer, 0)
    index, _ = _handle(footer, place)
    entries: dict[bytes, bytes] = {}
    for _, value in _entries(_block(data, *index)):
        entries.update(_entries(_block(data, *_handle(value, 0)[0])))
    return entries

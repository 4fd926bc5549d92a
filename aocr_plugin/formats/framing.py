"""How records lie in a TFRecord file: length, checksum, data, checksum. Needs no TensorFlow.

A frame is the data's length (8 bytes), the length's masked CRC-32C (4), the data, and the data's
masked CRC-32C (4), all little-endian. Where a length is damaged nothing behind it can be found.
"""

import struct
from typing import Protocol

import google_crc32c

HEADER, FOOTER = 12, 4
OVERHEAD = HEADER + FOOTER
_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")


def masked_crc(data: bytes) -> int:
    """Returns TensorFlow's masked CRC-32C of some bytes."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read_length(header: bytes) -> int | None:
    """Returns the length that a frame's first 12 bytes tell, or None where they are damaged."""
    if len(header) < HEADER:
        return None
    length: int
    length, crc = _HEADER.unpack_from(header)
    return length if masked_crc(header[:8]) == crc else None


def is_intact(data: bytes, footer: bytes) -> bool:
    """Whether a record's data agree with their checksum."""
    return len(footer) == FOOTER and _FOOTER.unpack(footer)[0] == masked_crc(data)


class Writable(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes, /) -> int:
        """Writes and returns how many bytes were written."""


def write(file: Writable, data: bytes) -> None:
    """Writes a frame."""
    length = _LENGTH.pack(len(data))
    file.write(length + _FOOTER.pack(masked_crc(length)))
    file.write(data)
    file.write(_FOOTER.pack(masked_crc(data)))

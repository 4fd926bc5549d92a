"""Protocol buffers as they lie in a file: numbers, fields, lengths. Needs no TensorFlow."""

from collections.abc import Iterator

_FIXED = {1: 8, 5: 4}  # wire types of fixed width, in bytes
Value = int | bytes


def varint(data: bytes, place: int) -> tuple[int, int]:
    """Reads a variable-length integer.

    Args:
        data: bytes that hold it.
        place: its first byte.

    Returns:
        The number and the place behind it.

    Raises:
        ValueError: it is longer than 64 bits, or the data end in it.
    """
    byte = data[place]
    if byte < 0x80:
        return byte, place + 1
    value, shift = byte & 0x7F, 7
    while shift < 70:
        place += 1
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise ValueError("a number of more than 64 bits")


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Yields number and value of each field of a message, in order.

    The value is an integer for variable-length and fixed-width fields, else bytes.

    Raises:
        ValueError: this is no message.
    """
    place = 0
    while place < len(data):
        tag, place = varint(data, place)
        number, kind = tag >> 3, tag & 7
        value: Value
        if kind == 0:
            value, place = varint(data, place)
        else:
            if kind == 2:
                size, place = varint(data, place)
            elif kind in _FIXED:
                size = _FIXED[kind]
            else:
                raise ValueError(f"a field of wire type {kind}")
            part = data[place : place + size]
            if len(part) != size:
                raise ValueError("a field reaches beyond its message")
            value = part if kind == 2 else int.from_bytes(part, "little")
            place += size
        yield number, value


def message(data: bytes) -> dict[int, list[Value]]:
    """Returns all values of each field of a message.

    Raises:
        ValueError: this is no message.
    """
    found: dict[int, list[Value]] = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found

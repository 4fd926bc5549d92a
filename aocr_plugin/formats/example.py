"""``tf.train.Example``, as far as aocr's files use it, on the wire. Needs no TensorFlow.

The message is a map from names to lists of bytes, floats or integers; ours are ``image`` (the
encoded file), ``label`` (text) and ``comment`` (the image's path). TensorFlow's protobuf module
would bring all of TensorFlow; the part of the format that is needed fits on a page.
"""

import contextlib
from collections.abc import Mapping

from aocr_plugin.formats.wire import varint

_LENGTH_DELIMITED = 2
_FIRST, _SECOND = 1 << 3 | _LENGTH_DELIMITED, 2 << 3 | _LENGTH_DELIMITED  # tags of such fields
_FIXED = {1: 8, 5: 4}  # wire types of fixed width, in bytes


def _fields(data: bytes, place: int, end: int) -> list[tuple[int, int, int]]:
    """Returns number, start and end of each length-delimited field; passes over all others.

    Numbers of one byte, nearly all, are read without a call, which saves a sixth of the time.

    Raises:
        ValueError: this is no protobuf message.
    """
    found = []
    while place < end:
        tag = data[place]
        if tag < 0x80:
            place += 1
        else:
            tag, place = varint(data, place)
        kind = tag & 7
        if kind == _LENGTH_DELIMITED:
            length = data[place]
            if length < 0x80:
                place += 1
            else:
                length, place = varint(data, place)
            if tag < 8:
                raise ValueError("a field of number 0")
            found.append((tag >> 3, place, place + length))
            place += length
        elif kind == 0:
            _, place = varint(data, place)
        elif kind in _FIXED:
            place += _FIXED[kind]
        else:
            raise ValueError(f"wire type {kind}")
    if place > end:
        raise ValueError("a field reaches beyond its message")
    return found


def _plain(data: bytes) -> dict[str, bytes] | None:
    """Reads an Example of single bytes values, as aocr and we write them, in half the time.

    Returns:
        The features, or None where there is anything else in it.
    """
    size, place = varint(data, 1)
    end = place + size
    features: dict[str, bytes] = {}
    if data[0] != _FIRST or end != len(data):  # Example.features
        return None
    while place < end:
        size, key = varint(data, place + 1)
        stop = key + size
        if data[place] != _FIRST or data[key] != _FIRST or stop > end:  # an entry, its key
            return None
        size, key = varint(data, key + 1)
        place = key + size
        name = data[key:place].decode("utf-8")
        for tag in (_SECOND, _FIRST, _FIRST):  # its value: a Feature, a BytesList, the bytes
            if data[place] != tag:
                return None
            size, place = varint(data, place + 1)
            if place + size != stop:
                return None
        features[name] = data[place:stop]
        place = stop
    return features


def parse(data: bytes) -> dict[str, bytes]:
    """Returns the first value of each bytes feature of a serialised Example.

    Args:
        data: the message.

    Raises:
        ValueError: it is no Example.
    """
    features: dict[str, bytes] = {}
    with contextlib.suppress(IndexError, ValueError):
        plain = _plain(data)
        if plain is not None:
            return plain
    try:
        for number, start, end in _fields(data, 0, len(data)):
            if number != 1:  # Example.features
                continue
            for inner, entry_start, entry_end in _fields(data, start, end):
                if inner == 1:  # Features.feature, an entry of the map
                    _entry(data, entry_start, entry_end, features)
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"no tf.train.Example ({error})") from error
    return features


def _entry(data: bytes, start: int, end: int, features: dict[str, bytes]) -> None:
    """Reads an entry of the map: key and Feature."""
    key, value = "", None
    for number, first, last in _fields(data, start, end):
        if number == 1:
            key = data[first:last].decode("utf-8")
        elif number == 2:
            for kind, list_first, list_last in _fields(data, first, last):
                if kind == 1:  # Feature.bytes_list
                    value = next(
                        (data[a:b] for n, a, b in _fields(data, list_first, list_last) if n == 1),
                        None,
                    )
    if value is not None:
        features[key] = value


def _number(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _field(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | _LENGTH_DELIMITED]) + _number(len(payload)) + payload


def serialise(features: Mapping[str, bytes]) -> bytes:
    """Returns a serialised Example; keys in order, as TensorFlow's deterministic form has them."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _field(1, _field(1, features[name]))))
        for name in sorted(features)
    )
    return _field(1, entries)

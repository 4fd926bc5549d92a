"""The Open Inference Protocol's binary tensors: they follow the JSON, whose length a header tells.

After the extension "binary_tensor_data" as Triton's clients speak it: an element of BYTES is its
length, 32 bits, and its bytes; numbers are as in memory; all of it little endian.
"""

import struct
from typing import Any

from aocr_plugin.serving.protocol import RequestError

HEADER = "Inference-Header-Content-Length"
SIZE = "binary_data_size"
_LENGTH = struct.Struct("<I")


def split_body(body: bytes, told: str | None) -> tuple[bytes, bytes]:
    """Returns a body's JSON and what follows it.

    Args:
        body: of a request.
        told: the header's value, or None.

    Raises:
        RequestError: the header has no number of bytes that the body has.
    """
    if told is None:
        return body, b""
    if not (told.isascii() and told.isdigit()) or not 0 < int(told[:12]) <= len(body):
        raise RequestError(400, f"{HEADER} must be a number from 1 to the body's {len(body)} bytes")
    return body[: int(told)], body[int(told) :]


def parameters(where: dict[str, Any], what: str) -> dict[str, Any]:
    """Returns the "parameters" of a request or of a tensor.

    Raises:
        RequestError: they are no object.
    """
    found = where.get("parameters") or {}
    if not isinstance(found, dict):
        raise RequestError(400, f"the parameters of {what} must be an object")
    return found


def read_strings(data: bytes, most: int) -> list[bytes]:
    """Returns the elements of a BYTES tensor.

    Raises:
        RequestError: the data ends within one, or has more than ``most``.
    """
    found: list[bytes] = []
    place = 0
    while place < len(data):
        begin = place + _LENGTH.size
        end = begin + _LENGTH.unpack_from(data, place)[0] if begin <= len(data) else begin
        if end > len(data):
            raise RequestError(400, f"the binary data ends within element {len(found)}")
        if len(found) == most:
            raise RequestError(413, f"the binary data has more than {most} elements")
        found.append(data[begin:end])
        place = end
    return found


def write_tensor(data: list[Any]) -> bytes:
    """Returns a tensor's binary form: BYTES for texts, FP64 for numbers."""
    if all(isinstance(value, str) for value in data):
        encoded = [value.encode() for value in data]
        return b"".join(_LENGTH.pack(len(one)) + one for one in encoded)
    return struct.pack(f"<{len(data)}d", *data)

"""Lists of lists of images in JSON: a tensor of strings, as TensorFlow Serving reads them."""

from typing import Any, TypeVar

from aocr_plugin.serving.json_values import decode_base64, shown
from aocr_plugin.serving.protocol import RequestError

Shape = tuple[int, ...]
_T = TypeVar("_T")
_DEEPEST = 8
_TYPES: dict[type, str] = {dict: "Object", list: "Array", str: "String", type(None): "Null"}


def json_type(value: Any) -> str:
    """Returns a JSON value's type in TensorFlow Serving's words."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return _TYPES.get(type(value), "Number")


def is_base64(value: Any) -> bool:
    """Whether a JSON value is ``{"b64": "…"}``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def string_tensor(value: Any) -> tuple[list[bytes], Shape]:
    """Returns the strings of a JSON value, flat, and their shape: () for one that is no list.

    Raises:
        RequestError: an element is no string, or the lists are not of one length and depth.
    """
    if not isinstance(value, list):
        return [_string(value)], ()
    shape: list[int] = []
    first: Any = value
    while isinstance(first, list):
        shape.append(len(first))
        if len(shape) > _DEEPEST:
            raise RequestError(400, f"lists are nested deeper than {_DEEPEST}")
        first = first[0] if first else None
    found: list[bytes] = []
    _fill(value, 0, shape, found)
    return found, tuple(shape)


def _fill(value: Any, level: int, shape: list[int], found: list[bytes]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise RequestError(
                400,
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}",
            )
        found.append(_string(value))
        return
    if level >= len(shape):
        raise RequestError(
            400, f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise RequestError(
            400,
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}",
        )
    for element in value:
        _fill(element, level + 1, shape, found)


def _string(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if not isinstance(value, dict):
        raise RequestError(
            400,
            f"JSON Value: {shown(value)} Type: {json_type(value)} is not of expected type: string",
        )
    if not is_base64(value):
        raise RequestError(
            400, f"JSON Value: {shown(value)} not formatted correctly for base64 data"
        )
    return decode_base64(value["b64"])


def nested(flat: list[_T], shape: Shape) -> Any:
    """Returns a flat list as lists of lists; its one element where the shape is ()."""
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    size = len(flat) // shape[0] if shape[0] else 0
    rows = [flat[row * size : (row + 1) * size] for row in range(shape[0])]
    return [nested(row, shape[1:]) for row in rows]

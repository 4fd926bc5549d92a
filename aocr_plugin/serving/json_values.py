"""JSON, parsed without letting it take all memory, and base64 in it."""

import binascii
import json
import re
from typing import Any

from aocr_plugin.serving.protocol import RequestError

_SPACE = re.compile(r"\s+")
_SHOWN = 160


def parse_object(body: bytes, max_values: int) -> dict[str, Any]:
    """Parses a JSON object; messages are TensorFlow Serving's.

    Args:
        body: of a request.
        max_values: lists, objects and elements that it may have. Base64 has none of the signs
            that these are told by, so the images' size does not count.

    Raises:
        RequestError: no JSON, no object, nested too deeply (400) or of too many values (413).
    """
    if not body:
        raise RequestError(400, "JSON Parse error: The document is empty")
    values = body.count(b",") + body.count(b"[") + body.count(b"{")
    if values > max_values:
        raise RequestError(413, f"the JSON has {values} values; at most {max_values} are taken")
    try:
        found = json.loads(body, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise RequestError(400, f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except RecursionError:
        raise RequestError(
            400, "JSON Parse error: lists or objects are nested too deeply"
        ) from None
    except ValueError as error:  # no UTF-8, or a number of thousands of digits
        raise RequestError(400, f"JSON Parse error: {error}"[:300]) from None
    if not isinstance(found, dict):
        raise RequestError(400, f"JSON Value: {shown(found)} Is not object")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object's members; of two with one name it would not be clear which is meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has two members of one name")
    return found


def shown(value: Any) -> str:
    """Returns a JSON value for a message, cut where it is long."""
    if isinstance(value, str) and len(value) > _SHOWN:
        value = value[:_SHOWN]
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "…"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def decode_base64(text: str) -> bytes:
    """Decodes base64; white space and missing padding are passed over.

    Raises:
        RequestError: it is none.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        pass
    text = _SPACE.sub("", text).rstrip("=")
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        raise RequestError(400, "Unable to base64 decode") from None

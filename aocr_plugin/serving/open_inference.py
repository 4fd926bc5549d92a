"""The Open Inference Protocol, version 2: its JSON in, its JSON out."""

import math
from typing import Any, NamedTuple

from aocr_plugin.serving.bodies import decode_base64, parse_object
from aocr_plugin.serving.protocol import RequestError, Result
from aocr_plugin.serving.tensorflow_rest import INPUT, PROBABILITY, TEXT
from aocr_plugin.version import __version__

OUTPUTS = {TEXT: "BYTES", PROBABILITY: "FP64"}


class Infer(NamedTuple):
    """A request.

    Attributes:
        images: flat.
        shape: of the input tensor.
        outputs: names of those wanted.
        id: of the request, or None.
    """

    images: list[bytes]
    shape: list[int]
    outputs: list[str]
    id: str | None


def parse_infer(body: bytes, max_values: int) -> Infer:
    """Reads a request's body; the images are base64 in ``data``.

    Raises:
        RequestError: it is malformed.
    """
    asked = parse_object(body, max_values)
    given = asked.get("id")
    if given is not None and not isinstance(given, str):
        raise RequestError(400, "'id' must be a string")
    inputs = asked.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise RequestError(400, f"'inputs' must be a list of one tensor, '{INPUT}'")
    tensor = inputs[0]
    if tensor.get("name") != INPUT:
        raise RequestError(400, f"the input's name must be '{INPUT}'")
    if tensor.get("datatype") != "BYTES":
        raise RequestError(400, f"the datatype of '{INPUT}' must be BYTES")
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not 1 <= len(shape) <= 8 or not all(map(_is_size, shape)):
        raise RequestError(400, f"the shape of '{INPUT}' must be a list of 1 to 8 sizes, e.g. [2]")
    data = _flat(tensor.get("data"))
    if math.prod(shape) != len(data):
        raise RequestError(
            400, f"'{INPUT}' has {len(data)} elements, which is not its shape {shape}"
        )
    return Infer([_image(n, text) for n, text in enumerate(data)], shape, _outputs(asked), given)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 1 << 31


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise RequestError(400, f"the data of '{INPUT}' must be a list of base64 strings")
    found: list[Any] = []
    waiting = [iter(data)]
    while waiting:
        for element in waiting[-1]:
            if isinstance(element, list):
                waiting.append(iter(element))
                break
            found.append(element)
        else:
            waiting.pop()
    return found


def _image(number: int, text: Any) -> bytes:
    if not isinstance(text, str):
        raise RequestError(400, f"element {number} of '{INPUT}' must be a base64 string")
    try:
        return decode_base64(text)
    except RequestError as error:
        raise RequestError(400, f"element {number} of '{INPUT}': {error.message}") from None


def _outputs(asked: dict[str, Any]) -> list[str]:
    wanted = asked.get("outputs")
    if not wanted:
        return list(OUTPUTS)
    if not isinstance(wanted, list):
        raise RequestError(400, "'outputs' must be a list of objects with a 'name'")
    names = [one.get("name") if isinstance(one, dict) else None for one in wanted]
    for name in names:
        if not isinstance(name, str) or name not in OUTPUTS:
            raise RequestError(400, f"an output's name must be one of {', '.join(OUTPUTS)}")
    return [name for name in OUTPUTS if name in names]


def infer_reply(asked: Infer, name: str, version: int, results: list[Result]) -> dict[str, Any]:
    """Returns the answer to a request."""
    data = {
        TEXT: [result.text for result in results],
        PROBABILITY: [result.probability for result in results],
    }
    outputs = [
        {"name": key, "datatype": OUTPUTS[key], "shape": asked.shape, "data": data[key]}
        for key in asked.outputs
    ]
    reply = {"model_name": name, "model_version": str(version), "outputs": outputs}
    return reply if asked.id is None else {"id": asked.id, **reply}


def server_reply() -> dict[str, Any]:
    """Returns what the server is."""
    return {"name": "aocr_plugin", "version": __version__, "extensions": []}


def model_reply(name: str, version: int) -> dict[str, Any]:
    """Returns a model's inputs and outputs."""
    return {
        "name": name,
        "versions": [str(version)],
        "platform": "aocr_plugin",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": k, "datatype": kind, "shape": [-1]} for k, kind in OUTPUTS.items()],
    }

"""The Open Inference Protocol, version 2: its JSON, or JSON and binary tensors, in and out."""

import math
from typing import Any, NamedTuple

from aocr_plugin.serving.binary_tensors import (
    SIZE,
    parameters,
    read_strings,
    split_body,
    write_tensor,
)
from aocr_plugin.serving.json_values import decode_base64, parse_object
from aocr_plugin.serving.protocol import RequestError, Result
from aocr_plugin.serving.tensorflow_rest import INPUT, PROBABILITY, TEXT
from aocr_plugin.version import __version__

OUTPUTS = {TEXT: "BYTES", PROBABILITY: "FP64"}


class Infer(NamedTuple):
    """A request.

    Attributes:
        images: flat.
        shape: of the input tensor.
        outputs: names of those wanted, each with whether it is to be binary.
        id: of the request, or None.
    """

    images: list[bytes]
    shape: list[int]
    outputs: dict[str, bool]
    id: str | None


def parse_infer(body: bytes, max_values: int, json_length: str | None = None) -> Infer:
    """Reads a request's body; the images are base64 in ``data``, or binary after the JSON.

    Args:
        body: of the request.
        max_values: see :func:`parse_object`.
        json_length: of the body, as its header tells if there are binary tensors.

    Raises:
        RequestError: it is malformed.
    """
    head, binary = split_body(body, json_length)
    asked = parse_object(head, max_values)
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
    size = parameters(tensor, f"'{INPUT}'").get(SIZE)
    if binary or size is not None:
        if type(size) is not int or size != len(binary) or "data" in tensor:
            raise RequestError(
                400,
                f"'{INPUT}' must have no 'data' and a '{SIZE}' of {len(binary)}: as many bytes "
                "follow the JSON",
            )
        images = read_strings(binary, max_values)
    else:
        images = [_image(n, text) for n, text in enumerate(_flat(tensor.get("data")))]
    if math.prod(shape) != len(images):
        raise RequestError(
            400, f"'{INPUT}' has {len(images)} elements, which is not its shape {shape}"
        )
    return Infer(images, shape, _outputs(asked), given)


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


def _outputs(asked: dict[str, Any]) -> dict[str, bool]:
    binary = parameters(asked, "the request").get("binary_data_output", False)
    wanted = asked.get("outputs")
    if wanted is None or wanted == []:
        wanted = [{"name": name} for name in OUTPUTS]
    if not isinstance(wanted, list):
        raise RequestError(400, "'outputs' must be a list of objects with a 'name'")
    found = {}
    for one in wanted:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or name not in OUTPUTS:
            raise RequestError(400, f"an output's name must be one of {', '.join(OUTPUTS)}")
        found[name] = parameters(one, f"'{name}'").get("binary_data", binary)
        if not isinstance(found[name], bool):
            raise RequestError(400, "'binary_data' and 'binary_data_output' must be true or false")
    return found


def infer_reply(
    asked: Infer, name: str, version: int, results: list[Result]
) -> tuple[dict[str, Any], bytes]:
    """Returns the answer to a request: its JSON, and the binary tensors that follow it."""
    data: dict[str, list[Any]] = {
        TEXT: [result.text for result in results],
        PROBABILITY: [result.probability for result in results],
    }
    outputs, binary = [], b""
    for key, packed in asked.outputs.items():
        tensor: dict[str, Any] = {"name": key, "datatype": OUTPUTS[key], "shape": asked.shape}
        if packed:
            part = write_tensor(data[key])
            binary += part
            tensor["parameters"] = {SIZE: len(part)}
        else:
            tensor["data"] = data[key]
        outputs.append(tensor)
    reply = {"model_name": name, "model_version": str(version), "outputs": outputs}
    return (reply if asked.id is None else {"id": asked.id, **reply}), binary


def server_reply() -> dict[str, Any]:
    """Returns what the server is."""
    return {"name": "aocr_plugin", "version": __version__, "extensions": ["binary_tensor_data"]}


def model_reply(name: str, version: int) -> dict[str, Any]:
    """Returns a model's inputs and outputs."""
    return {
        "name": name,
        "versions": [str(version)],
        "platform": "aocr_plugin",
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": k, "datatype": kind, "shape": [-1]} for k, kind in OUTPUTS.items()],
    }

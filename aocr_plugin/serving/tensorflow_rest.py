"""TensorFlow Serving's REST: its JSON in, its JSON out, its messages.

Written after the documentation and the behaviour of TensorFlow Serving 2; the signature is that of
the SavedModel that the original exported: ``input``, bytes of any shape, to ``output`` and
``probability`` of the same shape.
"""

from typing import Any, NamedTuple

from aocr_plugin.serving.json_values import parse_object, shown
from aocr_plugin.serving.protocol import RequestError, Result
from aocr_plugin.serving.tensors import Shape, is_base64, nested, string_tensor

SIGNATURE = "serving_default"
INPUT, TEXT, PROBABILITY = "input", "output", "probability"


class Predict(NamedTuple):
    """A request.

    Attributes:
        images: flat.
        shape: of the input tensor.
        rows: whether it came as "instances".
    """

    images: list[bytes]
    shape: Shape
    rows: bool


def parse_predict(body: bytes, max_values: int) -> Predict:
    """Reads a request's body.

    Raises:
        RequestError: it is malformed.
    """
    asked = parse_object(body, max_values)
    if "signature_name" in asked:
        name = asked["signature_name"]
        if not isinstance(name, str):
            raise RequestError(
                400,
                f"JSON Value: {shown(asked)} not formatted correctly. 'signature_name' key must "
                "be a string value.",
            )
        if name not in ("", SIGNATURE):
            raise RequestError(400, f'Serving signature name: "{name}" not found in signature def')
    if "instances" in asked:
        if "inputs" in asked:
            raise RequestError(
                400,
                f"JSON Value: {shown(asked)} Not formatted correctly expecting only one of "
                "'inputs' or 'instances' keys to exist",
            )
        return _rows(asked["instances"], asked)
    if "inputs" in asked:
        return _columns(asked["inputs"])
    raise RequestError(400, "Missing 'inputs' or 'instances' key")


def _named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _rows(instances: Any, asked: dict[str, Any]) -> Predict:
    if not isinstance(instances, list):
        raise RequestError(
            400, f"JSON Value: {shown(asked)} Excepting 'instances' to be an list/array"
        )
    if not instances:
        raise RequestError(400, f"JSON Value: {shown(asked)} No values in 'instances' array")
    named = _named(instances[0])
    images: list[bytes] = []
    expected: Shape | None = None
    for number, element in enumerate(instances):
        if _named(element) != named:
            what = "object but got list" if named else "value/list but got object"
            raise RequestError(400, f"Expecting {what} at item {number} of input list")
        where = f"Failed to process element: {number} "
        if named:
            for key in element:
                if key != INPUT:
                    raise RequestError(
                        400,
                        f"{where}key: {key} of 'instances' list. Error: INVALID_ARGUMENT: JSON "
                        f"object: does not have named input: {key}",
                    )
            if INPUT not in element:
                raise RequestError(
                    400,
                    f"{where}of 'instances' list. JSON object: {shown(element)} keys must be "
                    f"equal to: {INPUT}",
                )
            element, where = element[INPUT], f"{where}key: {INPUT} "
        try:
            found, shape = string_tensor(element)
            if expected is not None and shape != expected:
                raise RequestError(
                    400, f"Expecting shape {_words(expected)} but got: {_words(shape)}"
                )
        except RequestError as error:
            raise RequestError(
                400, f"{where}of 'instances' list. Error: INVALID_ARGUMENT: {error.message}"
            ) from None
        expected = shape
        images += found
    return Predict(images, (len(instances), *(expected or ())), rows=True)


def _words(shape: Shape) -> str:
    return f"[{','.join(map(str, shape))}]"


def _columns(inputs: Any) -> Predict:
    if _named(inputs):
        if INPUT not in inputs:
            raise RequestError(400, f"Missing named input: {INPUT} in 'inputs' object.")
        inputs = inputs[INPUT]
    return Predict(*string_tensor(inputs), rows=False)


def predict_reply(asked: Predict, results: list[Result]) -> dict[str, Any]:
    """Returns the answer to a request in its own form."""
    texts = nested([result.text for result in results], asked.shape)
    scores = nested([result.probability for result in results], asked.shape)
    if asked.rows:
        rows = zip(texts, scores, strict=True)
        return {"predictions": [{TEXT: text, PROBABILITY: score} for text, score in rows]}
    return {"outputs": {TEXT: texts, PROBABILITY: scores}}


def status_reply(version: int, ready: bool) -> dict[str, Any]:
    """Returns a model's status."""
    return {
        "model_version_status": [
            {
                "version": str(version),
                "state": "AVAILABLE" if ready else "LOADING",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def _tensor_info(name: str, dtype: str) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": [], "unknown_rank": True},
        "name": name,
    }


def metadata_reply(name: str, version: int) -> dict[str, Any]:
    """Returns a model's signature, that of the exported SavedModel."""
    signature = {
        "inputs": {INPUT: _tensor_info("input_image_as_bytes:0", "DT_STRING")},
        "outputs": {
            TEXT: _tensor_info("prediction:0", "DT_STRING"),
            PROBABILITY: _tensor_info("probability:0", "DT_DOUBLE"),
        },
        "method_name": "tensorflow/serving/predict",
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }

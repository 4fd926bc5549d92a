"""What the OpenAPI page says of bodies and answers; requests are read by hand, not from these."""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_B64: Schema = {
    "type": "object",
    "properties": {"b64": {"type": "string", "format": "byte"}},
    "required": ["b64"],
    "additionalProperties": False,
    "example": {"b64": "iVBORw0KGgo…"},
}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


_ERROR = _object(error=_TEXT)
_NAMED = {**_object(input=_B64), "additionalProperties": False}
_PREDICT = {
    "type": "object",
    "properties": {
        "signature_name": {"type": "string", "default": "serving_default"},
        "instances": _list({"anyOf": [_B64, _NAMED]}, minItems=1),
        "inputs": {
            "anyOf": [_B64, _list(_B64), _object(input={"anyOf": [_B64, _list(_B64)]})],
        },
    },
    "anyOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    "example": {"signature_name": "serving_default", "instances": [{"b64": "iVBORw0KGgo…"}]},
}
_PREDICTED = {
    "anyOf": [
        _object(predictions=_list(_object(output=_TEXT, probability=_SHARE))),
        _object(outputs=_object(output={}, probability={})),
    ]
}
_STATUS = _object(model_version_status=_list(_object(version=_TEXT, state=_TEXT)))
_TENSOR = {
    **_object(
        name={"const": "input"},
        shape=_list({"type": "integer", "minimum": 0}, minItems=1),
        datatype={"const": "BYTES"},
        data=_list({"type": "string", "format": "byte"}),
    ),
    "example": {"name": "input", "shape": [1], "datatype": "BYTES", "data": ["iVBORw0KGgo…"]},
}
_INFER = {
    "type": "object",
    "properties": {
        "id": _TEXT,
        "parameters": {"type": "object"},
        "inputs": _list(_TENSOR, minItems=1, maxItems=1),
        "outputs": _list(_object(name={"enum": ["output", "probability"]})),
    },
    "required": ["inputs"],
}
_INFERRED = _object(
    model_name=_TEXT,
    model_version=_TEXT,
    outputs=_list(_object(name=_TEXT, datatype=_TEXT, shape={}, data=_list({}))),
)
_READING = _object(
    text=_TEXT,
    score=_SHARE,
    char_scores=_list(_SHARE),
    attention=_list(_list(_SHARE)),
    column={"type": "number"},
)


def answers(schema: Schema, *, media_type: str = "application/json") -> dict[int | str, Schema]:
    """Returns a route's answers: one schema, and errors."""
    error = {"content": {"application/json": {"schema": _ERROR}}}
    return {
        200: {"description": "The answer", "content": {media_type: {"schema": schema}}},
        "4XX": {"description": "What is wrong with the request", **error},
        "5XX": {"description": "The server is busy, not ready or failed", **error},
    }


def takes(schema: Schema, media_type: str = "application/json") -> Schema:
    """Returns a route's ``openapi_extra``: the body that it takes."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


PREDICT = takes(_PREDICT)
PREDICTED = answers(_PREDICTED)
STATUS = answers(_STATUS)
METADATA = answers(_object(model_spec=_object(name=_TEXT), metadata={"type": "object"}))
INFER = takes(_INFER)
INFERRED = answers(_INFERRED)
ANY = answers({"type": "object"})
READ = takes({"type": "string", "format": "binary"}, "application/octet-stream")
READING = answers(_READING)
METRICS = answers(_TEXT, media_type="text/plain")

"""TensorFlow Serving's REST, word by word; the engine is a pretended one."""

import base64
import json

import pytest

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import in_thread


def b64(data: bytes) -> dict:
    return {"b64": base64.b64encode(data).decode()}


A, B = b64(b"a"), b64(b"bc")
PREDICT = "/v1/models/aocr:predict"


@pytest.fixture(scope="module")
def ask():
    with in_thread() as ask:
        yield ask


def row(*texts):
    return {"predictions": [{"output": text, "probability": 0.5} for text in texts]}


def column(texts):
    scores = json.loads(json.dumps(texts).replace('"A"', "0.5").replace('"BC"', "0.5"))
    return {"outputs": {"output": texts, "probability": scores}}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"instances": [A]}, row("A")),
        ({"instances": [A, B]}, row("A", "BC")),
        ({"instances": [{"input": A}, {"input": B}]}, row("A", "BC")),
        ({"signature_name": "serving_default", "instances": [A]}, row("A")),
        ({"signature_name": "", "instances": [A], "more": 1}, row("A")),
        ({"inputs": A}, column("A")),
        ({"inputs": {"input": A}}, column("A")),
        ({"inputs": [A, B]}, column(["A", "BC"])),
        ({"inputs": {"input": [A, B]}}, column(["A", "BC"])),
        ({"inputs": {"input": [[A], [B]]}}, column([["A"], ["BC"]])),
        ({"inputs": []}, column([])),
        ({"inputs": "a"}, column("A")),
        ({"instances": ["a"]}, row("A")),
        ({"inputs": {"b64": "YmM"}}, column("BC")),
        ({"inputs": {"b64": "Ym\nM="}}, column("BC")),
        (
            {"instances": [[A, B]]},
            {"predictions": [{"output": ["A", "BC"], "probability": [0.5, 0.5]}]},
        ),
    ],
)
def test_every_form_gets_its_own_form_of_answer(ask, body, answer):
    for path in (PREDICT, "/v1/models/aocr/versions/1:predict"):
        assert ask("POST", path, body)[:2] == (200, answer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"{", "JSON Parse error: "),
        (b"\xff\xfe\xff", "JSON Parse error: "),
        (b"[1]", "JSON Value: [1] Is not object"),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "JSON Parse error: Exceeds the limit"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [A], "inputs": A}, "expecting only one of 'inputs' or 'instances' keys"),
        ({"instances": A}, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"signature_name": 3, "instances": [A]}, "'signature_name' key must be a string value"),
        (
            {"signature_name": "other", "instances": [A]},
            'Serving signature name: "other" not found in signature def',
        ),
        ({"inputs": {"image": A}}, "Missing named input: input in 'inputs' object."),
        ({"inputs": 5}, "JSON Value: 5 Type: Number is not of expected type: string"),
        ({"inputs": None}, "Type: Null is not of expected type: string"),
        ({"inputs": [True]}, "Type: True is not of expected type: string"),
        ({"inputs": {"input": {"b64": 3}}}, "not formatted correctly for base64 data"),
        ({"inputs": {"b64": "a"}}, "Unable to base64 decode"),
        ({"inputs": {"b64": "ä"}}, "Unable to base64 decode"),
        ({"inputs": [A, [A]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"inputs": [[A], A]}, "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ({"inputs": [[A], [A, A]]}, "Encountered list at unexpected size: 2 at level: 1"),
        ({"inputs": [[[[[[[[[[A]]]]]]]]]]}, "nested deeper than 8"),
        (
            {"instances": [A, 5]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON Value: 5 Type: Number is not of expected type: string",
        ),
        ({"instances": [A, {"input": A}]}, "Expecting value/list but got object at item 1"),
        ({"instances": [{"input": A}, A]}, "Expecting object but got list at item 1"),
        ({"instances": [{"image": A}]}, "does not have named input: image"),
        ({"instances": [{}]}, "keys must be equal to: input"),
        ({"instances": [A, [A]]}, "Expecting shape [] but got: [1]"),
    ],
)
def test_what_is_malformed_is_said_in_tensorflow_servings_words(ask, body, message):
    status, answer, headers = ask("POST", PREDICT, body)
    assert status == 400 and list(answer) == ["error"] and message in answer["error"]
    assert headers["content-type"] == "application/json"


def test_one_image_that_cannot_be_read_fails_its_request_and_is_named(ask):
    bad = b64(b"bad")
    assert ask("POST", PREDICT, {"instances": [A, bad, A]})[:2] == (
        400,
        {"error": "instance 1: not an image"},
    )


def test_the_content_type_does_not_matter(ask):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"):
        assert ask("POST", PREDICT, {"instances": [A]}, {"Content-Type": kind})[0] == 200


def test_status_and_metadata(ask):
    status = {"error_code": "OK", "error_message": ""}
    versions = [{"version": "1", "state": "AVAILABLE", "status": status}]
    for path in ("/v1/models/aocr", "/v1/models/aocr/versions/1"):
        assert ask("GET", path)[:2] == (200, {"model_version_status": versions})
        code, answer, _ = ask("GET", path + "/metadata")
        assert code == 200 and answer["model_spec"] == {
            "name": "aocr", "signature_name": "", "version": "1"}  # fmt: skip
        signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert signature["method_name"] == "tensorflow/serving/predict"
        tensors = signature["inputs"] | signature["outputs"]
        assert {name: tensor["dtype"] for name, tensor in tensors.items()} == {
            "input": "DT_STRING", "output": "DT_STRING", "probability": "DT_DOUBLE"}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("POST", "/v1/models/no:predict", 404, "Servable not found for request: Latest(no)"),
        ("POST", "/v1/models/aocr/versions/7:predict", 404,
         "Servable not found for request: Specific(aocr, 7)"),
        ("GET", "/v1/models/no", 404, "Could not find any versions of model no"),
        ("GET", "/v1/models/aocr/versions/7", 404, "Could not find version 7 of model aocr"),
        ("GET", "/v1/models/no/metadata", 404, "Servable not found for request: Latest(no)"),
        ("GET", "/v1/models/aocr/versions/x", 400,
         "Malformed request: GET /v1/models/aocr/versions/x"),
        ("GET", PREDICT, 400, f"Malformed request: GET {PREDICT}"),
        ("GET", "/v1/models/aocr/versions/1:predict", 400,
         "Malformed request: GET /v1/models/aocr/versions/1:predict"),
        ("POST", "/v1/models/aocr", 400, "Malformed request: POST /v1/models/aocr"),
        ("PUT", PREDICT, 400, f"Malformed request: PUT {PREDICT}"),
        ("GET", "/v1/", 400, "Malformed request: GET /v1/"),
        ("GET", "/nothing", 404, "Not Found: GET /nothing"),
        ("DELETE", "/read", 405, "Method Not Allowed: DELETE /read"),
    ],
)  # fmt: skip
def test_addresses_that_are_not(ask, method, path, code, message):
    assert ask(method, path, {"instances": [A]})[:2] == (code, {"error": message})


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": {"b64": "YQ=="}, "inputs": {"b64": "YmM="}}',
        b'{"instances": [{"b64": "YQ==", "b64": "YmM="}]}',
    ],
)
def test_two_members_of_one_name_are_refused(ask, body):
    status, answer, _ = ask("POST", PREDICT, body)
    assert status == 400 and "an object has two members of one name" in answer["error"]


def test_not_a_number_is_one_of_the_wrong_type(ask):
    for value in (b"NaN", b"-Infinity", b"1e999"):
        status, answer, _ = ask("POST", PREDICT, b'{"inputs": [' + value + b"]}")
        assert status == 400 and "is not of expected type: string" in answer["error"]

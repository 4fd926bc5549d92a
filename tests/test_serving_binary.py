"""The Open Inference Protocol's binary tensors: as raw bytes, and with Triton's own client."""

import base64
import http.client
import json
import struct

import numpy as np
import pytest

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import in_thread

INFER = "/v2/models/aocr/infer"
HEADER = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def ask():
    with in_thread(max_instances=3) as ask:
        yield ask


def tensor(size, count=2, **more):
    parameters = {"binary_data_size": size}
    return dict(name="input", shape=[count], datatype="BYTES", parameters=parameters, **more)


def infer(ask, request, binary=b"", told=None):
    """Returns status, JSON, and the bytes after it."""
    head = json.dumps(request).encode()
    connection = http.client.HTTPConnection("127.0.0.1", ask.args[0], timeout=60)
    connection.request("POST", INFER, head + binary, {HEADER: str(told or len(head))})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    length = int(answer.getheader(HEADER) or len(data))
    kind = "application/octet-stream" if HEADER in answer.headers else "application/json"
    assert answer.getheader("content-type") == kind
    return answer.status, json.loads(data[:length]), data[length:]


IMAGES = b"\1\0\0\0a\2\0\0\0bc"  # b"a", b"bc"


def test_images_as_bytes_and_answers_in_json(ask):
    status, answer, rest = infer(ask, {"id": "7", "inputs": [tensor(11)]}, IMAGES)
    assert status == 200 and rest == b"" and answer["id"] == "7"
    assert answer["outputs"] == [
        {"name": "output", "datatype": "BYTES", "shape": [2], "data": ["A", "BC"]},
        {"name": "probability", "datatype": "FP64", "shape": [2], "data": [0.5, 0.5]},
    ]
    assert ask("GET", "/v2")[1]["extensions"] == ["binary_tensor_data"]


def test_answers_as_bytes_where_they_are_asked_for(ask):
    text = {"name": "output", "parameters": {"binary_data": True}}
    score = {"name": "probability", "parameters": {"binary_data": True}}
    texts, scores = b"\1\0\0\0A\2\0\0\0BC", struct.pack("<2d", 0.5, 0.5)
    for more, expected in (
        ({"outputs": [text]}, texts),
        ({"outputs": [score, text]}, scores + texts),  # in the order asked for
        ({"outputs": [text, {"name": "probability"}]}, texts),
        ({"parameters": {"binary_data_output": True}}, texts + scores),
    ):
        status, answer, rest = infer(ask, {"inputs": [tensor(11)], **more}, IMAGES)
        assert status == 200 and rest == expected
        for found in answer["outputs"]:
            assert ("data" in found) != ("parameters" in found)
    plain = dict(name="input", shape=[1], datatype="BYTES", data=["YQ=="])
    head = {"inputs": [plain], "outputs": [text]}
    assert infer(ask, head)[2] == b"\1\0\0\0A"  # base64 in, bytes out


@pytest.mark.parametrize(
    ("request_", "binary", "told", "message"),
    [
        ({"inputs": [tensor(11)]}, IMAGES[:-1], None, "a 'binary_data_size' of 10"),
        ({"inputs": [tensor(10)]}, IMAGES[:-1], None, "the binary data ends within element 1"),
        ({"inputs": [tensor(2)]}, b"\1\0", None, "the binary data ends within element 0"),
        ({"inputs": [tensor(11, 3)]}, IMAGES, None, "has 2 elements, which is not its shape [3]"),
        ({"inputs": [tensor(11, data=[])]}, IMAGES, None, "must have no 'data'"),
        ({"inputs": [tensor("x")]}, IMAGES, None, "must have no 'data' and a 'binary_data_size'"),
        ({"inputs": [tensor(11) | {"parameters": 3}]}, IMAGES, None, "must be an object"),
        ({"inputs": [tensor(11)]}, IMAGES, 9999, "Content-Length must be a number from 1 to"),
        ({"inputs": [tensor(11)]}, IMAGES, "-1", "Content-Length must be a number from 1 to"),
        ({"inputs": [tensor(11)]}, IMAGES, 5, "JSON Parse error"),
        ({"inputs": [tensor(11)], "parameters": {"binary_data_output": 1}}, IMAGES, None,
         "must be true or false"),
    ],
)  # fmt: skip
def test_malformed_binary_requests(ask, request_, binary, told, message):
    status, answer, _ = infer(ask, request_, binary, told)
    assert status == 400 and message in answer["error"]


def test_elements_without_end_are_refused(ask):
    status, answer, _ = infer(ask, {"inputs": [tensor(80_000)]}, bytes(80_000))
    assert status == 413 and "more than 280 elements" in answer["error"]
    status, answer, _ = infer(ask, {"inputs": [tensor(20, 4)]}, b"\1\0\0\0a" * 4)
    assert (status, answer["error"]) == (413, "the request has 4 images; at most 3 are taken")


def test_tritons_client_works_unchanged(ask):
    client = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
    triton = client.InferenceServerClient(f"127.0.0.1:{ask.args[0]}")
    assert triton.is_server_live() and triton.is_server_ready() and triton.is_model_ready("aocr")
    assert triton.get_model_metadata("aocr", "1")["inputs"][0]["datatype"] == "BYTES"
    images = client.InferInput("input", [2], "BYTES")
    for binary, packing in ((True, None), (True, "gzip"), (False, None)):
        elements = [b"a", b"bc"] if binary else [base64.b64encode(one) for one in (b"a", b"bc")]
        images.set_data_from_numpy(np.array(elements, object), binary_data=binary)
        for wanted in (None, True, False):
            outputs = wanted if wanted is None else [
                client.InferRequestedOutput(name, binary_data=wanted)
                for name in ("probability", "output")
            ]  # fmt: skip
            found = triton.infer(
                "aocr", [images], outputs=outputs, request_id="9",
                request_compression_algorithm=packing)  # fmt: skip
            texts = found.as_numpy("output").tolist()
            assert [t.decode() if isinstance(t, bytes) else t for t in texts] == ["A", "BC"]
            assert found.as_numpy("probability").tolist() == [0.5, 0.5]
            assert found.get_response()["id"] == "9"
    with pytest.raises(Exception, match="no such model: no"):
        triton.infer("no", [images])
    triton.close()

"""Garbage by the thousand: only 4xx with a message, memory flat, the next good request answered."""

import base64
import http.client
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from conftest import draw_word

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import ask, children, exported_model, in_process, resident

from aocr_plugin import Recognizer

pytestmark = pytest.mark.slow
PATHS = ("/v1/models/aocr:predict", "/v1/models/aocr/versions/1:predict", "/v2/models/aocr/infer",
         "/read")  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    model = exported_model(tmp_path_factory)
    with in_process(model, "--max-pixels", "1000000", "--max-bytes", str(4 << 20)) as running:
        yield *running, Recognizer(model)


def png(word: str) -> bytes:
    return cv2.imencode(".png", draw_word(word))[1].tobytes()


def check_good(port, recognizer):
    body = {"instances": [{"b64": base64.b64encode(png("CAT")).decode()}]}
    status, answer, _ = ask(port, "POST", PATHS[0], body)
    assert status == 200
    assert answer["predictions"][0]["output"] == recognizer(png("CAT")).text


def images(rng: random.Random) -> bytes:
    """Returns an image that is whole, cut, with bytes changed, or none at all."""
    ending, flags = rng.choice(
        [(".png", []), (".jpg", []), (".bmp", []), (".webp", []), (".tiff", [])]
    )
    data = bytearray(cv2.imencode(ending, draw_word("DOG7"), flags)[1].tobytes())
    kind = rng.randrange(4)
    if kind == 1:
        del data[rng.randrange(len(data)) :]
    elif kind == 2:
        for _ in range(rng.randrange(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    elif kind == 3:
        data = bytearray(rng.randbytes(rng.randrange(2000)))
    return bytes(data)


def value(rng: random.Random, depth: int = 0):
    """Returns a JSON value, often like one that is right."""
    kind = rng.randrange(10)
    if kind < 4:
        return {"b64": base64.b64encode(images(rng)).decode()[: rng.choice([None, 50, 51])]}
    if kind < 6 and depth < 6:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind < 7 and depth < 6:
        keys = rng.sample(["input", "b64", "name", "shape", "data", "datatype", "\ud800"], 2)
        return {key: value(rng, depth + 1) for key in keys}
    return rng.choice(
        [None, True, -1, 1e308, float("nan"), "", "ab==", "input", "BYTES", 10**30, [1]]
    )


def body(rng: random.Random) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:
        return rng.randbytes(rng.randrange(3000))
    if kind == 1:
        return rng.choice([b"[", b'{"a":', b'{"inputs":[']) * rng.randrange(1, 60_000)
    if kind == 2:
        return b'{"instances": [' + b"1," * rng.randrange(200_000) + b"1]}"
    if kind == 3:
        return b'{"inputs": "' + b"A" * rng.randrange(2 << 20) + b'"}'
    if kind == 4:
        return images(rng)
    key = rng.choice(["instances", "inputs", "inputs", "signature_name"])
    text = json.dumps({key: value(rng), rng.choice(["x", "inputs", "id"]): value(rng)}).encode()
    return text[: rng.randrange(len(text))] if rng.random() < 0.2 else text


def test_garbage_by_the_thousand(served):
    process, port, recognizer = served
    rng = random.Random(0)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    codes, memory, workers = {}, [], children(process.pid)
    for number in range(2400):
        connection.request("POST", rng.choice(PATHS), body(rng), {"Content-Type": "text/x"})
        answer = connection.getresponse()
        found = json.loads(answer.read())
        codes[answer.status] = codes.get(answer.status, 0) + 1
        assert answer.status == 200 or (400 <= answer.status < 500 and found["error"])
        if number % 600 == 599:
            check_good(port, recognizer)
            memory.append([resident(pid) for pid in (process.pid, *workers)])
    assert children(process.pid) == workers
    assert codes[400] > 900 and codes[413] > 100 and codes[200] > 10
    assert all(last < first + 25 for first, last in zip(memory[0], memory[-1], strict=True)), memory


def test_broken_http(served):
    import socket

    process, port, recognizer = served
    for data in (
        b"\x16\x03\x01garbage\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
        b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(data)
    check_good(port, recognizer)
    assert process.poll() is None


def test_schemathesis_finds_no_server_error(served, tmp_path):
    process, port, recognizer = served
    tool = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if not tool:
        pytest.skip("schemathesis is not installed")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance"
    done = subprocess.run(
        [tool, "run", f"http://127.0.0.1:{port}/openapi.json", "--max-examples", "45",
         "--phases", "examples,coverage,fuzzing", "--seed", "1",
         "--checks", f"{checks},response_schema_conformance", "--max-failures", "5",
         "--suppress-health-check", "all"],
        capture_output=True, text=True, cwd=tmp_path, timeout=170, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert int(done.stdout.partition(" generated, ")[0].split()[-1]) > 1000
    check_good(port, recognizer)
    metrics = ask(port, "GET", "/metrics")[1]
    assert 'code="500"' not in metrics and 'code="503"' not in metrics
    assert process.poll() is None

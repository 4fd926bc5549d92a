"""``tools/serve.py`` for real: curl's payloads, texts as read offline, limits, stops, deaths."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib

import cv2
import onnx
import pytest
from conftest import WORDS, draw_word

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import ask, children, command, in_process, resident, tiny_checkpoint, tiny_export

from aocr_plugin import Recognizer

pytestmark = pytest.mark.slow
PREDICT = "/v1/models/aocr:predict"


def png(word: str) -> bytes:
    return cv2.imencode(".png", draw_word(word))[1].tobytes()


def b64(data: bytes) -> dict:
    return {"b64": base64.b64encode(data).decode()}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_export(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def server(model):
    with in_process(model, "--max-pixels", "100000", "--max-instances", "40") as (process, port):
        yield process, port


@pytest.fixture(scope="module")
def offline(model):
    return Recognizer(model)


def bomb(size: int) -> bytes:
    """A PNG of a few kilobytes that says it has ``size`` x ``size`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + end

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def test_curls_payloads_unchanged(server, offline, tmp_path):
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("curl is not installed")
    image = base64.b64encode(png("CAT")).decode()
    read = offline(png("CAT"))
    url = f"http://localhost:{server[1]}"
    column = '{"signature_name": "serving_default", "inputs": {"input": {"b64": "…"}}}'
    column, row = (text.replace("…", image) for text in (column, '{"instances": [{"b64": "…"}]}'))
    (tmp_path / "request.json").write_text(row)

    def run(*words):
        return json.loads(subprocess.check_output([curl, "-s", *words]))

    for where in (f"{url}{PREDICT}", f"{url}/v1/models/aocr/versions/1:predict"):
        found = run("-X", "POST", "-d", column, where)["outputs"]
        assert found["output"] == read.text
        assert found["probability"] == pytest.approx(read.score, abs=1e-6)
        found = run("-d", "@" + str(tmp_path / "request.json"), where)["predictions"]
        assert [one["output"] for one in found] == [read.text]
    # curl's own content type is that of a form, and with one of JSON it waits for "100 Continue"
    big = row.replace("]", ', {"b64": "…"}'.replace("…", image) * 29 + "]")
    found = run("-H", "Content-Type: application/json", "-H", "Expect: 100-continue", "-d", big,
                f"{url}{PREDICT}")  # fmt: skip
    assert [one["output"] for one in found["predictions"]] == [read.text] * 30
    assert run(f"{url}/v1/models/aocr")["model_version_status"][0]["state"] == "AVAILABLE"


def test_many_clients_get_the_texts_that_are_read_offline(server, offline):
    images = [png(word + end) for word in WORDS for end in ("", "1", "XY")]
    texts = [found.text for found in offline(images)]
    wrong = []

    def client(number):
        for step in range(8):
            first = (number + step) % len(images)
            chosen = [(first + k) % len(images) for k in range(1 + number % 4)]
            body = {"instances": [b64(images[k]) for k in chosen]}
            status, answer, _ = ask(server[1], "POST", PREDICT, body)
            read = [one["output"] for one in answer.get("predictions", [])]
            if status != 200 or read != [texts[k] for k in chosen]:
                wrong.append((status, answer))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    _, metrics, _ = ask(server[1], "GET", "/metrics")
    sizes = [line for line in metrics.splitlines() if line.startswith("aocr_batch_images_")]
    count = next(float(line.split()[1]) for line in sizes if "_count" in line)
    images_read = next(float(line.split()[1]) for line in sizes if "_sum" in line)
    assert images_read / count > 1.5  # requests were read together


def test_bad_images_fail_their_own_request_alone(server, offline):
    good, text = png("CAT"), offline(png("CAT")).text
    (worker,) = children(server[0].pid)
    broken = {
        bomb(12_000): "instance 1: the image has 12000 x 12000 pixels; at most 100000 are taken",
        bomb(30_000): "instance 1: Image size (900000000 pixels) exceeds limit",
        good[: len(good) // 2]: "instance 1: ",
        b"": "instance 1: the file is empty",
        b"RIFF\x10\0\0\0WEBPVP8 ": "instance 1: ",
        b"GIF89a": "instance 1: ",
    }
    before, answers = resident(worker), []

    def fine():
        answers.append(ask(server[1], "POST", PREDICT, {"instances": [b64(good)] * 4}))

    for data, message in broken.items():
        thread = threading.Thread(target=fine)
        thread.start()
        status, answer, _ = ask(server[1], "POST", PREDICT, {"instances": [b64(good), b64(data)]})
        thread.join()
        assert status == 400 and answer["error"].startswith(message), (data[:20], answer)
    for status, answer, _ in answers:
        assert status == 200 and [one["output"] for one in answer["predictions"]] == [text] * 4
    assert children(server[0].pid) == [worker] and resident(worker) < before + 60


def test_neither_process_has_pytorch(server):
    for pid in (server[0].pid, *children(server[0].pid)):
        with open(f"/proc/{pid}/maps") as maps:
            assert "libtorch" not in maps.read()


def test_a_worker_that_dies_is_replaced(server, offline):
    (worker,) = children(server[0].pid)
    os.kill(worker, signal.SIGKILL)
    body = {"instances": [b64(png("CAT"))]}
    deadline = time.monotonic() + 30
    while children(server[0].pid) in ([], [worker]) and time.monotonic() < deadline:
        time.sleep(0.1)
    status, answer, _ = ask(server[1], "POST", PREDICT, body)
    assert status == 200 and answer["predictions"][0]["output"] == offline(png("CAT")).text


def test_sigterm_answers_what_was_taken_on_and_refuses_more(model):
    body = {"instances": [b64(png("HORSE" * 8))] * 200}
    with in_process(model, "--threads", "1") as (process, port):
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(ask(port, "POST", PREDICT, body)[0]))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while "aocr_batch_images_count 0.0" in ask(port, "GET", "/metrics")[1]:
            time.sleep(0.005)
        workers = children(process.pid)
        process.terminate()
        with contextlib.suppress(OSError):  # from now on, or in a moment
            while True:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                time.sleep(0.01)
        for thread in threads:
            thread.join()
        assert process.wait(20) == 0 and answers == [200] * 4
        assert not [pid for pid in workers if os.path.exists(f"/proc/{pid}")]


def test_workers_share_the_cores_and_a_checkpoint_is_served(tmp_path):
    checkpoint = tiny_checkpoint(tmp_path / "model.pth")
    cores = len(os.sched_getaffinity(0))
    flags = ("--workers", 2, "--name", "plates", "--version", 3, "--strict")
    with in_process(checkpoint, *map(str, flags)) as (process, port):
        deadline = time.monotonic() + 60
        while len(children(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        path = "/v1/models/plates/versions/3:predict"
        status, answer, _ = ask(port, "POST", path, {"instances": [b64(png("OX"))]})
        expected = Recognizer(checkpoint)
        expected.model.decoder.early_stop = False
        found = answer["predictions"][0]
        read = expected(png("OX"))
        assert status == 200 and found["output"] == read.text
        assert found["probability"] == pytest.approx(read.aocr_probability, rel=1e-4)
        if cores >= 2:
            time.sleep(1)
            shares = [os.sched_getaffinity(pid) for pid in children(process.pid)]
            assert not shares[0] & shares[1]


def test_what_cannot_be_served_is_said(tmp_path, model):
    (tmp_path / "text.onnx").write_text("no model")
    calibrated = onnx.load(model)
    (entry,) = calibrated.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | {"temperature": 1.5})
    onnx.save(calibrated, tmp_path / "calibrated.onnx")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for words, message in (
            ((tmp_path / "gone.onnx",), "gone.onnx: no such file"),
            ((tmp_path / "text.onnx",), "text.onnx: not an ONNX model that can be run"),
            ((tmp_path / "calibrated.onnx", "--strict"), "calibrated model does not give the prod"),
            ((model, "--port", port), f"cannot serve on 127.0.0.1:{port} (Address already in use)"),
            ((model, "--host", "nowhere.invalid"), "cannot serve on nowhere.invalid:8501"),
            ((model, "--name", "a/b"), "letters, digits"),
            ((model, "--timeout", "0"), "no time above 0"),
            ((model, "--queue", "3"), "--queue 3 must be at least --max-instances 256"),
        ):
            done = subprocess.run(command(*words), capture_output=True, text=True, timeout=120)
            assert done.returncode == 2 and message in done.stderr
            assert "Traceback" not in done.stderr


def test_real_images_over_http_are_read_as_offline(server, offline, real_sets):
    files = sorted((real_sets / "captcha5_classic" / "images").iterdir())[:100]
    data = [file.read_bytes() for file in files]
    expected = [(found.text, found.score) for found in offline(data)]
    found = []
    for start in range(0, 100, 25):
        body = {"inputs": {"input": [b64(one) for one in data[start : start + 25]]}}
        outputs = ask(server[1], "POST", PREDICT, body)[1]["outputs"]
        found += zip(outputs["output"], outputs["probability"], strict=True)
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], rel=1e-3, abs=1e-9)

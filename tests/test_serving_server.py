"""``tools/serve.py`` for real: curl's payloads, texts as read offline, limits, faults told."""

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor

import cv2
import onnx
import pytest
from conftest import WORDS, draw_word

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import ask, children, command, exported_model, in_process, resident
from test_serving_bodies import wait

from aocr_plugin import Recognizer
from aocr_plugin.cli.serve import parse_args

PREDICT = "/v1/models/aocr:predict"


def png(word: str) -> bytes:
    return cv2.imencode(".png", draw_word(word))[1].tobytes()


def b64(data: bytes) -> dict:
    return {"b64": base64.b64encode(data).decode()}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return exported_model(tmp_path_factory)


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_many_clients_get_what_is_read_offline(server, offline):
    images = [png(word + end) for word in WORDS for end in ("", "1", "XY")]
    read = offline(images)
    assert len({f"{one.score:.6g}" for one in read}) == len(images)  # none can stand for another
    wrong = []

    def client(number):
        for step in range(4):
            first = (number + step) % len(images)
            chosen = [(first + k) % len(images) for k in range(1 + number % 4)]
            body = {"instances": [b64(images[k]) for k in chosen]}
            status, answer, _ = ask(server[1], "POST", PREDICT, body)
            found = [(one["output"], one["probability"]) for one in answer.get("predictions", [])]
            expected = [(read[k].text, pytest.approx(read[k].score, rel=1e-4)) for k in chosen]
            if status != 200 or found != expected:
                wrong.append((status, answer))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(64)]
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_neither_process_has_pytorch(server):
    for pid in (server[0].pid, *children(server[0].pid)):
        with open(f"/proc/{pid}/maps") as maps:
            assert "libtorch" not in maps.read()


@pytest.mark.slow
def test_workers_share_the_cores_and_strict_is_the_originals_number(model, offline):
    cores = len(os.sched_getaffinity(0))
    flags = ("--workers", 2, "--name", "plates", "--version", 3, "--strict")
    with in_process(model, *map(str, flags)) as (process, port):
        wait(lambda: len(children(process.pid)) == 2, 60)
        path = "/v1/models/plates/versions/3:predict"
        status, answer, _ = ask(port, "POST", path, {"instances": [b64(png("OX"))]})
        found = answer["predictions"][0]
        read = offline(png("OX"))
        assert status == 200 and found["output"] == read.text
        assert found["probability"] == pytest.approx(read.aocr_probability, rel=1e-4)
        if cores >= 2:
            wait(lambda: not set.intersection(*map(os.sched_getaffinity, children(process.pid))))


@pytest.mark.slow
def test_what_cannot_be_served_is_said(tmp_path, model):
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "cut.onnx").write_bytes(model.read_bytes()[:5000])
    calibrated = onnx.load(model)
    (entry,) = calibrated.metadata_props
    entry.value = json.dumps(json.loads(entry.value) | {"temperature": 1.5})
    onnx.save(calibrated, tmp_path / "calibrated.onnx")

    def check(words, message):
        done = subprocess.run(command(*words), capture_output=True, text=True, timeout=120)
        assert done.returncode == 2 and message in done.stderr
        assert "Traceback" not in done.stderr

    with socket.socket() as taken, ThreadPoolExecutor(2) as pool:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        any_port = ("--port", "0")
        cases = {
            (tmp_path / "gone.onnx", *any_port): "gone.onnx: no such file",
            (tmp_path / "text.onnx", *any_port): "text.onnx: not an ONNX model that can be run",
            (tmp_path / "cut.onnx", *any_port): "cut.onnx: not an ONNX model that can be run",
            (tmp_path / "folder.onnx", *any_port): "folder.onnx: cannot be loaded (IsADirectory",
            (tmp_path / "calibrated.onnx", "--strict", *any_port): "does not give the product",
            (model, "--port", port): f"cannot serve on 127.0.0.1:{port} (Address already in use)",
            (model, "--host", "nowhere.invalid"): "cannot serve on nowhere.invalid:8501",
        }
        list(pool.map(check, cases, cases.values()))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--name", "a/b"), "letters, digits"),
        (("--timeout", "0"), "no time above 0"),
        (("--port", "70000"), "no port from 0 to 65535"),
        (("--batch-wait-ms", "-1"), "is not from 0 to 10000"),
        (("--queue", "3"), "--queue 3 must be at least --max-instances 256"),
        (("--max-held", "5"), "--max-held 5 must be at least --max-bytes 33554432"),
    ],
)
def test_settings_that_cannot_be(capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        parse_args(["model.onnx", *words])
    assert message in capsys.readouterr().err


@pytest.mark.slow
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

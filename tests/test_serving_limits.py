"""Limits, batches across requests, time-outs, metrics, and the second protocol."""

import asyncio
import base64
import threading

import pytest

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import PretendEngine, in_thread
from test_serving_rest import PREDICT, A, b64, row

from aocr_plugin.serving.columns import column_share
from aocr_plugin.serving.grouping import Grouper
from aocr_plugin.serving.protocol import EngineError, Item, RequestError

INFER = "/v2/models/aocr/infer"


def tensor(*texts, **changes):
    data = [base64.b64encode(text).decode() for text in texts]
    return {"name": "input", "shape": [len(data)], "datatype": "BYTES", "data": data} | changes


@pytest.fixture(scope="module")
def ask():
    with in_thread(max_bytes=5000, max_instances=3) as ask:
        yield ask


def test_open_inference_protocol(ask):
    assert ask("GET", "/v2")[1]["name"] == "aocr_plugin"
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/aocr/ready",
                 "/v2/models/aocr/versions/1/ready"):  # fmt: skip
        assert ask("GET", path)[0] == 200
    described = ask("GET", "/v2/models/aocr")[1]
    assert described["inputs"] == [{"name": "input", "datatype": "BYTES", "shape": [-1]}]
    assert described == ask("GET", "/v2/models/aocr/versions/1")[1]
    expected = {
        "id": "7",
        "model_name": "aocr",
        "model_version": "1",
        "outputs": [
            {"name": "output", "datatype": "BYTES", "shape": [2], "data": ["A", "BC"]},
            {"name": "probability", "datatype": "FP64", "shape": [2], "data": [0.5, 0.5]},
        ],
    }
    body = {"id": "7", "inputs": [tensor(b"a", b"bc")]}
    assert ask("POST", INFER, body)[:2] == (200, expected)
    assert ask("POST", "/v2/models/aocr/versions/1/infer", body)[:2] == (200, expected)
    chosen = {"inputs": [tensor(b"a")], "outputs": [{"name": "output"}]}
    assert [one["name"] for one in ask("POST", INFER, chosen)[1]["outputs"]] == ["output"]
    pair = tensor(shape=[2, 1], data=[["YQ=="], ["YmM="]])
    assert ask("POST", INFER, {"inputs": [pair]})[1]["outputs"][0]["shape"] == [2, 1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'inputs' must be a list of one tensor, 'input'"),
        ({"inputs": [3]}, "'inputs' must be a list of one tensor"),
        ({"id": 3, "inputs": [tensor(b"a")]}, "'id' must be a string"),
        ({"inputs": [tensor(b"a", name="x")]}, "the input's name must be 'input'"),
        ({"inputs": [tensor(b"a", datatype="FP32")]}, "datatype of 'input' must be BYTES"),
        ({"inputs": [tensor(b"a", shape=[True])]}, "must be a list of 1 to 8 sizes"),
        ({"inputs": [tensor(b"a", shape=[2])]}, "has 1 elements, which is not its shape [2]"),
        ({"inputs": [tensor(b"a", data="YQ==")]}, "must be a list of base64 strings"),
        ({"inputs": [tensor(b"a", data=[1])]}, "element 0 of 'input' must be a base64 string"),
        ({"inputs": [tensor(b"a", data=["a"])]}, "element 0 of 'input': Unable to base64 decode"),
        ({"inputs": [tensor(b"a", b"bad")]}, "element 1: not an image"),
        ({"inputs": [tensor(b"a")], "outputs": 3}, "'outputs' must be a list"),
        ({"inputs": [tensor(b"a")], "outputs": [{"name": "x"}]}, "must be one of output, prob"),
    ],
)
def test_malformed_inference_requests(ask, body, message):
    status, answer, _ = ask("POST", INFER, body)
    assert status == 400 and message in answer["error"]
    assert ask("POST", "/v2/models/no/infer", body)[:2] == (404, {"error": "no such model: no"})


def test_limits_of_a_request(ask):
    for path in (PREDICT, INFER, "/read"):
        status, answer, _ = ask("POST", path, b"x" * 5001)
        assert (status, answer["error"]) == (413, "the body has 5001 bytes; at most 5000 are taken")
        chunks = {"Transfer-Encoding": "chunked"}
        chunked = b"1770\r\n" + b"x" * 0x1770 + b"\r\n0\r\n\r\n"
        status, answer, _ = ask("POST", path, chunked, chunks)
        assert status == 413 and "more than 5000 bytes" in answer["error"]
    status, answer, _ = ask("POST", PREDICT, {"instances": [A] * 4})
    assert (status, answer["error"]) == (413, "the request has 4 images; at most 3 are taken")
    many = b'{"inputs": [' + b"[]," * 500 + b"[]]}"
    assert "values; at most" in ask("POST", PREDICT, many)[1]["error"]
    assert ask("POST", PREDICT, {"instances": [A]})[:2] == (200, row("A"))


def test_lists_nested_by_the_thousand():
    with in_thread(max_instances=50_000) as ask:
        for deep in (b"[" * 90_000, b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"):
            status, answer, _ = ask("POST", PREDICT, deep)
            assert status == 400 and "nested too deeply" in answer["error"]


def test_a_worker_that_dies(ask):
    status, answer, _ = ask("POST", PREDICT, {"instances": [b64(b"dead")]})
    assert status == 500 and "died or failed" in answer["error"]


def test_time_out():
    with in_thread(timeout=0.3) as ask:
        status, answer, headers = ask("POST", PREDICT, {"instances": [b64(b"slow")]})
    assert (status, answer) == (504, {"error": "not read within 0.3 s"})
    assert headers["retry-after"] == "1"


def test_requests_are_read_together_and_a_full_queue_refuses():
    engine = PretendEngine(delay=0.1)
    with in_thread(engine, max_batch=8, queue=12, max_instances=12) as ask:
        answers = []
        threads = [
            threading.Thread(
                target=lambda n=n: answers.append(
                    ask("POST", PREDICT, {"instances": [A] * (1 + n % 2)})
                )
            )
            for n in range(24)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = [status for status, _, _ in answers]
        assert set(codes) == {200, 503} and max(engine.batches) == 8
        refused = next(answer for answer in answers if answer[0] == 503)
        assert "images wait already; try again later" in refused[1]["error"]
        assert refused[2]["retry-after"] == "1"
        text = ask("GET", "/metrics")[1]
        assert f'aocr_requests_total{{code="200",route="predict"}} {codes.count(200)}.0' in text
        assert f"aocr_images_total {sum(engine.batches)}.0" in text and "aocr_ready 1.0" in text
        assert "aocr_waiting_images 0.0" in text


def test_grouping_by_images_and_dropping_what_nobody_waits_for():
    async def run():
        engine = PretendEngine(delay=0.02)
        grouper = Grouper(engine.send, lanes=1, max_batch=4, wait=0.01, capacity=100)
        items = [Item(b"%d" % n) for n in range(10)]
        first = asyncio.create_task(grouper.read(items))
        gone = asyncio.create_task(grouper.read([Item(b"gone")] * 4))
        last = asyncio.create_task(grouper.read([Item(b"z")]))
        await asyncio.sleep(0.01)
        gone.cancel()
        assert [r.text for r in await first] == [str(n) for n in range(10)]
        assert [r.text for r in await last] == ["Z"]
        assert engine.batches == [4, 4, 3] and await grouper.read([]) == []
        others = asyncio.create_task(grouper.read([Item(b"ok")] * 4))
        with pytest.raises(EngineError, match="died"):
            await asyncio.gather(grouper.read([Item(b"dead")]))
        assert len(await others) == 4
        with pytest.raises(RequestError, match="0 images wait already"):
            await grouper.read([Item(b"a")] * 101)

    asyncio.run(run())


def test_description_and_documentation_load_nothing_from_elsewhere(ask):
    described = ask("GET", "/openapi.json")[1]
    assert {"/v1/models/{name}:predict", "/v2/models/{name}/infer", "/read"} <= set(
        described["paths"]
    )
    for path in ("/docs", "/"):
        status, text, _ = ask("GET", path)
        assert status == 200 and "http://" not in text and "https://" not in text
    assert "default-src 'none'" in ask("GET", "/")[2]["content-security-policy"]


def test_where_columns_lie():
    rescale = [{"type": "LoadImageFromFile"}, {"type": "RescaleToHeight", "height": 32}]
    assert column_share(rescale, 200, 64) == 4 / 100
    canvas = [{"type": "AOCRCanvas", "max_width": 200, "max_height": 50}]
    assert column_share(canvas, 60, 20) == 4 / 60  # small enough: stays as it is
    assert column_share(canvas, 1000, 50) == 4 / 128
    assert column_share([{"type": "mmocr.Resize", "scale": (100, 32)}], 5, 5) == 4 / 100

"""What a server takes of a body and for how long: sizes, gzip, clients that stall or leave."""

import contextlib
import gzip
import json
import socket
import time

import pytest

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import PretendEngine, in_thread
from test_serving_rest import PREDICT, A, b64, row

GZIP = {"Content-Encoding": "gzip"}
GOOD = json.dumps({"instances": [A]}).encode()


@pytest.fixture(scope="module")
def ask():
    with in_thread(max_bytes=5000, max_held=12_000) as ask:
        yield ask


@contextlib.contextmanager
def begun(ask, sent: bytes):
    """A connection on which something was sent."""
    with socket.create_connection(("127.0.0.1", ask.args[0]), timeout=20) as client:
        client.sendall(sent)
        yield client


def everything(client) -> bytes:
    """Returns what comes until the server closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def head(size: int, path: str = PREDICT) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


def metric(ask, name: str) -> float:
    lines = ask("GET", "/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def wait(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_body_may_be_packed_with_gzip(ask):
    assert ask("POST", PREDICT, gzip.compress(GOOD), GZIP)[:2] == (200, row("A"))
    assert ask("POST", PREDICT, GOOD, {"Content-Encoding": "identity"})[:2] == (200, row("A"))
    bomb = gzip.compress(b" " * 4_000_000)
    assert len(bomb) < 5000
    for body, packing, code, message in (
        (bomb, "gzip", 413, "the body has more than 5000 bytes"),
        (gzip.compress(GOOD)[:-9], "gzip", 400, "the body's gzip is cut off"),
        (GOOD, "gzip", 400, "the body is no gzip"),
        (gzip.compress(GOOD), "br", 415, "may be packed with gzip, and not in another way"),
    ):
        status, answer, _ = ask("POST", PREDICT, body, {"Content-Encoding": packing})
        assert status == code and message in answer["error"]


def test_a_body_that_does_not_arrive_is_given_up():
    with in_thread(timeout=0.2) as ask:
        for path in (PREDICT, "/v2/models/aocr/infer", "/read"):
            with begun(ask, head(100, path) + b"abc") as client:
                answer = everything(client)
            assert answer.startswith(b"HTTP/1.1 408") and b"connection: close" in answer
            assert b"the body did not arrive within 0.2 s" in answer


def test_all_bodies_together_have_a_limit():
    with in_thread(max_bytes=5000, max_held=12_000) as ask:
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(begun(ask, head(4501) + b"x" * 4500))
            wait(lambda: metric(ask, "aocr_held_bytes ") == 9000)
            status, answer, headers = ask("POST", PREDICT, b"x" * 4500)
            assert (status, headers["retry-after"]) == (503, "1")
            assert answer["error"] == "9000 bytes of requests are held already; try again later"
            assert ask("POST", PREDICT, GOOD)[:2] == (200, row("A"))
        wait(lambda: metric(ask, "aocr_held_bytes ") == 0)
        assert ask("POST", PREDICT, b"x" * 4500)[0] == 400


def test_what_a_client_that_leaves_had_waiting_is_dropped():
    engine = PretendEngine(delay=0.2)
    with in_thread(engine, max_batch=1) as ask:
        many = json.dumps({"instances": [b64(b"%d" % n) for n in range(100)]}).encode()
        with begun(ask, head(len(many)) + many):
            wait(lambda: metric(ask, "aocr_waiting_images ") == 98)
        wait(lambda: metric(ask, "aocr_waiting_images ") == 0)
        assert ask("POST", PREDICT, GOOD)[:2] == (200, row("A"))
        assert len(engine.batches) < 10
        wait(lambda: metric(ask, 'aocr_requests_total{code="499",route="predict"}') == 1)


def test_all_images_are_counted(ask):
    names = ("aocr_images_total ", "aocr_bad_images_total ")
    before = [metric(ask, name) for name in names]
    assert ask("POST", PREDICT, {"instances": [A, b64(b"bad"), b64(b"bad2"), A, A]})[0] == 400
    assert [metric(ask, name) for name in names] == [before[0] + 3, before[1] + 2]


def test_head_is_answered_as_get_without_a_body(ask):
    for path in ("/v2/health/ready", "/v1/models/aocr", "/", "/metrics"):
        assert ask("HEAD", path)[:2] == (200, "")
    assert ask("HEAD", "/nothing")[:2] == (404, "")
    assert ask("HEAD", "/read")[:2] == (405, "")

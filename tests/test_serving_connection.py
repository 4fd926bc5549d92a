"""Connections: those that say nothing, heads without end, what is no HTTP, old and odd HTTP."""

import http.client
import json
import socket
import time

import pytest

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import in_thread
from test_serving_bodies import begun, everything, head

from aocr_plugin.serving import connection

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def ask():
    with in_thread() as ask:
        yield ask


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE", 0.5)
    with in_thread() as ask:
        yield ask


def one_answer(client) -> tuple[int, str | None, bytes]:
    """Returns status, content type and body of what comes."""
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.status, answer.getheader("content-type"), answer.read()


@pytest.mark.parametrize("sent", [b"", b"GET /v2 HT", b"GET /v2 HTTP/1.1\r\nHost: x\r\n"])
def test_a_client_that_never_asks_is_left(hasty, sent):
    start = time.monotonic()
    with begun(hasty, sent) as client:
        assert everything(client) == b""
    assert 0.4 < time.monotonic() - start < 15


def test_a_head_that_comes_byte_by_byte_is_left(hasty):
    with begun(hasty, b"") as client, pytest.raises(OSError):
        for _ in range(1000):
            client.sendall(b"G")
            time.sleep(0.01)


def test_the_time_for_a_head_does_not_count_the_work(hasty):
    body = b'{"instances": [{"b64": "YQ=="}]}'
    with begun(hasty, LIVE + head(len(body))) as client:
        time.sleep(1)  # twice what a head may take; the body has another limit
        client.sendall(body)
        answers = everything(client)
    assert answers.count(b"HTTP/1.1 200") == 2 and b'"predictions"' in answers


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-abc: def\r\n"),
        (b"GET /", b"a"),
        (head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
         + b"3\r\nabc\r\n0\r\nX: ", b"a"),
    ],
)  # fmt: skip
def test_heads_and_trailers_without_end_are_refused(ask, begin, more):
    with begun(ask, begin) as client:
        try:
            for _ in range(200):
                client.sendall(more * (65536 // len(more)))
            pytest.fail("more than 12 MB of headers were taken")
        except OSError:
            pass
    with begun(ask, LIVE) as client:
        assert one_answer(client)[0] == 200


def test_a_body_in_small_chunks_is_none_of_these(ask):
    body = b'{"instances": [{"b64": "YQ=="}]}' + b" " * 600_000
    pieces = [body[k : k + 500] for k in range(0, len(body), 500)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    begin = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with begun(ask, begin + chunks) as client:
        assert one_answer(client)[0] == 200


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"\x16\x03\x01garbage\r\n\r\n", 400),
        (head(3).replace(b"3", b"-3"), 400),
        (head(3).replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nabcde"), 400),
        (b"GET /nothing HTTP/1.1\r\nHost: [\r\n\r\n", 404),
        (b"GET /v2?\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /v2/?%ff HTTP/1.1\r\nHost: \xff\r\n\r\n", 404),
        (b"GET /v1/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST /read HTTP/1.0\r\nContent-Length: 1\r\n\r\na", 200),
        (LIVE.replace(b"1.1", b"1.0"), 200),
        (LIVE[:-2] + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200),
    ],
)  # fmt: skip
def test_odd_requests_get_an_answer_in_json(ask, sent, expected):
    with begun(ask, sent) as client:
        status, kind, body = one_answer(client)
    assert (status, kind) == (expected, "application/json")
    assert status == 200 or json.loads(body)["error"]


def test_a_port_that_is_taken_is_told_before_anything_is_served():
    from aocr_plugin.errors import ConfigError
    from aocr_plugin.serving.run import listen

    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot serve on 127.0.0.1:{port} .Address already"):
            listen("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port)):
            pass  # it waits to be taken
    listen("127.0.0.1", port).close()  # at once again

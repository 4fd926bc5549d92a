"""Workers that are killed, hang or do not come up; servers that are stopped or killed."""

import base64
import contextlib
import os
import signal
import socket
import threading
import time

import cv2
import pytest
from conftest import WORDS, draw_word

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
import litserve
from serving_side import ask, children, exported_model, in_process, relatives
from test_serving_bodies import wait

from aocr_plugin import Recognizer
from aocr_plugin.cli import serve as command
from aocr_plugin.errors import ConfigError
from aocr_plugin.serving.litserve_engine import LitServeEngine
from aocr_plugin.serving.settings import Settings

PREDICT = "/v1/models/aocr:predict"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return exported_model(tmp_path_factory)


def body(*words):
    images = [cv2.imencode(".png", draw_word(word))[1].tobytes() for word in words]
    return {"instances": [{"b64": base64.b64encode(data).decode()} for data in images]}


def in_threads(count, function):
    threads = [threading.Thread(target=function, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.slow
def test_a_worker_killed_among_requests_costs_none_of_them(model):
    offline = Recognizer(model)
    expected = {word: offline(draw_word(word)) for word in WORDS}
    answers, end = [], threading.Event()

    def client(number):
        word = WORDS[number % len(WORDS)]
        while not end.is_set():
            answers.append((word, *ask(port, "POST", PREDICT, body(word))[:2]))

    with in_process(model) as (process, port):
        threads = in_threads(16, client)
        for _ in range(2):
            (worker,) = children(process.pid)
            read = len(answers)
            wait(lambda seen=read: len(answers) > seen + 50, 60)
            os.kill(worker, signal.SIGKILL)
            wait(lambda old=worker: children(process.pid) not in ([], [old]), 60)
            wait(lambda: ask(port, "GET", "/v2/health/ready")[0] == 200, 60)
        end.set()
        for thread in threads:
            thread.join()
        assert any("has ended (exit -9)" in line for line in process.lines)
    for word, status, answer in answers:
        assert status == 200
        (found,) = answer["predictions"]
        assert found["output"] == expected[word].text
        assert found["probability"] == pytest.approx(expected[word].score, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("begun", [True, False])
def test_a_worker_that_hangs_is_replaced(model, begun):
    many = {"instances": body("HORSE" * 8)["instances"] * 200}
    with in_process(model, "--timeout", "2", "--threads", "1") as (process, port):
        (worker,) = children(process.pid)
        threads = in_threads(begun, lambda _: ask(port, "POST", PREDICT, many))
        wait(lambda: not begun or metric(port, "aocr_batch_images_count ") > 0, 60)
        os.kill(worker, signal.SIGSTOP)
        statuses = []

        def answered():
            statuses.append(ask(port, "POST", PREDICT, body("CAT"))[0])
            return statuses[-1] == 200 and children(process.pid) not in ([], [worker])

        wait(answered, 60)
        assert set(statuses) <= {200, 504}
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_a_server_without_litserves_manager_ends_and_says_so(model):
    with in_process(model) as (process, _):
        workers = children(process.pid)
        (manager,) = [pid for pid, line in relatives(process.pid) if b"tools/serve.py" in line]
        os.kill(manager, signal.SIGKILL)
        assert process.wait(60) == 2
        wait(lambda: any("error: the server had to stop" in line for line in process.lines))
        assert not [pid for pid in workers if os.path.exists(f"/proc/{pid}")]


@pytest.mark.slow
def test_the_workers_of_a_server_that_is_killed_end(model):
    with in_process(model) as (process, _):
        workers = children(process.pid)
        left = [pid for pid, _ in relatives(process.pid) if pid not in workers]
        process.kill()
        wait(lambda: not [pid for pid in workers if os.path.exists(f"/proc/{pid}")])
        for pid in left:  # LitServe's manager knows nothing of it
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_sigterm_answers_what_was_taken_on_and_refuses_more(model):
    many = {"instances": body("HORSE" * 8)["instances"] * 100}
    with in_process(model, "--threads", "1") as (process, port):
        answers = []
        threads = in_threads(4, lambda _: answers.append(ask(port, "POST", PREDICT, many)[0]))
        held = sum(len(one["b64"]) for one in many["instances"]) * 4
        wait(lambda: metric(port, "aocr_held_bytes ") > held or answers, 60)
        workers = children(process.pid)
        process.terminate()
        with contextlib.suppress(OSError):  # from now on, or in a moment
            while True:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                time.sleep(0.01)
        for thread in threads:
            thread.join()
        assert process.wait(30) == 0 and answers == [200] * 4
        assert not [pid for pid in workers if os.path.exists(f"/proc/{pid}")]
    with in_process(model, "--port", str(port)) as (_, again):
        assert again == port  # at once


def metric(port, name):
    lines = ask(port, "GET", "/metrics")[1].splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.mark.slow
def test_workers_that_do_not_come_up(model):
    engine = LitServeEngine(Settings(str(model), start_timeout=0.01))
    with pytest.raises(ConfigError, match=r"model\.onnx: not loaded after 0\.01 s"):
        with engine.workers():
            pytest.fail("it was ready")


def test_a_litserve_without_what_is_used_is_told(monkeypatch):
    monkeypatch.delattr(litserve.LitServer, "launch_single_inference_worker")
    with pytest.raises(ConfigError, match=r"has no launch_single_inference_worker; .*==0\.2\.19"):
        LitServeEngine(Settings("model.onnx"))


def test_libraries_that_are_not_there_or_not_these_are_told(monkeypatch, capsys):
    import sys

    monkeypatch.delattr("litserve.utils.wrap_litserve_start")
    for name in ("litserve_engine", "run"):
        monkeypatch.delitem(sys.modules, f"aocr_plugin.serving.{name}", raising=False)
    assert command.main(["model.onnx"]) == 2
    assert "the server needs other versions (cannot import" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "litserve", None)
    assert command.main(["model.onnx"]) == 2
    assert "pip install 'aocr-plugin[serve]'" in capsys.readouterr().err

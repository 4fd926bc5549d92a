"""A server to test: in a thread with an engine of ours, or for real in processes of its own."""

import asyncio
import contextlib
import functools
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
import uvicorn
from conftest import ROOT, tiny_model
from test_checkpoints import PIPELINE

from aocr_plugin.serving.app import build_app
from aocr_plugin.serving.connection import Connection
from aocr_plugin.serving.protocol import EngineError, Result
from aocr_plugin.serving.settings import Settings


class PretendEngine:
    """Reads b"abc" as "ABC"; b"bad…" is broken, b"slow" takes long, b"dead" ends the worker."""

    def __init__(self, delay=0.0):
        self.batches, self.delay = [], delay

    async def send(self, items):
        self.batches.append(len(items))
        await asyncio.sleep(5 if any(item.data == b"slow" for item in items) else self.delay)
        if any(item.data == b"dead" for item in items):
            raise EngineError("the worker that read the images died or failed")
        return [self._one(item) for item in items]

    def _one(self, item):
        if item.data.startswith(b"bad"):
            return Result("", 0.0, "not an image")
        detail = dict(char_scores=[1.0], attention=[[1.0]], column=1.0) if item.detail else None
        return Result(item.data.decode("latin-1").upper(), 0.5, None, detail)

    def ready(self):
        return True

    @contextlib.asynccontextmanager
    async def running(self):
        yield


@contextlib.contextmanager
def in_thread(engine=None, **settings):
    """Yields a function (method, path, body) -> (status, value, headers) of a server."""
    app = build_app(Settings("model.onnx", **settings), engine or PretendEngine())
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", http=Connection, ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    function = functools.partial(ask, port)
    try:
        yield function
    finally:
        server.should_exit = True
        thread.join()


def ask(port, method, path, body=None, headers=None, timeout=60):
    """Sends a request; returns status, parsed JSON (or text) and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if data and answer.getheader("content-type") == "application/json":
        return answer.status, json.loads(data), answer.headers
    return answer.status, data.decode(), answer.headers


def tiny_checkpoint(path: Path) -> Path:
    """Writes a checkpoint of a small random model."""
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    import aocr_plugin  # noqa: F401

    torch.manual_seed(0)
    init_default_scope("mmocr")
    model = MODELS.build(tiny_model())
    for parameter in model.decoder.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    description = dict(format=1, version="0", model=tiny_model(), test_pipeline=PIPELINE)
    torch.save({"meta": {"aocr": description}, "state_dict": model.state_dict()}, path)
    return path


_EXPORTED: list[Path] = []


def exported_model(tmp_path_factory) -> Path:
    """Returns a small random model as an ONNX file, the same for all tests of a run."""
    if not _EXPORTED:
        _EXPORTED.append(tiny_export(tmp_path_factory.mktemp("exported")))
    return _EXPORTED[0]


def tiny_export(folder: Path) -> Path:
    """Writes a small random model as an ONNX file."""
    from aocr_plugin.export import onnx_file

    checkpoint = tiny_checkpoint(folder / "model.pth")
    onnx_file.export(checkpoint, folder / "model.onnx", report=lambda line: None)
    return folder / "model.onnx"


def command(*words) -> list[str]:
    return [sys.executable, str(ROOT / "tools/serve.py"), *map(str, words)]


@contextlib.contextmanager
def in_process(model, *words):
    """Yields the process and the port of ``tools/serve.py``, once it is ready."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(model, "--port", "0", "--log-level", "warning", *words),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    lines = []
    try:
        for line in process.stderr:
            lines.append(line)
            if " is served at http://" in line:
                break
        else:
            raise AssertionError("".join(lines))
        threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True).start()
        port = int(line.split("http://127.0.0.1:")[1].split("/")[0])
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                if ask(port, "GET", "/v2/health/ready")[0] == 200:
                    break
            if time.monotonic() > deadline:
                raise AssertionError("".join(lines))
            time.sleep(0.05)
        process.lines = lines
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def relatives(pid) -> list[tuple[int, bytes]]:
    """Returns a process's children, each with its command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found.append((int(folder.name), (folder / "cmdline").read_bytes()))
    return found


def children(pid) -> list[int]:
    """Returns a process's children that hold a model: those that LitServe spawned."""
    return [child for child, line in relatives(pid) if b"spawn_main" in line]


def resident(pid) -> float:
    """Returns a process's resident memory in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024

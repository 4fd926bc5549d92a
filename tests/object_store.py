"""A real S3 server on loopback, in a process of its own."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from aocr_plugin import storage, stores

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(port: int):
    """Runs the server; its objects are gone afterwards."""
    pytest.importorskip("moto", reason="needs moto[server] (pip install -e .[test])")
    pytest.importorskip("s3fs", reason="needs s3fs (pip install -e .[test])")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.time() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.time() < end, "the S3 server did not start"
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


class Wire:
    """A port that passes everything on to a server, until it is cut."""

    def __init__(self, server: int) -> None:
        self._server, self.port = server, free_port()
        self._open: list[socket.socket] = []
        self.mend()

    def mend(self) -> None:
        """Lets connections through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Ends all connections and refuses new ones."""
        for end in (self._listener, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here = listener.accept()[0]
                there = socket.create_connection(("127.0.0.1", self._server))
                self._open += [here, there]
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def settings(port: int) -> dict[str, str]:
    """Returns the environment variables with which S3 is the server on this port."""
    return CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


@pytest.fixture(scope="module")
def s3_port():
    """Port of a running server."""
    port = free_port()
    with serve(port):
        yield port


@pytest.fixture
def s3(s3_port, tmp_path, monkeypatch):
    """URL of an empty bucket; credentials and an empty cache are in the environment."""
    bucket = "test-" + os.urandom(4).hex()
    for name, value in settings(s3_port).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stores.open_store.cache_clear()
    storage.filesystem("s3://").mkdir(f"s3://{bucket}")
    yield f"s3://{bucket}"
    stores.open_store.cache_clear()


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """URL of an empty folder in memory; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = "memory://bucket-" + os.urandom(4).hex()
    yield url
    for name in storage.files(url, recursive=True):
        storage.remove(f"{url}/{name}")


def put_folder(folder, url: str) -> None:
    """Uploads all files of a local folder."""
    for name in storage.files(folder, recursive=True):
        storage.upload(folder / name, f"{url}/{name}")

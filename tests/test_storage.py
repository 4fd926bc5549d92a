"""Files in object stores: fsspec's memory, and a real S3 server on loopback."""

import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from object_store import free_port, memory, s3, s3_port  # noqa: F401

from aocr_plugin import storage, stores
from aocr_plugin.atomic import PARTIAL
from aocr_plugin.errors import StorageError


@pytest.fixture(params=["memory", "s3"])
def url(request):
    """URL of an empty folder in a store."""
    return request.getfixturevalue(request.param)


def test_what_is_written_is_read_and_listed(url):
    assert storage.files(url) == {} and not storage.exists(f"{url}/run")
    for name in ("run/a.txt", "run/sub/b.txt", "run2/c.txt"):
        storage.write_bytes(f"{url}/{name}", name.encode())
    assert storage.read_bytes(f"{url}/run/a.txt") == b"run/a.txt"
    assert storage.files(f"{url}/run") == {"a.txt": 9}
    assert storage.files(f"{url}/run/", recursive=True) == {"a.txt": 9, "sub/b.txt": 13}
    kinds = [storage.kind(f"{url}/{name}") for name in ("run", "run/a.txt", "ru", "run/a")]
    assert kinds == ["directory", "file", None, None]
    storage.move(f"{url}/run/a.txt", f"{url}/previous/a.txt")
    storage.remove(f"{url}/run2/c.txt")
    storage.remove(f"{url}/run2/c.txt")
    assert set(storage.files(url, recursive=True)) == {"previous/a.txt", "run/sub/b.txt"}
    with pytest.raises(FileNotFoundError, match=r"no such object in the store: '.*/run/a.txt'"):
        storage.read_bytes(f"{url}/run/a.txt")


def test_a_local_copy_is_kept_until_the_object_changes(url, tmp_path):
    name = f"{url}/data/words.tfrecord"
    storage.write_bytes(name, b"first")
    copy = storage.local_copy(name)
    assert copy.read_bytes() == b"first" and copy.name == "words.tfrecord"
    assert copy.is_relative_to(tmp_path / "cache" / "aocr_plugin")
    copy.write_bytes(b"FIRST")
    assert storage.local_copy(name).read_bytes() == b"FIRST"  # not fetched again
    storage.write_bytes(name, b"other")
    assert storage.local_copy(name).read_bytes() == b"other"
    assert not list((tmp_path / "cache").rglob(f"{PARTIAL}*"))
    with pytest.raises(FileNotFoundError, match="no such object"):
        storage.local_copy(f"{url}/none")


def test_names_join_like_paths():
    assert storage.join("s3://b/data", "images/a.png") == "s3://b/data/images/a.png"
    assert storage.join("s3://b/data/", "../a.png") == "s3://b/a.png"
    assert storage.join("s3://b", "gs://c/a.png") == "gs://c/a.png"
    assert storage.join("s3://b", "/disk/a.png") == "/disk/a.png"
    assert storage.join("data", "a.png") == "data/a.png"
    assert storage.parent("s3://b/data/words.txt") == "s3://b/data"
    assert storage.parent("/data/words.txt") == "/data"
    assert storage.absolute("s3://b/x") == "s3://b/x" and storage.absolute("/x/../y") == "/y"
    remote = [storage.is_remote(name) for name in ("s3://b", "a/s3://b", "tfrecord:///x#1", "C:/x")]
    assert remote == [True, False, False, False]


def test_a_file_that_ends_early_is_no_copy(memory, tmp_path, monkeypatch):  # noqa: F811
    storage.write_bytes(f"{memory}/x", b"0123456789")
    monkeypatch.setattr(storage, "_chunks", lambda url: iter([b"0123"]))
    with pytest.raises(StorageError, match=r"/x: ended after 4 of 10 bytes; try again"):
        storage.local_copy(f"{memory}/x")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_cache_that_cannot_be_written_is_named(memory, tmp_path, monkeypatch):  # noqa: F811
    storage.write_bytes(f"{memory}/x", b"")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="set XDG_CACHE_HOME to a folder with room"):
        storage.local_copy(f"{memory}/x")


def test_memory_stays_flat_when_a_large_object_is_fetched(s3, tmp_path):  # noqa: F811
    size = 64 << 20
    with open(tmp_path / "large", "wb") as file:
        file.truncate(size)
    storage.upload(tmp_path / "large", f"{s3}/large")
    tracemalloc.start()
    copy = storage.local_copy(f"{s3}/large")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert copy.stat().st_size == size and peak < 40 << 20


@pytest.mark.parametrize("function", [storage.read_bytes, storage.files, storage.local_copy])
def test_a_missing_bucket_is_named(s3, function):  # noqa: F811
    with pytest.raises(StorageError, match=r"s3://missing/x: there is no such bucket"):
        function("s3://missing/x")


def test_what_no_package_or_credentials_are_there_for(s3, monkeypatch):  # noqa: F811
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    message = r"gs://b/x: needs the package gcsfs.*pip install 'aocr-plugin\[gs\]'"
    with pytest.raises(StorageError, match=message):
        storage.read_bytes("gs://b/x")
    with pytest.raises(StorageError, match=r"xyz://b/x: no store is known by xyz://; there are s3"):
        storage.read_bytes("xyz://b/x")
    stores.open_store.cache_clear()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(StorageError, match=r"no credentials found; set AWS_ACCESS_KEY_ID"):
        storage.read_bytes(f"{s3}/x")


def test_stores_that_word_their_errors_differently_are_understood():
    forbidden = OSError("Forbidden: https://host/b/x")  # gcsfs's
    with pytest.raises(StorageError, match=r"access refused .* GOOGLE_APPLICATION_CREDENTIALS"):
        with stores.explained("gs://b/x"):
            raise forbidden
    with pytest.raises(StorageError, match="there is no such bucket"):
        with stores.explained("gs://b/x", writing=True):
            raise FileNotFoundError("b/b")


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(403)
        self.end_headers()

    do_HEAD = do_PUT = do_GET  # noqa: N815

    def log_message(self, *args):
        pass


def test_refused_access_says_so(s3, monkeypatch):  # noqa: F811
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    stores.open_store.cache_clear()
    for use in (storage.read_bytes, storage.exists, lambda url: storage.write_bytes(url, b"")):
        with pytest.raises(StorageError, match=r"s3://b/x: access refused .* permissions and AWS"):
            use("s3://b/x")
    server.shutdown()
    server.server_close()


def test_a_store_out_of_reach_is_given_up_within_seconds(s3, monkeypatch):  # noqa: F811
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    stores.open_store.cache_clear()
    began = time.time()
    with pytest.raises(
        StorageError, match=r"does not answer .* check the network and, if set, AWS"
    ):
        storage.read_bytes(f"{s3}/x")
    assert time.time() - began < 15


def test_a_silent_store_is_given_up_and_users_settings_count(s3, monkeypatch):  # noqa: F811
    import fsspec

    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 0.3}})
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(20)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        stores.open_store.cache_clear()
        with pytest.raises(StorageError, match=r"does not answer as it should .*[Tt]imeout"):
            storage.read_bytes(f"{s3}/x")


def test_nothing_heavy_is_imported_before_a_url_is_met():
    code = (
        "import sys\nfrom aocr_plugin import annotations, samples, storage\n"
        "storage.exists('x')\n"
        "assert not {'torch', 'mmengine', 'fsspec', 's3fs'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

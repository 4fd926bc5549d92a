"""URLs in MMEngine and in datasets, compared with the same files on disk."""

import functools
import importlib.util
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from conftest import WORDS
from mmengine.fileio import LocalBackend
from object_store import memory, put_folder, s3, s3_port  # noqa: F401
from torch.utils.data import DataLoader

import aocr_plugin  # noqa: F401
from aocr_plugin import annotations, storage
from aocr_plugin.engine import storage_backend
from aocr_plugin.errors import AnnotationError, ConfigError, StorageError

PIPELINE = [dict(type="LoadImageFromFile", color_type="grayscale")]


def use(backend, root, local):
    """Uses every method below a root; returns what they say, with the root taken out."""
    path = backend.join_path
    said = [path("a", "b", "c.txt")]
    backend.put(b"bytes", path(root, "d", "a.bin"))
    backend.put_text("text ü", path(root, "d", "e", "b.txt"))
    backend.put_text("hidden", path(root, "d", ".hidden"))
    said += [backend.get(path(root, "d", "a.bin")), backend.get_text(path(root, "d", "e", "b.txt"))]
    for name in ("d", "d/a.bin", "none"):
        file = path(root, name)
        said.append((backend.exists(file), backend.isdir(file), backend.isfile(file)))
    with backend.get_local_path(path(root, "d", "a.bin")) as file:
        said.append(open(file, "rb").read())
    for keywords in (
        {},
        {"recursive": True},
        {"list_dir": False},
        {"list_dir": False, "recursive": True, "suffix": (".txt",)},
        {"list_file": False, "recursive": True},
    ):
        said.append(sorted(backend.list_dir_or_file(path(root, "d"), **keywords)))
    said.append(backend.copyfile(path(root, "d", "a.bin"), path(root, "d", "copy.bin")))
    said.append(backend.copyfile(path(root, "d", "a.bin"), path(root, "d", "e")))
    said.append(backend.copytree(path(root, "d"), path(root, "tree")))
    (local / "in").mkdir(parents=True)
    (local / "in" / "x.txt").write_text("x")
    said.append(backend.copyfile_from_local(local / "in" / "x.txt", path(root, "d", "x.txt")))
    said.append(backend.copyfile_from_local(local / "in" / "x.txt", path(root, "tree")))
    said.append(backend.copytree_from_local(local / "in", path(root, "from")))
    backend.copyfile_to_local(path(root, "d", "x.txt"), local / "x.txt")
    backend.copytree_to_local(path(root, "tree"), local / "out")
    said.append(sorted(storage.files(local, recursive=True)))
    backend.remove(path(root, "d", "a.bin"))
    backend.rmtree(path(root, "from"))
    for wrong, error in (("d/a.bin", FileNotFoundError), ("d", IsADirectoryError)):
        with pytest.raises(error):
            backend.remove(path(root, wrong))
    with pytest.raises(FileExistsError):
        backend.copytree(path(root, "d"), path(root, "tree"))
    with pytest.raises(TypeError, match="`suffix` should be None"):
        list(backend.list_dir_or_file(root, suffix=".txt"))
    said.append(sorted(storage.files(root, recursive=True)))
    return [entry.replace(str(root), "") if isinstance(entry, str) else entry for entry in said]


@pytest.mark.parametrize("store", ["memory", "s3"])
def test_every_method_does_what_the_local_backend_does(store, request, tmp_path):
    url = request.getfixturevalue(store)
    (tmp_path / "disk").mkdir()
    expected = use(LocalBackend(), str(tmp_path / "disk"), tmp_path / "a")
    assert use(storage_backend.FsspecBackend(), url, tmp_path / "b") == expected
    source, target = f"{url}/d/x.txt", f"{url}/link"
    assert storage_backend.FsspecBackend().copy_if_symlink_fails(source, target) is False
    assert storage.read_bytes(target) == b"x"


def test_mmengine_takes_urls_unless_the_petrel_client_does(memory, monkeypatch):  # noqa: F811
    from mmengine import fileio

    fileio.put(b"hello", f"{memory}/x")
    assert fileio.get(f"{memory}/x") == b"hello" and fileio.isfile(f"{memory}/x")
    kinds = {p: type(fileio.get_file_backend(f"{p}://b")).__name__ for p in ("s3", "gs", "https")}
    assert kinds == {"s3": "FsspecBackend", "gs": "FsspecBackend", "https": "HTTPBackend"}
    registered = []
    monkeypatch.setattr(
        storage_backend, "register_backend", lambda *a, **k: registered.extend(k["prefixes"])
    )
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: True if n == "petrel_client" else find(n)
    )
    storage_backend.register()
    assert "s3" not in registered and "gs" in registered


def dataset(ann_file, kind="AOCRDataset", **keywords):
    from mmengine.registry import init_default_scope
    from mmocr.registry import DATASETS

    init_default_scope("mmocr")
    config = dict(type=kind, ann_file=str(ann_file), pipeline=PIPELINE)
    return DATASETS.build(config | keywords)


@pytest.mark.parametrize("store", ["memory", "s3"])
def test_a_dataset_in_a_store_is_the_one_on_disk(words, request, store):
    url = request.getfixturevalue(store)
    put_folder(words.parent / "images", f"{url}/data/images")
    storage.upload(words, f"{url}/data/words.txt")
    here = dataset(words)
    by_root = dataset("words.txt", data_root=f"{url}/data")
    for there in (
        dataset(f"{url}/data/words.txt"),
        by_root,
        dataset(words, data_root=f"{url}/data"),
    ):
        assert len(there) == len(here) == len(WORDS)
        for mine, theirs in zip(here, there, strict=True):
            assert theirs["img_path"].startswith(f"{url}/data/images/")
            np.testing.assert_array_equal(theirs["img"], mine["img"])
            assert theirs["instances"] == mine["instances"]
        assert there.report.table().splitlines()[1:] == here.report.table().splitlines()[1:]


def test_workers_read_from_the_store_their_parent_has_used(words, s3):  # noqa: F811
    put_folder(words.parent, f"{s3}/data")
    there = dataset(f"{s3}/data/words.txt")  # the parent has open connections now
    loader = DataLoader(there, num_workers=2, collate_fn=lambda batch: batch[0]["img"], timeout=60)
    for _ in range(2):
        for mine, theirs in zip(dataset(words), loader, strict=True):
            np.testing.assert_array_equal(theirs, mine["img"])


def test_records_in_a_store_are_those_on_disk(words, s3):  # noqa: F811
    from aocr_plugin.formats import tfrecord

    path = words.parent / "words.tfrecords"
    with path.open("wb") as file:
        for word in WORDS:
            image = (words.parent / "images" / f"{word}.png").read_bytes()
            tfrecord.write_record(file, {"image": image, "label": word.encode()})
    storage.upload(path, f"{s3}/data/words.tfrecords")
    path.unlink()
    for ann_file, root in (("words.tfrecords", f"{s3}/data"), (f"{s3}/data/*.tfrecords", None)):
        there = dataset(ann_file, "AOCRRecordDataset", data_root=root)
        for mine, theirs in zip(dataset(words), there, strict=True):
            np.testing.assert_array_equal(theirs["img"], mine["img"])
            assert theirs["instances"] == mine["instances"]


def test_a_plain_web_server_is_asked_for_each_image(words, tmp_path, monkeypatch):
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(words.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/words.txt"
        words.write_text(words.read_text() + "images/none.png X\n")
        there = dataset(url)
        assert there.report.counts["missing_image"] == 1
        for mine, theirs in zip(dataset(words), there, strict=True):
            np.testing.assert_array_equal(theirs["img"], mine["img"])
        assert storage.local_copy(url).read_bytes() == words.read_bytes()
        server.shutdown()


def test_folders_are_listed_once_and_absolute_urls_stand(words, memory, monkeypatch):  # noqa: F811
    put_folder(words.parent / "images", f"{memory}/elsewhere")
    lines = [f"{memory}/elsewhere/{word}.png {word}\n" for word in WORDS] * 5
    storage.write_bytes(f"{memory}/a/words.txt", "".join([*lines, "none.png X\n"]).encode())
    listed, asked = [], []
    files, kind = storage.files, storage.kind
    monkeypatch.setattr(storage, "files", lambda f, **k: listed.append(f) or files(f, **k))
    monkeypatch.setattr(storage, "kind", lambda name: asked.append(name) or kind(name))
    found = dataset(f"{memory}/a/words.txt")
    assert len(found) == len(lines) and found.report.counts["missing_image"] == 1
    assert sorted(listed) == [f"{memory}/a", f"{memory}/elsewhere"] and asked == []


def test_what_cannot_be_read_is_named(words, memory, s3):  # noqa: F811
    with pytest.raises(AnnotationError, match=r"words.txt: cannot read the annotation file \(no"):
        annotations.read(f"{memory}/words.txt")
    put_folder(words.parent, f"{memory}/data")
    storage.write_bytes(f"{memory}/data/images/OX.png", b"no image")
    with pytest.raises(AnnotationError, match=r"images/OX.png: not an image"):
        dataset(f"{memory}/data/words.txt", problems=dict(broken_image="error"))
    storage.write_bytes(f"{memory}/far.txt", b"s3://missing/a.png X\n")
    with pytest.raises(StorageError, match=r"s3://missing: there is no such bucket"):
        dataset(f"{memory}/far.txt")


def test_a_checkpoint_folder_of_its_own_is_no_url():
    from aocr_plugin.engine.checkpoint_hook import SafeCheckpointHook

    with pytest.raises(ConfigError, match=r"out_dir is s3://b/x: .* set work_dir to a URL"):
        SafeCheckpointHook(out_dir="s3://b/x").before_train(None)

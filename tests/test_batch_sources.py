"""What batch_predict.py may be given: each kind gives every image once, whatever the cut."""

import json
import os

import pytest

pytest.importorskip("pyarrow", reason="needs the extra [batch]")
from batch_side import BROKEN, crops, write_files, write_parquet, write_records
from object_store import memory, put_folder  # noqa: F401

from aocr_plugin import storage
from aocr_plugin.batch.source import digest, open_source, read
from aocr_plugin.errors import (
    AnnotationError,
    ConfigError,
    ImageError,
    RecordError,
    StorageError,
)

IMAGES = crops(23)


def rows(source, cut=5):
    """Reads a source in pieces of a few rows, each told as JSON."""
    pieces = [
        json.loads(json.dumps(source.piece(start, min(start + cut, source.rows))))
        for start in range(0, source.rows, cut)
    ]
    return [row for piece in pieces for row in read(piece)]


def folder_of(kind, tmp_path):
    """Writes the images in one form; returns what to read."""
    if kind in ("folder", "pattern", "annotations", "jsonl"):
        listed = write_files(tmp_path / "crops", IMAGES)
        lines = [{"filename": f"{i:05d}.png", "text": t} for i, (_, t) in enumerate(IMAGES)]
        if kind == "jsonl":
            listed = tmp_path / "crops" / "labels.jsonl"
            listed.write_text("".join(json.dumps(line) + "\n" for line in lines))
        names = {"folder": tmp_path / "crops", "pattern": tmp_path / "crops" / "*.png"}
        return names.get(kind, listed)
    if kind == "shards":
        for i in range(3):
            write_records(tmp_path / "set" / f"{i}.tfrecords", IMAGES[i * 8 : i * 8 + 8])
        return tmp_path / "set" / "*.tfrecords"
    if kind.startswith("parquet"):
        write_parquet(tmp_path / "set" / "a.parquet", IMAGES[:9], struct=kind.endswith("struct"))
        write_parquet(tmp_path / "set" / "b.parquet", IMAGES[9:], 6, kind.endswith("struct"))
        return tmp_path / "set"
    return write_records(tmp_path / f"set.{kind}", IMAGES)


KINDS = "folder pattern annotations jsonl tfrecords tfrecords.gz shards lmdb parquet parquet_struct"


@pytest.mark.parametrize("kind", KINDS.split())
@pytest.mark.parametrize("cut", [1, 5, 100])
def test_every_image_once_and_in_order(kind, cut, tmp_path):
    source = open_source(str(folder_of(kind, tmp_path)))
    found = rows(source, cut)
    labelled = kind not in ("folder", "pattern")
    assert [(row.image, row.label, row.error) for row in found] == [
        (data, label if labelled else None, None) for data, label in IMAGES
    ]
    assert all(os.path.isabs(row.source) for row in found)
    assert len({(row.source, row.number) for row in found}) == len(IMAGES)


@pytest.mark.parametrize("kind", ["images", "tfrecords", "parquet"])
def test_a_prefix_of_an_object_store(kind, tmp_path, memory):  # noqa: F811
    given = {"images": "folder", "tfrecords": "shards", "parquet": "parquet"}[kind]
    path = folder_of(given, tmp_path)
    put_folder(path.parent if "*" in path.name else path, f"{memory}/set")
    found = rows(open_source(f"{memory}/set", kind))
    assert [row.image for row in found] == [data for data, _ in IMAGES]
    assert found[0].source.startswith(f"{memory}/set/")
    pattern = {"images": "*.png", "tfrecords": "*.tfrecords", "parquet": "?.parquet"}[kind]
    assert [r.image for r in rows(open_source(f"{memory}/set/{pattern}"))] == [
        data for data, _ in IMAGES
    ]


def test_the_kind_of_a_folder_is_told_by_what_is_in_it(tmp_path):
    write_parquet(tmp_path / "set" / "a.parquet", IMAGES[:3])
    (tmp_path / "set" / "_manifest.json").write_text("{}")
    (tmp_path / "set" / ".partial-b.parquet").write_bytes(b"half")
    assert open_source(str(tmp_path / "set")).rows == 3
    write_files(tmp_path / "set", IMAGES[:2])
    with pytest.raises(ConfigError, match=r"parquet and images; say which with --kind"):
        open_source(str(tmp_path / "set"))
    assert open_source(str(tmp_path / "set"), "images").rows == 2
    one = open_source(str(tmp_path / "set" / "00001.png"))
    assert [row.image for row in rows(one)] == [IMAGES[1][0]]


def test_what_is_bad_is_a_row_with_an_error(tmp_path):
    listed = write_files(tmp_path, IMAGES[:3])
    (tmp_path / "00001.png").unlink()
    listed.write_text(listed.read_text() + "00002.png\n. dot\n")
    bare = rows(open_source(str(listed)))
    assert [row.number for row in bare] == [1, 2, 3, 4, 5]
    assert "no such file '00001.png' under" in bare[1].error and bare[1].label == "W1"
    assert bare[3].label is None and bare[3].error is None  # a path alone is read
    assert "cannot read the file (Is a directory)" in bare[4].error

    lines = tmp_path / "a.jsonl"
    lines.write_text('{"filename": "00000.png"}\n{"text": "A"}\n{"filename": \n')
    found = [row.error for row in rows(open_source(str(lines)))]
    assert found[0] is None
    assert "line 2 has no text 'filename'" in found[1]
    assert "line 3 is no JSON object" in found[2]


def test_damaged_records_are_rows_and_so_is_what_is_behind_them(tmp_path):
    path = write_records(tmp_path / "a.tfrecords", IMAGES[:6])
    data = bytearray(path.read_bytes())
    data[200] ^= 1  # in the first record
    path.write_bytes(data[:-30])  # and the last is cut off
    found = rows(open_source(str(path)), 2)
    assert [row.number for row in found] == [1, 2, 3, 4, 5, 6]
    assert "checksum is wrong" in found[0].error
    assert [row.error for row in found[1:5]] == [None] * 4
    assert "unreadable from here on: record 6" in found[5].error


def test_gaps_in_containers_are_rows_with_an_error(tmp_path):
    import lmdb

    path = write_records(tmp_path / "a.lmdb", IMAGES[:3])
    with lmdb.open(str(path)) as env, env.begin(write=True) as view:
        view.delete(b"image-000000002")
        view.delete(b"label-000000003")
        view.put(b"label-000000001", b"\xe9")
    found = rows(open_source(str(path), encoding="utf-8"))
    assert "its label is not utf-8" in found[0].error
    assert found[1].error == "there is no key image-000000002"
    assert (found[2].image, found[2].label) == (IMAGES[2][0], None)
    table = write_parquet(tmp_path / "a.parquet", [(None, "A"), (BROKEN, "B")])
    found = rows(open_source(str(table)))
    assert found[0].error == "there is no image in this row" and found[1].image == BROKEN


def test_a_store_that_fails_is_no_row_with_an_error(tmp_path, memory, monkeypatch):  # noqa: F811
    put_folder(write_files(tmp_path / "c", IMAGES[:3]).parent, f"{memory}/c")
    source = open_source(f"{memory}/c")
    storage.remove(f"{memory}/c/00001.png")
    assert [row.error for row in rows(source)] == [None, "no such file", None]

    def fail(*_):
        raise ConnectionError("cut off")

    monkeypatch.setattr(type(storage.filesystem("memory://")), "cat_file", fail)
    with pytest.raises(StorageError, match="cut off"):
        rows(source)


def test_a_changed_source_has_another_digest(tmp_path):
    listed = write_files(tmp_path / "c", IMAGES[:3])
    table = write_parquet(tmp_path / "a.parquet", IMAGES[:3])
    names = [str(tmp_path / "c"), str(listed), str(table)]
    before = [digest(open_source(name)) for name in names]
    assert before == [digest(open_source(name)) for name in names]
    (tmp_path / "c" / "00001.png").rename(tmp_path / "c" / "1.png")
    listed.write_text(listed.read_text().replace("W2", "W3"))
    write_parquet(tmp_path / "a.parquet", IMAGES[:2])
    assert not set(before) & {digest(open_source(name)) for name in names}


@pytest.mark.parametrize(
    ("name", "settings", "error", "words"),
    [
        ("none/*.png", {}, AnnotationError, "no file matches this pattern"),
        ("none.txt", {}, AnnotationError, "cannot read the data set"),
        ("empty", {}, ImageError, "no image in this folder"),
        ("empty.txt", {}, AnnotationError, "there is no image in it"),
        ("empty.txt", {"kind": "tfrecords"}, AnnotationError, "there is no image in it"),
        ("text.parquet", {}, RecordError, "cannot be read as Parquet"),
        ("a.parquet", {"image_column": "text"}, ConfigError, "--image-column text is string"),
        ("a.parquet", {"label_column": "image"}, ConfigError, "no column of text; there are text"),
        ("memory://x/a", {"kind": "lmdb"}, AnnotationError, "copy it to one"),
        ("empty", {"kind": "lmdb"}, AnnotationError, "cannot be opened as LMDB"),
    ],
)
def test_what_cannot_be_read_says_why(name, settings, error, words, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "text.parquet").write_text("a.png A\n")
    write_parquet(tmp_path / "a.parquet", IMAGES[:2])
    given = name if "://" in name else str(tmp_path / name)
    with pytest.raises(error, match=words):
        open_source(given, **settings)


def test_pieces_in_any_order_of_files_of_few_row_groups(tmp_path, monkeypatch):
    from aocr_plugin.batch import parquet

    whole = write_parquet(tmp_path / "whole.parquet", IMAGES, group=100)
    grouped = write_parquet(tmp_path / "grouped.parquet", IMAGES, group=7)
    begun = []
    begin = parquet._begin
    monkeypatch.setattr(parquet, "_begin", lambda *args: begun.append(args) or begin(*args))
    # (file, first and last row, whether the file is read on from where it was)
    asked = [(whole, 0, 3, False), (whole, 3, 5, True), (whole, 11, 23, True), (whole, 2, 4, False)]
    asked += [(grouped, 0, 2, False), (grouped, 5, 9, True), (grouped, 12, 13, True)]
    asked += [(grouped, 20, 22, False), (whole, 4, 6, False), (whole, 5, 6, False)]
    for path, start, stop, on in asked:
        del begun[:]
        found = list(read(open_source(str(path)).piece(start, stop)))
        assert [(row.number, row.image) for row in found] == [
            (i + 1, IMAGES[i][0]) for i in range(start, stop)
        ]
        assert bool(begun) != on
    next(read(open_source(str(whole)).piece(6, 9)))  # left half read
    assert [r.image for r in read(open_source(str(whole)).piece(7, 9))] == [
        data for data, _ in IMAGES[7:9]
    ]
    write_parquet(whole, IMAGES[::-1], group=100)
    assert next(read(open_source(str(whole)).piece(9, 10))).image == IMAGES[-10][0]


def test_a_pattern_over_folders_of_any_depth(tmp_path):
    listed = write_files(tmp_path / "a" / "b" / "c", IMAGES[:3])
    found = rows(open_source(str(tmp_path / "**" / "*.png")))
    assert [row.image for row in found] == [data for data, _ in IMAGES[:3]]
    write_records(listed.parent / "1.tfrecords", IMAGES[:2])
    assert open_source(str(tmp_path / "**" / "*.tfrecords")).rows == 2


def test_columns_that_cannot_be_told_apart(tmp_path):
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"a": [b"1"], "b": [b"2"], "n": [1]})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="may hold images are a, b, of a, b, n; name one"):
        open_source(str(tmp_path / "a.parquet"))
    assert rows(open_source(str(tmp_path / "a.parquet"), image_column="b"))[0].image == b"2"

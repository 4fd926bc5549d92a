"""Data sets of awkward names, texts and states: nothing is misread, lost or overwritten unsaid."""

import gzip
import json
import os
import subprocess
import sys

import pytest

from aocr_plugin.cli.convert_dataset import main
from aocr_plugin.errors import AnnotationError, ConfigError, RecordError, StorageError
from aocr_plugin.formats import records, tfrecord_index, writing
from aocr_plugin.formats.record import Record
from aocr_plugin.formats.tfrecord import TFRecordFile, write_record
from aocr_plugin.record_samples import read_record_samples
from aocr_plugin.sifting import Report, policies


def report(**problems):
    return Report("set", policies(problems, testing=False))


def made(path, labels, image=b"\x89PNG an image"):
    with path.open("wb") as file:
        for label in labels:
            write_record(file, {"image": image, "label": label.encode()})
    return path


def labels_of(path):
    kind, found = records.sniff(str(path)), report()
    return [record.label for record in records.read(str(path), kind, found)], found.counts


def test_a_name_with_blanks_does_not_end_the_paths_of_an_annotation_file(tmp_path):
    out = tmp_path / "my set.txt"
    writing.write("annotations", str(out), [Record(1, b"\x89PNG", "A B")])
    assert out.read_text() == "my_set.txt_images/000000001.png A B\n"
    assert labels_of(out) == (["A B"], {})


def test_line_separators_that_are_not_ascii_stay_in_labels(tmp_path):
    labels = ["A\u2028B", "C\x85D", "E\x0bF"]
    for kind, name in (("jsonl", "a.jsonl"), ("annotations", "a.txt"), ("lmdb", "a.lmdb")):
        out = tmp_path / name
        writing.write(kind, str(out), [Record(n, b"\x89PNG", t) for n, t in enumerate(labels, 1)])
        assert labels_of(out) == (labels, {})
        assert records.count(str(out), kind) == 3


def test_two_sets_of_one_name_keep_their_images_apart(tmp_path):
    source = made(tmp_path / "a.tfrecords", ["A"])
    flags = ["--check-images", "exists"]
    assert main([str(source), str(tmp_path / "set.txt"), *flags]) == 0
    kept = (tmp_path / "set.txt_images" / "000000001.png").stat()
    assert main([str(tmp_path / "set.txt"), str(tmp_path / "set.jsonl"), *flags, "--force"]) == 0
    assert (tmp_path / "set.txt_images" / "000000001.png").stat() == kept


def test_force_replaces_no_folder_of_other_things(tmp_path):
    own = tmp_path / "set.txt_images"
    own.mkdir()
    (own / "000000001.png").write_bytes(b"old")
    written = [Record(1, b"\x89PNG new", "A")]
    assert writing.write("annotations", str(tmp_path / "set.txt"), written, force=True) == 1
    assert (own / "000000001.png").read_bytes() == b"\x89PNG new"
    (own / "holiday.png").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"set\.txt_images exists and is no annotations of ours"):
        writing.write("annotations", str(tmp_path / "set.txt"), written, force=True)
    assert (own / "holiday.png").exists()
    with pytest.raises(ConfigError, match="is no tfrecords of ours"):
        writing.write("tfrecords", str(own), written, force=True)
    (tmp_path / "x.lmdb").write_text("a file")
    with pytest.raises(ConfigError, match="is no lmdb of ours"):
        writing.write("lmdb", str(tmp_path / "x.lmdb"), written, force=True)


def test_the_source_is_not_overwritten_under_another_spelling(words, monkeypatch, capsys):
    monkeypatch.chdir(words.parent)
    before = words.read_bytes()
    assert main(["words.txt", "./words.txt", "--force"]) == 2
    assert "is the source" in capsys.readouterr().err
    assert words.read_bytes() == before


def test_encodings_asked_for_hold_for_every_kind(words, tmp_path, capsys):
    mixed = tmp_path / "mixed.txt"
    mixed.write_bytes(b"images/OX.png \xc3\x84\nimages/OX.png \xff\n")
    out = tmp_path / "out.tfrecords"
    assert main([str(mixed), str(out), "--encoding", "iso-8859-1"]) == 0
    assert labels_of(out)[0] == ["Ã\x84", "ÿ"]
    lines = tmp_path / "latin.jsonl"
    entry = {"filename": "images/OX.png", "text": "Ä"}
    lines.write_bytes(b"\r\n" + json.dumps(entry, ensure_ascii=False).encode("iso-8859-1"))
    found = records.read(str(lines), "jsonl", report(), "iso-8859-1")
    assert [record.label for record in found] == ["Ä"]
    with pytest.raises(AnnotationError, match="not utf-8"):
        list(records.read(str(lines), "jsonl", report()))
    with pytest.raises(AnnotationError, match="unknown encoding 'none'"):
        list(records.read(str(out), "tfrecords", report(), "none"))
    packed = tmp_path / "a.lmdb"
    assert main([str(out), str(packed)]) == 0
    faults = report()
    assert list(records.read(str(packed), "lmdb", faults, "ascii")) == []
    assert faults.counts == {"broken_record": 2}


def test_json_lines_with_a_mark_in_front_and_with_what_is_no_text(words):
    path = words.parent / "x.jsonl"
    lines = [{"filename": "images/OX.png", "text": text} for text in ("OX", "\ud83d")]
    text = "\ufeff" + "\r\n".join(map(json.dumps, lines))
    path.write_bytes(text.encode())
    assert records.sniff(str(path)) == "jsonl"
    assert labels_of(path) == (["OX"], {"malformed_line": 1})


def test_an_lmdb_that_does_not_say_its_size(tmp_path):
    import lmdb

    path = str(tmp_path / "x.lmdb")
    with lmdb.open(path) as env, env.begin(write=True) as change:
        change.put(b"num-samples", b"many")
    with pytest.raises(AnnotationError, match="no key 'num-samples' with a number"):
        records.count(path, "lmdb")
    (tmp_path / "y.lmdb").mkdir()
    (tmp_path / "y.lmdb" / "data.mdb").write_bytes(b"rubbish" * 1000)
    with pytest.raises(AnnotationError, match="cannot be opened as LMDB"):
        records.count(str(tmp_path / "y.lmdb"), "lmdb")


def test_a_lost_rest_is_told_apart_from_broken_records(tmp_path):
    path = made(tmp_path / "a.tfrecords", ["A"] * 100)
    source, data = TFRecordFile(path), bytearray(path.read_bytes())
    data[20] ^= 1
    data[source.offset(11)] ^= 1
    path.write_bytes(data)
    faults = report()
    assert len(list(read_record_samples(str(path), faults, check_images="exists"))) == 9
    assert faults.counts == {"broken_record": 1, "unreadable_rest": 1}
    assert f"({len(data) - source.offset(11)} of {len(data)} bytes)" in faults.table()
    with pytest.raises(AnnotationError, match="everything behind this place is lost"):
        list(read_record_samples(str(path), report(unreadable_rest="error"), check_images="exists"))


def test_what_a_cut_gzip_file_holds_before_the_cut_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.tfrecords.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(200):
            write_record(file, {"image": os.urandom(3000), "label": b"A"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    source = TFRecordFile(path)
    assert 90 <= len(source) <= 100
    assert all(isinstance(data, bytes) for _, data in source)
    assert "the file is cut off in this record" in source.fault
    path.write_bytes(whole[:-8] + b"\x00" * 8)  # gzip's own checksum, behind the last record
    source = TFRecordFile(path)
    assert len(source) == 200
    assert "the gzip file is damaged or cut off here" in source.fault


def test_gzip_of_something_else_and_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"images/a.png A\n" * 10))
    with pytest.raises(RecordError, match="something else in gzip"):
        TFRecordFile(path)
    (tmp_path / "cache2").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache2"))
    with pytest.raises(StorageError, match="set XDG_CACHE_HOME to a folder with room"):
        TFRecordFile(path)


def test_no_index_is_kept_of_a_file_that_is_being_written(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecord_index, "_WORTH_KEEPING", 2)
    path = made(tmp_path / "a.tfrecords", ["A"] * 10)
    whole, scan = path.read_bytes(), tfrecord_index.scan
    path.write_bytes(whole[: len(whole) // 2])

    def meanwhile(name):
        found = scan(name)
        path.write_bytes(whole)
        return found

    monkeypatch.setattr(tfrecord_index, "scan", meanwhile)
    TFRecordFile(path)
    monkeypatch.setattr(tfrecord_index, "scan", scan)
    assert len(TFRecordFile(path)) == 10


def test_memory_stays_flat_when_a_large_file_is_opened(tmp_path):
    path = made(tmp_path / "large.tfrecords", ["A"] * 6_400, bytes(10_000))
    code = (
        "import sys; from aocr_plugin.formats.tfrecord import TFRecordFile as T;"
        "peak = lambda: open('/proc/self/status').read().split('VmHWM:')[1].split()[0];"
        "memory = lambda: int(peak()); before = memory();"
        "print(len(T(sys.argv[1])), memory() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    found, grew = map(int, done.stdout.split())
    assert found == 6_400 and grew < 16 << 10  # KiB; the file has 64 MB

"""Data sets of four kinds, from each to each; faults are counted, nothing half written is left."""

import itertools
import json

import pytest
from conftest import WORDS

from aocr_plugin.cli.convert_dataset import main
from aocr_plugin.errors import AnnotationError, ConfigError, RecordError
from aocr_plugin.formats import records, writing
from aocr_plugin.formats.tfrecord import TFRecordFile, write_record
from aocr_plugin.record_samples import read_record_samples, shards
from aocr_plugin.sifting import Report, policies

NAMES = {
    "annotations": "set.txt",
    "tfrecords": "set.tfrecords",
    "lmdb": "set.lmdb",
    "jsonl": "set.jsonl",
}


def report(**problems):
    return Report("set", policies(problems, testing=False))


def contents(path):
    """Returns images and labels of a data set of any kind."""
    kind = records.sniff(str(path))
    return kind, [(r.image, r.label) for r in records.read(str(path), kind, report())]


@pytest.fixture
def labelled(words):
    """The words, with a blank, an empty and a non-ASCII label among them."""
    lines = words.read_text().splitlines()
    lines[0] = lines[0].replace(" CAT", " Zwölf Boxkämpfer")
    lines[1] = lines[1].replace(" DOG7", " ")
    words.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return words


@pytest.mark.parametrize(("first", "second"), itertools.product(NAMES, NAMES))
def test_there_and_back(labelled, tmp_path, first, second):
    wanted = contents(labelled)[1]
    assert [label for _, label in wanted] == ["Zwölf Boxkämpfer", "", "HORSE", "OX"]
    one, two = tmp_path / "1" / NAMES[first], tmp_path / "2" / NAMES[second]
    assert main([str(labelled), str(one)]) == 0
    assert main([str(one), str(two)]) == 0
    assert contents(one) == (first, wanted)
    assert contents(two) == (second, wanted)


def test_mmocr_reads_our_lmdb_and_json_lines(labelled, tmp_path):
    import mmocr.datasets  # noqa: F401
    from mmengine.registry import DefaultScope
    from mmocr.registry import DATASETS

    for name in ("set.lmdb", "set.jsonl"):
        assert main([str(labelled), str(tmp_path / name)]) == 0
    with DefaultScope.overwrite_default_scope("mmocr"):
        lmdb = DATASETS.build(dict(type="RecogLMDBDataset", ann_file=str(tmp_path / "set.lmdb")))
        lines = DATASETS.build(
            dict(
                type="RecogTextDataset",
                ann_file=str(tmp_path / "set.jsonl"),
                data_prefix=dict(img_path=str(tmp_path)),
                parser_cfg=dict(type="LineJsonParser", keys=["filename", "text"]),
                pipeline=[dict(type="LoadImageFromFile")],
            )
        )
        labels = ["Zwölf Boxkämpfer", "", "HORSE", "OX"]
        assert [lmdb[i]["instances"][0]["text"] for i in range(4)] == labels
        assert lmdb[2]["img"].shape == lines[2]["img"].shape == (40, 110, 3)
        assert [lines[i]["instances"][0]["text"] for i in range(4)] == labels


def test_case_comments_and_gzip(labelled, tmp_path):
    out = tmp_path / "set.tfrecords.gz"
    flags = ["--letter-case", "upper", "--save-filename"]
    assert main([str(labelled), str(out), *flags]) == 0
    assert out.read_bytes().startswith(b"\x1f\x8b")
    found = list(records.read(str(out), "tfrecords", report()))
    assert found[0].label == "ZWÖLF BOXKÄMPFER"
    assert found[0].comment == "images/CAT.png"


def test_iso_8859_1_labels_of_the_original(tmp_path):
    path = tmp_path / "old.tfrecords"
    with path.open("wb") as file:
        write_record(file, {"image": b"i", "label": "Ä".encode("iso-8859-1")})
        write_record(file, {"image": b"i", "label": "Ä".encode()})
    assert [r.label for r in records.read(str(path), "tfrecords", report())] == ["Ä", "Ä"]


def test_nothing_is_overwritten_and_nothing_half_written_left(labelled, tmp_path, capsys):
    out = tmp_path / "set.lmdb"
    assert main([str(labelled), str(out)]) == 0
    assert main([str(labelled), str(out)]) == 2
    assert "set.lmdb exists" in capsys.readouterr().err
    assert main([str(labelled), str(out), "--force"]) == 0

    def failing():
        yield records.Record(1, b"image", "A")
        raise RuntimeError("in the middle")

    for kind, name in NAMES.items():
        with pytest.raises(RuntimeError, match="in the middle"):
            writing.write(kind, str(tmp_path / "new" / name), failing())
    assert list((tmp_path / "new").iterdir()) == []


def test_a_set_without_a_usable_image_writes_nothing(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("none.png A\n")
    assert main([str(tmp_path / "a.txt"), str(tmp_path / "a.tfrecords")]) == 2
    assert "no sample is left" in capsys.readouterr().err
    assert not (tmp_path / "a.tfrecords").exists()


def test_what_cannot_be_told_or_written(labelled, tmp_path):
    with pytest.raises(ConfigError, match="its name tells no kind"):
        writing.kind_by_name("set.bin")
    with pytest.raises(AnnotationError, match="holds a line break"):
        broken = [records.Record(1, b"i", "A\nB")]
        writing.write("annotations", str(tmp_path / "x.txt"), broken)
    with pytest.raises(AnnotationError, match="no LMDB"):
        records.sniff(str(tmp_path))
    with pytest.raises(AnnotationError, match="cannot read the data set"):
        records.sniff(str(tmp_path / "none"))


def test_only_tfrecords_are_packed(labelled, tmp_path):
    for name, flags in (("a.jsonl.gz", []), ("a.txt", ["--gzip"])):
        assert main([str(labelled), str(tmp_path / name), *flags]) == 2
        assert not (tmp_path / name).exists()


def test_faults_of_json_lines(labelled, tmp_path):
    path = tmp_path / "x.jsonl"
    good = {"filename": str(labelled.parent / "images" / "OX.png"), "text": "OX"}
    path.write_text(f'{json.dumps(good)}\n{{"filename": \n{{"text": "A"}}\n')
    faults = report()
    assert [r.label for r in records.read(str(path), "jsonl", faults)] == ["OX"]
    assert faults.counts == {"malformed_line": 2}
    with pytest.raises(AnnotationError, match="set:2: no JSON object"):
        list(records.read(str(path), "jsonl", report(malformed_line="error")))


@pytest.fixture
def faulty(words, tmp_path):
    """TFRecords: good, no label, no image, broken image, changed bytes, good, cut off."""
    image = (words.parent / "images" / "OX.png").read_bytes()
    path = tmp_path / "faulty.tfrecords"
    with path.open("wb") as file:
        for features in (
            {"image": image, "label": b"A"},
            {"image": image},
            {"label": b"B"},
            {"image": image[:99], "label": b"C"},
            {"image": image, "label": b"D"},
            {"image": image, "label": b"E"},
            {"image": image, "label": b"F"},
        ):
            write_record(file, features)
    data = bytearray(path.read_bytes())
    data[TFRecordFile(path).offset(5) + 100] ^= 1
    path.write_bytes(data[:-7])
    return path


def test_faults_of_tfrecords_are_counted_with_record_and_offset(faulty):
    faults = report()
    found = list(read_record_samples(str(faulty), faults))
    assert [(s.label, s.line) for s in found] == [("A", 1), ("E", 6)]
    assert faults.counts == {
        "missing_label": 1,
        "broken_record": 2,
        "broken_image": 1,
        "unreadable_rest": 1,
    }
    assert (faults.lines, faults.kept) == (7, 2)
    assert "record 2 at byte" in faults.examples["missing_label"]
    with pytest.raises(AnnotationError, match=r"record 3 at byte .* has no feature 'image'"):
        list(read_record_samples(str(faulty), report(broken_record="error")))


def test_shards_by_pattern_and_list(tmp_path):
    for name in ("b-2.tfrecords", "b-1.tfrecords"):
        (tmp_path / name).write_bytes(b"")
    pattern = str(tmp_path / "b-*.tfrecords")
    assert [name[-13:] for name in shards(pattern)] == ["b-1.tfrecords", "b-2.tfrecords"]
    assert shards(["x", "y"]) == ["x", "y"]
    with pytest.raises(AnnotationError, match="no file matches"):
        shards(str(tmp_path / "c-*"))


def test_labels_that_are_not_of_the_encoding_asked_for(tmp_path, words):
    path = tmp_path / "old.tfrecords"
    image = (words.parent / "images" / "OX.png").read_bytes()
    with path.open("wb") as file:
        write_record(file, {"image": image, "label": b"\xff"})
        write_record(file, {"image": image, "label": WORDS[0].encode()})
    faults = report()
    assert len(list(read_record_samples(str(path), faults, encoding="ascii"))) == 1
    assert faults.counts == {"broken_record": 1}
    with pytest.raises(RecordError, match="cannot read"):
        list(read_record_samples(str(tmp_path / "none"), report()))

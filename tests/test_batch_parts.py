"""What is written, what is compared at a later start, what is shown; and a worker without Ray."""

import dataclasses
import io
import json
import re

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="needs the extra [batch]")
from batch_side import BROKEN, crops, png, write_files, written
from object_store import memory  # noqa: F401

from aocr_plugin import storage
from aocr_plugin.batch import destination, job, parts
from aocr_plugin.batch.manifest import Manifest, checksum
from aocr_plugin.batch.progress import Progress
from aocr_plugin.batch.reader import PartitionReader, Task
from aocr_plugin.batch.source import open_source
from aocr_plugin.cli import batch_predict
from aocr_plugin.errors import CheckpointError, ConfigError

WANTED = Manifest(
    "/crops", "s" * 64, 5, "m" * 64, "parquet", 2, {"score": None, "encoding": "auto"}
)
ROWS = [
    dict(row=0, source="a\udcff.png", number=None, text="日", score=0.5, label=None, error=None),
    dict(row=1, source="b.png", number=7, text=None, score=None, label="B", error="broken"),
]


def test_the_manifest_tells_the_partitions():
    assert WANTED.partitions == 3
    assert [WANTED.bounds(number) for number in range(3)] == [(0, 2), (2, 4), (4, 5)]
    assert WANTED.part(2) == "part-000002-of-000003.parquet"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "/other"}, r"another source \(/crops, now /other\)\. Give another DEST"),
        ({"state": "t" * 64}, r"state of the source .* \(ssssssssssss, now tttttttttttt\)"),
        ({"rows": 6}, r"number of rows \(5, now 6\)"),
        ({"model": "n" * 64}, r"model \(SHA-256\) \(mmmmmmmmmmmm, now nnnnnnnnnnnn\)"),
        ({"form": "jsonl"}, r"format \(parquet, now jsonl\)"),
        ({"partition_rows": 3}, r"partition-rows \(2, now 3\)"),
        (
            {"settings": {"score": "minimum", "encoding": "auto"}},
            r"another setting: score \(None, now minimum\)\.",
        ),
        ({"rows": 9, "form": "jsonl"}, r"rows \(5, now 9\); another format \(parquet, now jsonl\)"),
    ],
)
def test_a_destination_is_of_one_source_model_and_setting(change, words, tmp_path):
    dest = str(tmp_path / "out")
    assert destination.agree(dest, WANTED) is False
    assert destination.agree(dest, WANTED) is True
    with pytest.raises(ConfigError, match=words):
        destination.agree(dest, dataclasses.replace(WANTED, **change))


def test_a_destination_that_is_none_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; give a folder"):
        destination.agree(str(tmp_path / "file"), WANTED)
    with pytest.raises(ConfigError, match=r"holds file and no _manifest\.json"):
        destination.agree(str(tmp_path), WANTED)
    for text, words in (("{}", "not a manifest of this tool"), ("half", "not a manifest")):
        (tmp_path / "_manifest.json").write_text(text)
        with pytest.raises(ConfigError, match=words):
            destination.agree(str(tmp_path), WANTED)
    entries = dataclasses.asdict(WANTED) | {"format": 2}
    (tmp_path / "_manifest.json").write_text(json.dumps(entries))
    with pytest.raises(ConfigError, match="another version of this tool"):
        destination.agree(str(tmp_path), WANTED)


@pytest.mark.parametrize("form", parts.FORMATS)
def test_a_part_holds_the_rows_and_tells_its_errors(form, tmp_path):
    data = parts.encode(ROWS, form)
    assert parts.count(data, form) == (2, 1)
    (tmp_path / f"part-0.{form}").write_bytes(data)
    assert written(tmp_path) == [ROWS[0] | {"source": r"a\udcff.png"}, ROWS[1]]
    for half in (data[:-9], b"", b"not whole"):
        with pytest.raises(ValueError, match=r"whole|footer|Parquet"):
            parts.count(half, form)


@pytest.mark.parametrize("form", parts.FORMATS)
def test_numbers_that_json_has_no_place_for(form, tmp_path):
    row = ROWS[0] | {"source": "a", "score": float("nan"), "char_scores": [0.25]}
    (tmp_path / f"part-0.{form}").write_bytes(parts.encode([row], form))
    (found,) = written(tmp_path)
    assert found["score"] is None if form == "jsonl" else np.isnan(found["score"])
    assert found["char_scores"] == [0.25]


@pytest.mark.parametrize("form", parts.FORMATS)
def test_only_whole_parts_are_done(form, memory, capsys):  # noqa: F811
    wanted = dataclasses.replace(WANTED, form=form)
    destination.agree(memory, wanted)
    assert destination.finished(memory, wanted) == {}
    whole = parts.encode(ROWS, form)
    storage.write_bytes(f"{memory}/{wanted.part(0)}", whole)
    storage.write_bytes(f"{memory}/{wanted.part(1)}", whole[:-9])
    storage.write_bytes(f"{memory}/{wanted.part(2)}", whole)  # which has one row
    storage.write_bytes(f"{memory}/part-000000-of-000009.{form}", whole)
    assert destination.finished(memory, wanted) == {0: (2, 1)}
    said = capsys.readouterr().err
    assert f"{wanted.part(1)} is not whole" in said
    assert f"{wanted.part(2)} has 2 rows and is made anew" in said
    destination.complete(memory, wanted)
    storage.remove(f"{memory}/{wanted.part(1)}")
    with pytest.raises(destination.BatchError, match=r"1 parts, such as part-000001.*share"):
        destination.complete(memory, wanted)


def test_what_killed_workers_left_goes_when_all_is_done(tmp_path):
    for number in range(3):
        (tmp_path / WANTED.part(number)).write_bytes(b"")
    (tmp_path / ".partial-part-000001-of-000003.parquet-abc").write_bytes(b"half")
    destination.complete(str(tmp_path), WANTED)
    assert sorted(path.name[:5] for path in tmp_path.iterdir()) == ["part-"] * 3


def test_checksum_of_a_model(tmp_path):
    for name in ("a.xml", "a.bin", "a.onnx"):
        (tmp_path / name).write_bytes(b"x")
    before = [checksum(str(tmp_path / name)) for name in ("a.xml", "a.onnx")]
    (tmp_path / "a.bin").write_bytes(b"y")
    after = [checksum(str(tmp_path / name)) for name in ("a.xml", "a.onnx")]
    assert before[0] != after[0] and before[1] == after[1]
    with pytest.raises(CheckpointError, match=r"none\.onnx: cannot read the model .*; give a"):
        checksum(str(tmp_path / "none.onnx"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from exported import write

    return str(write("masked", tmp_path_factory.mktemp("model") / "tiny.pth"))


@pytest.fixture
def worker(model, tmp_path):
    """Returns a function that reads a source in one partition."""

    def run(listed, **changes):
        opened = open_source(str(listed))
        task = Task(str(listed), model, checksum(model), str(tmp_path / "out"), "jsonl", 4)
        piece = json.dumps(opened.piece(0, opened.rows)).encode()
        batch = {"file": ["part-0.jsonl"], "start": [100], "piece": [piece]}
        batch["stop"] = [100 + opened.rows + changes.pop("more", 0)]
        (tmp_path / "out").mkdir(exist_ok=True)
        tries = changes.pop("tries", None)
        found = PartitionReader(dataclasses.replace(task, **changes), tries)(batch)
        return {key: value[0] for key, value in found.items()}

    return run


def test_a_worker_writes_what_the_recogniser_reads(worker, model, tmp_path):
    from aocr_plugin import Recognizer

    images = crops(40)
    images[3] = (BROKEN, "X")
    images[36] = (png("CUT")[:-40], "Y")
    listed = write_files(tmp_path / "c", images)
    assert worker(listed, char_scores=True) == dict(
        file="part-0.jsonl", tries=1, rows=40, errors=2, failure=""
    )
    alone = Recognizer(model)
    for index, row in enumerate(written(tmp_path / "out")):
        assert (row["row"], row["number"], row["label"]) == (
            100 + index,
            index + 1,
            images[index][1],
        )
        assert row["source"] == str(tmp_path / "c" / f"{index:05d}.png")
        if index in (3, 36):
            assert row["text"] is row["score"] is row["char_scores"] is None
            assert row["error"] and "image " + str(index) not in row["error"]
            continue
        expected = alone(images[index][0])
        assert (row["text"], row["error"]) == (expected.text, None)
        assert row["score"] == pytest.approx(expected.score, rel=1e-4)
        assert row["char_scores"] == pytest.approx(expected.char_scores, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"checksum": "0"}, "another model on .* than where this run was started"),
        ({"source": "/not/here"}, "/not/here: not there on .*; give all machines the same"),
        ({"more": 2}, "gives 3 of 5 rows from row 100 on; it must not change"),
        ({"options": {"score": "worst"}}, "worst"),
        ({"dest": "/proc/none"}, "/proc/none: cannot be written on .*; make room or mend"),
        ({"options": {"nonsense": 1}}, "Traceback .*nonsense"),
        ({"tries": lambda file: 11}, "died 10 times; an image from row 100 on ends the process"),
    ],
)
def test_a_worker_says_why_there_is_no_part(changes, words, worker, tmp_path):
    listed = write_files(tmp_path / "c", crops(3))
    found = worker(listed, **changes)
    assert re.search(words, found["failure"], re.DOTALL), found
    assert not list((tmp_path / "out").iterdir())


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_on_a_terminal_and_rare_elsewhere(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for stream, writes in ((Terminal(), 100), (io.StringIO(), 3)):
        now[0] = 0.0
        progress = Progress(100_000, 50_000, stream)
        for _ in range(100):
            now[0] += 1.0
            progress.add(100, 1)
        progress.end()
        text = stream.getvalue()
        assert len(re.findall(r"\d+ rows/s", text)) == writes
        assert text.count("\n") == (0 if writes == 100 else 3)
        assert "53,000 of 100,000 rows, 100 rows/s, 7:50 left, 30 with an error" in text


def test_without_ray_the_extra_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ConfigError, match=r"needs Ray Data .*pip install 'aocr-plugin\[batch\]'"):
        job.import_ray()
    assert batch_predict.main([str(tmp_path), str(tmp_path / "out"), "--model", "a.onnx"]) == 2
    assert "aocr-plugin[batch]" in capsys.readouterr().err and not (tmp_path / "out").exists()

"""tools/batch_predict.py as a user runs it: Ray's real workers, killed; a real cluster; a store."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra [batch]")
from batch_side import (
    BROKEN,
    command,
    crops,
    png,
    tool,
    write_files,
    write_parquet,
    write_records,
    written,
)
from object_store import free_port, put_folder, s3, s3_port  # noqa: F401

from aocr_plugin import storage
from aocr_plugin.cli import batch_predict

pytestmark = pytest.mark.slow
ROWS = int(os.environ.get("AOCR_BATCH_ROWS", "6000"))  # many enough to be killed in


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network as an ONNX file, so that workers start fast."""
    from exported import write

    folder = tmp_path_factory.mktemp("model")
    checkpoint = write("masked", folder / "tiny.pth")
    export = [sys.executable, "tools/export.py", str(checkpoint), str(folder / "tiny.onnx")]
    subprocess.run(export, check=True, capture_output=True, cwd=Path(__file__).parents[1])
    return folder / "tiny.onnx"


def workers_below(process: int) -> list[int]:
    """Returns the numbers of a process's descendants that are Ray's actors and no longer begin."""
    parents, actors = {}, []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text()
            title = (entry / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(entry.name)] = int(status.rpartition(")")[2].split()[1])
        if re.match(rb"ray::.*PartitionReader(?!.*__init__)", title):
            actors.append(int(entry.name))

    def is_below(actor):
        while actor in parents and actor != process:
            actor = parents[actor]
        return actor == process

    return [actor for actor in actors if is_below(actor)]


def here(capsys, *arguments, code: int = 0) -> str:
    """Runs the tool in this process, for what ends before Ray starts; returns what it said."""
    assert batch_predict.main([str(word) for word in arguments]) == code
    return "".join(capsys.readouterr())


def expected(images, model):
    """Reads the images without Ray; a broken one is None."""
    from aocr_plugin import Recognizer

    found = Recognizer(model)([data for data, _ in images], errors="return")
    return [None if one.error else one.text for one in found]


def test_workers_and_the_whole_job_killed(model, tmp_path):
    images = crops(ROWS)
    part = max(50, ROWS // 120)
    for index in (7, 1203):
        images[index] = (BROKEN, "X")
    source = write_records(tmp_path / "a.tfrecords", images)
    dest = tmp_path / "out"
    words = (source, dest, "--model", model, "--partition-rows", part, "--replicas", 2)
    chance, killed, said = random.Random(0), set(), ""
    for end_all_after in (2, None):
        process = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None:
            at_work = [pid for pid in workers_below(process.pid) if pid not in killed]
            if len(killed) < 5 and at_work:
                time.sleep(chance.uniform(0.4, 1.0) * max(1, ROWS / 6000))
                one = chance.choice(at_work)
                with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
                    os.kill(one, signal.SIGKILL)
                    killed.add(one)
            if end_all_after is not None and len(killed) >= end_all_after:
                process.kill()
            time.sleep(0.05)
        out, err = process.communicate()
        said += err
    assert process.returncode == 0, err
    assert len(killed) == 5, said
    rows = written(dest)
    assert [row["row"] for row in rows] == list(range(ROWS))
    assert [row["number"] for row in rows] == list(range(1, ROWS + 1))
    assert [row["label"] for row in rows] == [label for _, label in images]
    assert [row["text"] for row in rows] == expected(images, model)
    assert {row["row"] for row in rows if row["error"]} == {7, 1203}
    assert not [name for name in storage.files(dest) if name.startswith(".")]
    assert re.fullmatch(
        rf".*: {ROWS:,} rows in {-(-ROWS // part)} parts, 2 errors\n.* rows/s\n", out
    )
    assert "read again, its worker had died" in said


def test_goes_on_and_refuses_another_source_model_or_setting(model, tmp_path, capsys):
    listed = write_files(tmp_path / "c", crops(30))
    dest = tmp_path / "out"
    words = [listed, dest, "--model", model, "--partition-rows", 8, "--format", "jsonl"]
    first = tool(*words, "--char-scores")
    assert re.search(
        r"30 rows in 4 parts, 0 errors\n30 rows in [\d.]+ s, [\d.]+ rows/s", first.stdout
    )
    before = written(dest)
    times = {name: (dest / name).stat().st_mtime_ns for name in storage.files(dest)}
    (dest / "part-000002-of-000004.jsonl").unlink()
    again = tool(*words, "--char-scores")
    assert "22 of 30 rows are done already" in again.stderr and "\n8 rows in" in again.stdout
    after = {name: (dest / name).stat().st_mtime_ns for name in storage.files(dest)}
    assert [name for name in times if after[name] != times[name]] == ["part-000002-of-000004.jsonl"]
    assert written(dest) == before and len(before[0]["char_scores"]) == len(before[0]["text"])
    assert "all of it was done already" in here(capsys, *words, "--char-scores")

    assert "another setting: char-scores (True, now False)" in here(capsys, *words, code=2)
    turned = here(capsys, *words, "--char-scores", "--vertical", code=2)
    assert "another setting: vertical (False, now True)" in turned
    looked = here(capsys, *words, "--char-scores", "--views", 3, code=2)
    assert "another setting: views (1, now 3)" in looked
    other = tmp_path / "other.onnx"
    other.write_bytes(Path(model).read_bytes() + b"\0")
    refused = here(capsys, *words[:2], "--model", other, *words[4:], "--char-scores", code=2)
    assert re.search(
        r"another model \(SHA-256\) \(\w{12}, now \w{12}\)\. Give another DEST", refused
    )
    listed.write_text(listed.read_text() + "00000.png W0\n")
    assert "number of rows (30, now 31)" in here(capsys, *words, "--char-scores", code=2)
    assert written(dest) == before


def test_all_broken_is_exit_code_3(model, tmp_path):
    folder = write_files(tmp_path / "c", [(BROKEN, "A"), (b"", "B")]).parent
    done = tool(folder, tmp_path / "out", "--model", model, code=3)
    assert "2 rows in 1 parts, 2 errors" in done.stdout
    assert all(row["error"] and row["text"] is None for row in written(tmp_path / "out"))


def test_from_an_object_store_to_an_object_store(model, tmp_path, s3, capsys):  # noqa: F811
    images = crops(20)
    put_folder(write_files(tmp_path / "c", images).parent, f"{s3}/c")
    storage.upload(model, f"{s3}/m/tiny.onnx")
    words = ("--model", f"{s3}/m/tiny.onnx", "--partition-rows", 8, "--replicas", 1)
    tool(f"{s3}/c/", f"{s3}/out", *words, "--kind", "images")
    tool(f"{s3}/c/labels.txt", f"{s3}/labelled", *words, "--format", "jsonl", "--vertical")
    texts = expected(images, model)
    for dest in (f"{s3}/out", f"{s3}/labelled"):
        rows = written(dest)
        assert [row["text"] for row in rows] == texts
        assert [row["source"] for row in rows] == [f"{s3}/c/{i:05d}.png" for i in range(20)]
    assert [row["label"] for row in rows] == [label for _, label in images]
    assert {row["turn"] for row in rows} == {0}  # none is tall
    labelled = (f"{s3}/c/labels.txt", f"{s3}/labelled", *words, "--format", "jsonl")
    assert "another setting: vertical (True, now False)" in here(capsys, *labelled, code=2)
    assert "all of it" in here(capsys, f"{s3}/c/", f"{s3}/out", *words, "--kind", "images")


def test_a_cluster_by_its_address(model, tmp_path):
    images = crops(20)
    table = write_parquet(tmp_path / "a.parquet", images)
    port, ray = free_port(), str(Path(sys.executable).with_name("ray"))
    flags = ("--head", "--port", str(port), "--num-cpus", "2", "--include-dashboard", "false")
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.urandom(32).hex()}
    folder = tempfile.mkdtemp(prefix="ray-")  # short: names of sockets are not long
    head = subprocess.Popen(
        start_new_session=True,
        args=[ray, "start", *flags, "--temp-dir", folder, "--block"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | token | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    words = ("--model", model, "--address", f"127.0.0.1:{port}", "--partition-rows", 8)
    try:
        end = time.time() + 40
        while time.time() < end and not Path(folder, "ray_current_cluster").exists():
            time.sleep(0.2)
        done = tool(table, tmp_path / "out", *words, env=token)
        assert "20 rows in 3 parts, 0 errors" in done.stdout
        refused = tool(table, tmp_path / "b", *words, "--replicas", 3, code=2, env=token).stderr
        assert "3 replicas of 1 CPUs and 0 GPUs do not fit: there are 2 CPUs" in refused
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)
    assert [row["text"] for row in written(tmp_path / "out")] == expected(images, model)


def test_what_is_wrong_is_said_before_or_by_the_workers(model, tmp_path, capsys):
    listed = write_files(tmp_path / "c", [(png("A"), "A")])
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    bare = here(capsys, listed, tmp_path / "a", "--model", tmp_path / "none.onnx", code=2)
    assert "none.onnx: cannot read the model" in bare
    assert "is a file; give a folder" in here(capsys, listed, listed, "--model", model, code=2)
    inside = here(capsys, tmp_path / "c", tmp_path / "c" / "out", "--model", model, code=2)
    assert "out is in the source" in inside
    said = tool(listed, tmp_path / "b", "--model", tmp_path / "bad.onnx", code=2).stderr
    assert "part-000000-of-000001.parquet: " in said and "not an ONNX model" in said

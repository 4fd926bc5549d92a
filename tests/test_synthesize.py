"""``tools/synthesize.py`` and ``tools/contact_sheet.py``: what is written is read back."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import ROOT
from synthesis_side import FOLDER

from aocr_plugin.cli import contact_sheet, synthesize
from aocr_plugin.errors import ConfigError
from aocr_plugin.formats import records
from aocr_plugin.sifting import Report, policies
from aocr_plugin.synthesis import writer
from aocr_plugin.synthesis.fonts import find_fonts
from aocr_plugin.synthesis.synthesizer import Synthesizer

FONTS = [str(FOLDER / name) for name in ("DejaVuSans.ttf", "DejaVuSerif.ttf", "cmr10.ttf")]
COMMON = ["--fonts", *FONTS, "--workers", "0"]


def read(path, kind=None):
    kind = kind or records.sniff(str(path))
    return list(records.read(str(path), kind, Report(str(path), policies(None, testing=True))))


@pytest.mark.parametrize("name", ["a.txt", "a.tfrecords", "a.lmdb", "a.jsonl"])
def test_every_kind_of_set_is_read_back(tmp_path, name, capsys):
    out = tmp_path / name
    given = ["--count", "30", "--style", "scene=3", "--style", "meter", "--seed", "5", *COMMON]
    assert synthesize.main([str(out), *given]) == 0
    assert "30 images as" in capsys.readouterr().out
    drawn = Synthesizer({"scene": 3, "meter": 1}, fonts=FONTS)
    found = read(out)
    assert len(found) == 30
    for index, record in enumerate(found):
        sample = drawn.sample(5, index)
        assert record.label == sample.text
        image = cv2.imdecode(np.frombuffer(record.image, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(image, sample.image)


def test_a_set_is_enlarged_from_where_it_ended(tmp_path):
    whole, rest = tmp_path / "whole.tfrecords", tmp_path / "rest.tfrecords"
    assert synthesize.main([str(whole), "--count", "20", *COMMON]) == 0
    assert synthesize.main([str(rest), "--count", "8", "--first", "12", *COMMON]) == 0
    assert [r.image for r in read(whole)[12:]] == [r.image for r in read(rest)]
    assert read(rest)[0].comment == "synthetic:///scene/training/0/12"


def test_settings_of_texts_and_images(tmp_path):
    out = tmp_path / "a.txt"
    words = tmp_path / "words.txt"
    words.write_text("alpha\nbeta\n")
    given = ["--kinds", "word=1", "--cases", "upper=0.5", "lower=0.5", "--words", str(words)]
    given += ["--gray", "--height", "24", "--encoding", "jpg", "--quality", "70", "--part", "test"]
    assert synthesize.main([str(out), "--count", "40", "--punctuation", "0", *given, *COMMON]) == 0
    found = read(out)
    assert {r.label for r in found} == {"alpha", "beta", "ALPHA", "BETA"}
    image = cv2.imdecode(np.frombuffer(found[0].image, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image.ndim == 2
    assert image.shape[0] == 24
    assert found[0].image.startswith(b"\xff\xd8")


def test_bmp_files_hold_what_png_files_do(tmp_path):
    found = {}
    for encoding in ("png", "bmp"):
        out = tmp_path / f"{encoding}.tfrecords"
        given = ["--count", "20", "--gray", "--height", "32", "--encoding", encoding]
        assert synthesize.main([str(out), *given, *COMMON]) == 0
        found[encoding] = read(out)
    assert all(record.image.startswith(b"BM") for record in found["bmp"])
    for one, other in zip(found["png"], found["bmp"], strict=True):
        assert one.label == other.label
        pixels = [
            cv2.imdecode(np.frombuffer(record.image, np.uint8), cv2.IMREAD_GRAYSCALE)
            for record in (one, other)
        ]
        assert np.array_equal(*pixels)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a.txt", "--style", "poster"], "no style 'poster'"),
        (["a.txt", "--style", "scene=much"], "--style scene=much: give NAME=SHARE"),
        (["a.txt", "--kinds", "poem"], "kinds: unknown poem"),
        (["a.txt", "--charset", "chars:ab中"], "no font of 3 draws"),
        (["a.txt", "--quality", "0", "--encoding", "jpg"], "quality 0"),
        (["a.zip"], "its name tells no kind of data set"),
        (["taken.txt"], "taken.txt exists"),
        (["taken.txt/below/a.txt"], "cannot be written"),
    ],
)
def test_errors_name_the_setting(tmp_path, monkeypatch, capsys, given, message):
    monkeypatch.chdir(tmp_path)
    Path("taken.txt").write_text("")
    assert synthesize.main([*given, "--count", "3", *COMMON]) == 2
    assert message in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["taken.txt"]


def test_nothing_stands_there_when_it_is_interrupted(tmp_path, monkeypatch):
    draw = writer.Job.draw

    def dies(self, index):
        if index == 7:
            raise KeyboardInterrupt
        return draw(self, index)

    monkeypatch.setattr(writer.Job, "draw", dies)
    assert synthesize.main([str(tmp_path / "a.txt"), "--count", "20", *COMMON]) == 130
    assert os.listdir(tmp_path) == []


def test_progress_says_how_long_it_takes(monkeypatch, capsys):
    times = iter([0.0, 3.0, 6.0, 6.0, 7.0])
    monkeypatch.setattr(synthesize.time, "monotonic", lambda: next(times))
    assert list(synthesize._shown(iter("ab"), 4)) == ["a", "b"]
    assert capsys.readouterr().err == "2 of 4, 6 s left\n"


def test_a_job_of_no_image_is_refused():
    synthesizer = Synthesizer(fonts=FONTS)
    with pytest.raises(ConfigError, match="count 0"):
        writer.Job(synthesizer, count=0)
    with pytest.raises(ConfigError, match="encoding is 'gif'"):
        writer.Job(synthesizer, encoding="gif")


def test_sheets_show_sets_side_by_side(tmp_path, capsys):
    first, second = tmp_path / "a.txt", tmp_path / "b.tfrecords"
    sheet = tmp_path / "first.png"
    assert synthesize.main([str(first), "--count", "9", "--sheet", str(sheet), *COMMON]) == 0
    assert synthesize.main([str(second), "--count", "9", "--style", "plate", *COMMON]) == 0
    assert cv2.imread(str(sheet)).shape[1] == 8 * 156
    both = tmp_path / "both.png"
    assert contact_sheet.main([str(both), str(first), str(second), "--count", "8"]) == 0
    assert "16 images" in capsys.readouterr().out
    picture = cv2.imread(str(both))
    assert picture.shape[0] == 2 * (26 + 79)
    drawn = Synthesizer(fonts=FONTS).sample(0, 0).image
    if max(drawn.shape[1] / 150, drawn.shape[0] / 62) <= 1:
        np.testing.assert_array_equal(
            cv2.imread(str(sheet))[26:][: len(drawn), : drawn.shape[1]], drawn
        )


@pytest.mark.slow
def test_the_tools_run_as_processes(tmp_path):
    def run(name, *words):
        command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    drawn = run("synthesize", "a.lmdb", "--count", "70", "--workers", "2", "--fonts", *FONTS)
    assert drawn.startswith("a.lmdb: 70 images as lmdb")
    assert len(read(tmp_path / "a.lmdb")) == 70
    assert run("contact_sheet", "a.png", "a.lmdb", "--count", "5") == "a.png: 5 images\n"
    assert "--no-debian" in run("fetch_fonts", "--help")


@pytest.mark.slow
def test_a_killed_worker_is_an_error():
    import multiprocessing
    import signal

    job = writer.Job(Synthesizer(fonts=find_fonts(FONTS)), count=100_000)
    found = writer.records(job, 1)
    next(found)
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(ConfigError, match="a drawing process was killed"):
        for _ in found:
            pass


@pytest.mark.slow
def test_workers_end_when_the_tool_is_killed(tmp_path):
    def children():
        tasks = Path(f"/proc/{tool.pid}/task").glob("*/children")  # of each thread
        return [int(pid) for file in tasks for pid in file.read_text().split()]

    def alive(pid):
        path = Path(f"/proc/{pid}/stat")
        return path.exists() and path.read_text().rpartition(")")[2].split()[0] != "Z"

    line = [sys.executable, "tools/synthesize.py", str(tmp_path / "a.jsonl"), "--count", "1000000"]
    tool = subprocess.Popen([*line, "--workers", "2"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert tool.stderr is not None
    while "left" not in (heard := tool.stderr.readline()):
        assert heard, "it ended before it drew"
    workers = children()
    tool.kill()
    tool.wait()
    assert len(workers) >= 2
    for _ in range(200):
        if not any(map(alive, workers)):
            return
        time.sleep(0.1)
    raise AssertionError("workers outlive the tool")


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing():
    job = writer.Job(Synthesizer(fonts=find_fonts(FONTS)), count=300)
    alone = [(r.number, r.label, r.image) for r in writer.records(job, 0)]
    assert [(r.number, r.label, r.image) for r in writer.records(job, 2)] == alone


@pytest.mark.slow
def test_every_process_and_processor_draws_the_same():
    """With other hash seeds, and as a processor without AVX2 and AVX-512 does it."""
    script = [sys.executable, str(Path(__file__).with_name("synthesis_side.py")), "60"]
    wide = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
    plain = {
        "OPENCV_CPU_DISABLE": "AVX2,AVX,FP16,SSE4.2,FMA3",
        "OPENCV_IPP": "disabled",
        "NPY_DISABLE_CPU_FEATURES": f"AVX2 FMA3 {wide}",
    }
    digests = set()
    for changes in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", **plain}):
        done = subprocess.run(
            script,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | changes,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.split()[-1])
    assert len(digests) == 1

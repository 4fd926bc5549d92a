"""Whole pages: detection, crops, order, files; the detectors that are there."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from conftest import ROOT

from aocr_plugin import Reader
from aocr_plugin.cli.read_page import main
from aocr_plugin.errors import CheckpointError, ConfigError, ImageError
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.recognizer import Recognizer
from aocr_plugin.reading.detectors import open_detector
from aocr_plugin.reading.drawing import annotate
from aocr_plugin.reading.page import PageText, Region

WORDS = [("ALPHA", 60, 80), ("BRAVO", 420, 80), ("CHARLIE", 60, 220), ("DELTA", 420, 220)]


class Stub(Recognizer):
    """Reads the mean of a crop; keeps the crops."""

    def __init__(self):
        self.crops = []

    def __call__(self, images, *, errors="raise", views=None):
        self.crops = list(images)
        return [Prediction(f"{image.mean():.0f}", 0.5, []) for image in images]


def draw_page(angle=0.0):
    """Returns a page and the true quadrangles of its words."""
    page = np.full((400, 760, 3), 255, np.uint8)
    places = []
    for word, x, y in WORDS:
        (w, h), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, 1.6, 3)
        cv2.putText(page, word, (x, y + h), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3)
        places.append([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    turn = cv2.getRotationMatrix2D((380, 200), angle, 1)
    page = cv2.warpAffine(page, turn, (760, 400), borderValue=(255, 255, 255))
    points = np.concatenate([np.array(places, float), np.ones((4, 4, 1))], axis=2)
    return page, (points @ turn.T).astype(np.float32)


@pytest.mark.parametrize("angle", [0, 10, -10])
def test_rapidocr_finds_words_in_order(angle):
    pytest.importorskip("rapidocr_onnxruntime", reason="extra [page]")
    page, truth = draw_page(angle)
    found = Reader(Stub())(page)
    assert [region.line for region in found.regions] == [0, 0, 1, 1]
    for region, right in zip(found.regions, truth, strict=True):
        area, _ = cv2.intersectConvexConvex(np.float32(region.polygon), right)
        assert area > 0.8 * cv2.contourArea(right)
        assert cv2.contourArea(np.float32(region.polygon)) < 3 * cv2.contourArea(right)
        assert 0.5 < region.detection_score <= 1


def test_an_empty_page_has_no_regions():
    pytest.importorskip("rapidocr_onnxruntime", reason="extra [page]")
    found = Reader(Stub())(np.full((200, 300, 3), 255, np.uint8))
    assert (found.regions, found.text, found.width, found.height) == ([], "", 300, 200)


@pytest.mark.slow
def test_exported_model_imports_no_pytorch(tmp_path):
    pytest.importorskip("rapidocr_onnxruntime", reason="extra [page]")
    pytest.importorskip("onnx")
    from exported import write

    from aocr_plugin.cli.export import main as export

    write("masked", tmp_path / "m.pth")
    assert export([str(tmp_path / "m.pth"), str(tmp_path / "m.onnx")]) == 0
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), draw_page()[0])
    script = (
        "import sys\nfrom aocr_plugin.cli.read_page import main\ncode = main(sys.argv[1:])\n"
        "print([n for n in ('torch', 'mmocr', 'mmengine', 'mmcv') if n in sys.modules], code)"
    )
    words = [f"{tmp_path}/in", "--model", f"{tmp_path}/m.onnx", "--out", f"{tmp_path}/out"]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == ["[] 0"], done.stderr
    record = json.loads((tmp_path / "out" / "a.json").read_text())
    assert (record["width"], record["height"], len(record["regions"])) == (760, 400, 4)
    assert cv2.imread(str(tmp_path / "out" / "a.png")).shape == (400, 760, 3)


@pytest.fixture
def command(monkeypatch):
    """The command with a stub for model and detector."""
    boxes = [([[400, 20], [700, 20], [700, 90], [400, 90]], 0.75), (np.eye(3, 2) * 90, 0.5)]
    reader = Reader(Stub(), lambda page: boxes)
    monkeypatch.setattr("aocr_plugin.reading.reader.Reader", lambda *args, **kwargs: reader)
    return lambda *words: main([*map(str, words), "--model", "m.onnx"])


def test_command_writes_both_files_and_goes_on_after_a_bad_page(command, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "good.png"), draw_page()[0])
    (tmp_path / "bad.png").write_bytes(b"no image")
    code = command(tmp_path, tmp_path / "none.jpg", "--out", tmp_path / "out", "--json")
    out, err = capsys.readouterr()
    assert code == 2
    assert "bad.png: " in err
    assert "none.jpg: no such file or folder" in err
    assert "2 of 2 pages" in err
    (line,) = out.splitlines()
    record = json.loads(line)
    assert record == json.loads((tmp_path / "out" / "good.json").read_text())
    assert [(r["order"], r["detection_score"]) for r in record["regions"]] == [(0, 0.5), (1, 0.75)]
    assert record["regions"][1]["polygon"][0] == [400, 20]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["good.json", "good.png"]


def test_command_does_not_overwrite_a_page(command, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), draw_page()[0])
    before = (tmp_path / "a.png").read_bytes()
    assert command(tmp_path / "a.png", "--out", tmp_path) == 2
    assert "a.png would overwrite a page" in capsys.readouterr().err
    assert (tmp_path / "a.png").read_bytes() == before


def test_pages_of_one_name_get_files_of_their_own(command, tmp_path):
    for name in ("a.png", "a.bmp"):
        cv2.imwrite(str(tmp_path / name), draw_page()[0])
    assert command(tmp_path, "--out", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a-2.json", "a-2.png", "a.json", "a.png"]


def test_refusals(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match="columns is 0"):
        Reader(Stub(), lambda page: [], columns=0)
    with pytest.raises(ConfigError, match="margin is -1"):
        Reader(Stub(), lambda page: [], margin=-1)
    with pytest.raises(ConfigError, match="the Recognizer that is given"):
        Reader(Stub(), lambda page: [], beam=3)
    with pytest.raises(ConfigError, match="detector is 'east'"):
        open_detector("east")
    with pytest.raises(CheckpointError, match=r"no such file of a detector's weights"):
        open_detector(("a.py", str(tmp_path / "none.pth")))
    with pytest.raises(ImageError, match=r"none\.jpg: cannot read"):
        Reader(Stub(), lambda page: [])(tmp_path / "none.jpg")
    with pytest.raises(ConfigError, match="a region is"):
        Reader(Stub(), lambda page: [([[0, 0], [1, 1]], 1.0)])(draw_page()[0])
    monkeypatch.setitem(sys.modules, "rapidocr_onnxruntime", None)
    with pytest.raises(ConfigError, match=r"aocr-plugin\[page\]"):
        open_detector("rapidocr")
    monkeypatch.setitem(sys.modules, "mmocr.apis", None)
    (tmp_path / "w.pth").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"aocr-plugin\[cpu\]"):
        open_detector(("a.py", str(tmp_path / "w.pth")))


def test_texts_that_the_font_lacks_are_left_out():
    page = draw_page()[0]
    place = [(60.0, 80.0), (300.0, 80.0), (300.0, 130.0), (60.0, 130.0)]

    def drawn(text):
        return annotate(page, PageText(None, 760, 400, [Region(place, text, 1.0, 1.0, 0)]))

    empty = drawn("")
    assert (empty != page).any()
    assert (drawn("abc") != empty).any()
    for text in ("\U0010fffd", "שלום", "سلام"):
        np.testing.assert_array_equal(drawn(text), empty)
    with pytest.raises(ConfigError, match="not a font"):
        annotate(page, PageText(None, 1, 1, [Region(place, "a", 1.0, 1.0, 0)]), str(ROOT))
    with pytest.raises(ConfigError, match="not a font"):
        annotate(page, PageText(None, 1, 1, [Region(place, "a", 1.0, 1.0, 0)]), __file__)

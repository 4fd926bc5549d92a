"""The recognisers that come with the package."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from aocr_plugin import Recognizer, weights
from aocr_plugin.errors import CheckpointError

WORDS = ["Station", "EXIT", "2026", "hotel", "Coffee", "OPEN"]
NO_TORCH = """
import sys
sys.modules["torch"] = sys.modules["mmocr"] = None
from aocr_plugin import Recognizer
print(*(one.text for one in Recognizer()(sys.argv[1:])))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Words in the font that matplotlib brings along, black on white."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    folder = tmp_path_factory.mktemp("printed")
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(file), 32)
    for word in WORDS:
        left, top, right, bottom = font.getbbox(word)
        image = Image.new("L", (right - left + 12, bottom - top + 12), 255)
        ImageDraw.Draw(image).text((6 - left, 6 - top), word, 0, font)
        image.save(folder / f"{word}.png")
    return [str(folder / f"{word}.png") for word in WORDS]


def test_without_arguments_printed_words_are_read(printed):
    assert [one.text for one in Recognizer()(printed)] == WORDS


@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
def test_every_runtime_reads_the_same(printed, runtime):
    found = Recognizer("english", runtime=runtime)(printed)
    expected = Recognizer()(printed)
    assert [one.text for one in found] == [one.text for one in expected]
    assert np.allclose([a.score for a in found], [b.score for b in expected], atol=2e-3)


def test_constraints_take_the_checkpoint(printed):
    assert Recognizer(pattern="[0-9]{4}")(printed[2]).text == "2026"


def test_neither_pytorch_nor_mmocr_is_needed(printed):
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, *printed], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == WORDS


@pytest.mark.slow
def test_it_is_tested_by_its_name(printed, tmp_path):
    folder = Path(printed[0]).parent
    (folder / "set.txt").write_text("".join(f"{word}.png {word}\n" for word in WORDS))
    options = f"test_dataloader.dataset.ann_file={folder / 'set.txt'}"
    line = [sys.executable, str(ROOT / "tools/test.py"), str(ROOT / "configs/aocr_base.py")]
    line += ["english", "--work-dir", str(tmp_path), "--cfg-options", options]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "metrics.json").read_text())["recog/word_acc"] == 1.0


def test_the_model_card_names_the_very_files():
    card = (weights.FOLDER / "MODEL_CARD.md").read_text()
    for file in (weights.FOLDER / "english.pth", weights.FOLDER / "english.onnx"):
        assert file.stat().st_size < 20e6
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert re.search(rf"{re.escape(file.name)}.*{digest}", card), f"{file.name}: {digest}"


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    assert weights.resolve("english", "onnxruntime") == weights.FOLDER / "english.onnx"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "english").mkdir()  # a folder is no model
    assert weights.resolve("english") == weights.FOLDER / "english.pth"
    (tmp_path / "english").rmdir()
    (tmp_path / "english").write_text("")
    assert weights.resolve("english") == "english"


@pytest.mark.parametrize("given", ["best.pth", "runs/english", "s3://bucket/english"])
def test_paths_and_urls_are_left_alone(given):
    assert weights.resolve(given) == given


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(CheckpointError, match=r"klingon: no such file, .*\(there are english\)"):
        Recognizer("klingon")

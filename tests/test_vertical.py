"""Text from top to bottom, read by turning the image."""

import json

import cv2
import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from aocr_plugin import Reader, Recognizer
from aocr_plugin.errors import ConfigError
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.turning import most_certain, turns

WORDS = ("Harvest", "OPENING", "between")


def drawn(word):
    """Returns a printed word, gray [44, W]."""
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 32)
    image = Image.new("L", (round(font.getlength(word)) + 12, 44), 255)
    ImageDraw.Draw(image).text((6, 3), word, 0, font)
    return np.array(image)


def test_which_images_are_turned():
    assert turns(32, 100) == turns(32, 22) == (0,)
    assert turns(32, 21) == (0, 90, 270)
    assert turns(90, 30) == (90, 270)


def test_the_surest_characters_count_not_the_shortest_text():
    short = Prediction("l", 0.7, [0.7])
    long = Prediction("Harvest", 0.6, [0.93] * 7, turn=90)
    assert most_certain([short, long, Prediction("", 0.9, [])]) is long


@pytest.mark.parametrize("runtime", ["onnxruntime", "pytorch"])
def test_vertical_words(runtime):
    upright = [drawn(word) for word in WORDS]
    to_right = [np.ascontiguousarray(np.rot90(image, 3)) for image in upright]  # read downwards
    to_left = [np.ascontiguousarray(np.rot90(image, 1)) for image in upright]
    letter = drawn("H")
    plain, vertical = (Recognizer(runtime=runtime, vertical=both) for both in (False, True))
    found = vertical([*upright, *to_right, *to_left, letter])
    assert [one.text for one in found] == [*WORDS * 3, "H"]
    assert [one.turn for one in found] == [0] * 3 + [90] * 3 + [270] * 3 + [0]
    assert [one.text for one in plain(upright)] == list(WORDS)
    assert not {one.text for one in plain(to_right)} & set(WORDS)
    assert found[0].score == pytest.approx(plain(upright)[0].score, abs=1e-5)
    assert found[3].score == pytest.approx(found[0].score, abs=1e-5)


def test_what_else_is_asked_and_other_forms_of_images():
    downwards = np.ascontiguousarray(np.rot90(drawn("Harvest"), 3))
    searching = Recognizer(runtime="pytorch", vertical=True, nbest=2, attention=True)
    found = searching(downwards)
    assert (found.text, found.turn, len(found.nbest)) == ("Harvest", 90, 2)
    assert found.attention.shape[1] == len(searching(drawn("Harvest")).attention[0])
    read = Recognizer(vertical=True)
    _, png = cv2.imencode(".png", downwards)
    coloured = cv2.cvtColor(downwards, cv2.COLOR_GRAY2BGRA)
    forms = [png.tobytes(), Image.fromarray(downwards), downwards[:, :, None], coloured]
    assert {(one.text, one.turn) for one in read(forms)} == {("Harvest", 90)}
    with pytest.raises(ConfigError, match="a Reader turns regions by itself"):
        Reader(vertical=True)
    with pytest.raises(ConfigError, match="a Reader turns regions by itself"):
        Reader(read)


def test_bad_images_keep_their_places(tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    cv2.imwrite(str(good), np.rot90(drawn("Harvest")))
    bad.write_bytes(b"no image")
    found = Recognizer(vertical=True, batch_size=1)([bad, good, bad], errors="return")
    assert [one.text for one in found] == ["", "Harvest", ""]
    assert [one.error is None for one in found] == [False, True, False]


def test_tool(tmp_path, capsys):
    from aocr_plugin.cli.predict import main

    cv2.imwrite(str(tmp_path / "a.png"), np.rot90(drawn("Harvest"), 3))
    cv2.imwrite(str(tmp_path / "b.png"), drawn("OPENING"))
    assert main(["english", str(tmp_path), "--vertical", "--format", "jsonl"]) == 0
    turned, upright = map(json.loads, capsys.readouterr().out.splitlines())
    assert (turned["text"], turned["turn"]) == ("Harvest", 90)
    assert upright["text"] == "OPENING" and "turn" not in upright

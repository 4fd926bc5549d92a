"""Further looks at images whose first reading is unsure."""

import argparse
import json

import cv2
import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from aocr_plugin import Recognizer, weights
from aocr_plugin.cli.common import add_views_flag
from aocr_plugin.errors import ConfigError
from aocr_plugin.inference import views
from aocr_plugin.inference.prediction import Prediction

ENGLISH = weights.FOLDER / "english.onnx"
HARD = "Harvest OPENING between Flensburg CITADEL marble Quartz".split()


def drawn(word, blur=0.0):
    """Returns a printed word, gray [44, W], as blurred as that."""
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 32)
    image = Image.new("L", (round(font.getlength(word)) + 12, 44), 255)
    ImageDraw.Draw(image).text((6, 3), word, 0, font)
    pixels = np.array(image)
    return cv2.GaussianBlur(pixels, (0, 0), blur) if blur else pixels


@pytest.fixture(scope="module")
def unsure():
    """Images of which some are read with a score below ``SURE``."""
    return [drawn(word, blur) for word in HARD for blur in (5.0, 6.0)]


@pytest.mark.parametrize("shape", [(40, 100), (40, 100, 3), (1, 1), (1, 300, 3), (300, 1)])
@pytest.mark.parametrize("name", views.VIEWS)
def test_views_of_any_image(name, shape):
    pixels = np.arange(np.prod(shape), dtype=np.int64).reshape(shape).astype(np.uint8)
    seen = views.VIEWS[name](pixels)
    assert seen.dtype == np.uint8 and seen.ndim == len(shape) and min(seen.shape[:2]) >= 1
    height, width = {
        "framed": (1.24, 1),
        "wide": (1, 1.25),
        "narrow": (1, 0.8),
        "low": (1, 1),
        "wider": (1, 1.5),
    }[name]
    assert seen.shape[0] == pytest.approx(height * shape[0], abs=1.01)
    assert seen.shape[1] == pytest.approx(width * shape[1], abs=1.01)


def test_letters_sit_lower_and_the_frame_has_the_edges_pixels():
    pixels = np.tile(np.arange(100, dtype=np.uint8)[:, None], (1, 50))
    low = views.VIEWS["low"](pixels)
    assert np.array_equal(low[8:], pixels[:92]) and not low[:8].any()
    framed = views.VIEWS["framed"](pixels)
    assert np.array_equal(framed[12:112], pixels)
    assert not framed[:12].any() and (framed[112:] == 99).all()


def test_the_first_of_equal_scores_counts():
    first, second = Prediction("a", 0.5), Prediction("b", 0.5, view="wide")
    assert views.most_probable([first, second]) is first
    assert views.most_probable([first, second, Prediction("c", 0.6)]).text == "c"


def test_what_is_sure_is_read_once_and_the_rest_in_all_views(unsure):
    sure = [drawn(word) for word in HARD]
    one, six = (Recognizer(ENGLISH, views=number) for number in (1, 6))
    seen = []
    inner = six.engine.read

    def counting(prepared, sources):
        seen.append(len(prepared))
        return inner(prepared, sources)

    six.engine.read = counting
    images = [image for pair in zip(unsure, [*sure, *sure], strict=True) for image in pair]
    plain = one(images)
    hard = [prediction.score < views.SURE for prediction in plain]
    assert any(hard) and not all(hard)
    found = six(images)
    assert sum(seen) == len(images) + sum(hard) * len(views.VIEWS)
    for image, first, best, again in zip(images, plain, found, hard, strict=True):
        if not again:
            assert (best.text, best.view) == (first.text, "")
            assert best.score == pytest.approx(first.score, abs=1e-5)
            continue
        by_hand = [first, *(one(view(image)) for view in views.VIEWS.values())]
        assert best.score == pytest.approx(max(other.score for other in by_hand), abs=1e-5)
        place = ["", *views.VIEWS].index(best.view)
        assert best.text == by_hand[place].text
    assert any(prediction.view for prediction in found)


def test_fewer_views_are_the_first_ones(unsure):
    two = Recognizer(ENGLISH, views=2)(unsure)
    assert {prediction.view for prediction in two} == {"", "framed"}


def test_a_name_has_its_own_number_and_a_file_one():
    assert Recognizer().views == weights.VIEWS["english"] == views.MOST
    assert Recognizer("english", views=1).views == Recognizer(ENGLISH).views == 1
    for number in (0, 7):
        with pytest.raises(ConfigError, match=f"views is {number}; an image is read in 1 to 6"):
            Recognizer(ENGLISH, views=number)
    parser = argparse.ArgumentParser()
    add_views_flag(parser)
    assert parser.parse_args(["--views", str(views.MOST)]).views == views.MOST
    with pytest.raises(SystemExit):
        parser.parse_args(["--views", str(views.MOST + 1)])


def test_views_of_turned_images_and_broken_ones(unsure):
    upright = Recognizer(ENGLISH, views=6)(unsure)
    turned = [np.ascontiguousarray(np.rot90(image, 3)) for image in unsure]
    images = [turned[0], b"no image", *turned[1:]]
    found = Recognizer(ENGLISH, views=6, vertical=True, batch_size=3)(images, errors="return")
    assert found.pop(1).error is not None
    same = [
        (one.text, one.view) == (other.text, other.view)
        for one, other in zip(found, upright, strict=True)
        if one.turn == 90
    ]
    assert len(same) >= len(unsure) / 2 and all(same)


def test_views_in_pytorch(unsure):
    there = Recognizer(weights.FOLDER / "english.pth", views=6)(unsure)
    here = Recognizer(ENGLISH, views=6)(unsure)
    assert [(one.text, one.view) for one in there] == [(one.text, one.view) for one in here]


def test_tool(unsure, tmp_path, capsys):
    from aocr_plugin.cli.predict import main

    for number, image in enumerate(unsure):
        cv2.imwrite(str(tmp_path / f"{number:02}.png"), image)
    cv2.imwrite(str(tmp_path / "sure.png"), drawn("OPENING"))

    def rows(*flags):
        assert main(["english", str(tmp_path), "--format", "jsonl", *flags]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    default, once = rows(), rows("--views", "1")
    assert any("view" in row for row in default) and not any("view" in row for row in once)
    assert "view" not in default[-1] and default[-1] == once[-1]
    assert all(row["score"] >= other["score"] for row, other in zip(default, once, strict=True))

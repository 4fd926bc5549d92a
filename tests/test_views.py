"""Further looks at images whose first reading is unsure."""

import argparse
import json
import shutil

import cv2
import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from aocr_plugin import Reader, Recognizer, weights
from aocr_plugin.cli.common import add_views_flag
from aocr_plugin.errors import ConfigError, ImageError
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
    height = shape[0] + 2 * round(0.12 * shape[0]) if name == "framed" else shape[0]
    factor = {"wide": 1.25, "narrow": 0.8, "wider": 1.5}.get(name, 1)
    assert seen.shape == (height, max(1, round(factor * shape[1])), *shape[2:])


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


def test_a_reading_without_text_does_not_win():
    text, empty = Prediction("Hello", 0.8), Prediction("", 1.0, view="wide")
    assert views.most_probable([text, empty]) is text
    assert views.most_probable([Prediction("", 0.2), empty]) is empty


class Narrow:
    """The recogniser's engine, but refuses prepared images wider than some pixels."""

    def __init__(self, engine, most):
        self.engine, self.most = engine, most

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def prepare(self, image, name):
        prepared = self.engine.prepare(image, name)
        if self.engine.width(prepared) > self.most:
            raise ImageError(f"{name}: too wide")
        return prepared


@pytest.mark.parametrize("errors", ["raise", "return"])
def test_a_view_that_is_refused_is_left_out(unsure, errors):
    recognizer = Recognizer(ENGLISH, views=6)
    image = next(one for one in unsure if recognizer(one, views=1).score < views.SURE)
    engine = recognizer.engine
    plain = [recognizer(image, views=1)]
    kept = ["framed", "narrow", "low"]
    plain += [recognizer(views.VIEWS[name](image), views=1) for name in kept]
    recognizer.engine = Narrow(engine, engine.width(engine.prepare(image, "image")))
    (found,) = recognizer([image], errors=errors)
    assert found.error is None and found.view in ("", *kept)
    assert found.score == pytest.approx(max(one.score for one in plain), abs=1e-5)


def test_an_image_of_which_one_side_is_refused_is_an_error_and_no_reading(unsure):
    recognizer = Recognizer(ENGLISH, views=6, vertical=True)
    tall = np.ascontiguousarray(np.rot90(unsure[0][:, :80]))  # of it three sides are read
    recognizer.engine = Narrow(recognizer.engine, 40)
    first, second = recognizer([tall, unsure[0][:, :30]], errors="return")
    assert "too wide" in first.error and second.error is None


@pytest.mark.parametrize("settings", [{"nbest": 3, "attention": True}, {"score": "minimum"}])
def test_what_else_is_asked_is_of_the_reading_that_counts(unsure, settings):
    recognizer = Recognizer("english", runtime="pytorch", views=6, **settings)
    coloured = [cv2.cvtColor(image, cv2.COLOR_GRAY2BGRA) for image in unsure]
    for image, found in zip(unsure, recognizer(coloured), strict=True):
        alone = recognizer(views.VIEWS[found.view](image) if found.view else image, views=1)
        assert (found.text, len(found.nbest)) == (alone.text, settings.get("nbest", 0))
        assert found.score == pytest.approx(alone.score, abs=1e-5)
        if settings.get("attention"):
            assert found.attention.shape == alone.attention.shape


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
        assert best.score == pytest.approx(by_hand[place].score, abs=1e-5)
    assert any(prediction.view for prediction in found)


def test_fewer_views_are_the_first_ones(unsure):
    two = Recognizer(ENGLISH, views=2)(unsure)
    assert {prediction.view for prediction in two} == {"", "framed"}


def test_a_name_has_its_own_number_and_a_file_one(tmp_path, monkeypatch):
    assert Recognizer().views == weights.VIEWS["english"] == views.MOST
    assert Recognizer("english", views=1).views == Recognizer(ENGLISH).views == 1
    shutil.copy(ENGLISH.with_suffix(".pth"), tmp_path / "english")  # a file of that name
    monkeypatch.chdir(tmp_path)
    assert weights.views("english") == 1
    for number in (0, 7):
        with pytest.raises(ConfigError, match=f"views is {number}; an image is read in 1 to 6"):
            Recognizer(ENGLISH, views=number)
        with pytest.raises(ConfigError, match=f"views is {number}; an image is read in 1 to 6"):
            Recognizer(ENGLISH)([], views=number)
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
    assert [one.score for one in there] == pytest.approx([one.score for one in here], abs=1e-4)
    assert [one.text for one in there] == [one.text for one in here]


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


def test_pages_are_read_in_views_but_not_to_find_out_how_they_lie(unsure):
    whole = [(0, 0), (unsure[0].shape[1], 0), unsure[0].shape[::-1], (0, unsure[0].shape[0])]
    page = cv2.cvtColor(unsure[0], cv2.COLOR_GRAY2BGR)
    once, often = (
        Reader(ENGLISH, lambda _: [(np.array(whole, np.float32), 1.0)], views=number)
        for number in (1, 6)
    )
    assert often(page).regions[0].score > once(page).regions[0].score
    seen = []
    inner = often.recognizer.engine.read

    def counting(prepared, sources):
        seen.append(len(prepared))
        return inner(prepared, sources)

    often.recognizer.engine.read = counting
    assert often._turn(np.ascontiguousarray(np.rot90(page)), [(np.array(whole)[:, ::-1], 1.0)]) > 0
    assert sum(seen) == 2  # one reading of either side

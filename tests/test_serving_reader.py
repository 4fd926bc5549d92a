"""What a worker does with a batch."""

import cv2
import numpy as np
import pytest
from conftest import draw_word

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import tiny_checkpoint

from aocr_plugin import Recognizer
from aocr_plugin.serving.protocol import Item
from aocr_plugin.serving.reader import Reader
from aocr_plugin.serving.settings import Settings


def png(word: str) -> bytes:
    return cv2.imencode(".png", draw_word(word))[1].tobytes()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "model.pth")


def test_results_are_in_order_and_errors_beside_them(checkpoint):
    words = [png("CAT"), b"no image", png("DOG7"), png("A" * 30), png("OX")[:90]]
    reader = Reader(Settings(str(checkpoint), max_pixels=10_000), 1)
    found = reader([Item(data, detail=place == 2) for place, data in enumerate(words)])
    offline = Recognizer(checkpoint, attention=True)
    for place in (0, 2):
        read = offline(words[place])
        assert found[place].text == read.text and found[place].error is None
        assert found[place].probability == pytest.approx(read.score, rel=1e-4)
    assert found[0].detail is None
    detail = found[2].detail
    assert detail["column"] == 4 / 72  # 90 x 40 pixels, at a height of 32
    assert len(detail["attention"]) == len(found[2].text) == len(detail["char_scores"])
    assert found[1].error.startswith("not an image of a kind that is read")
    assert found[3].error == "the image has 610 x 40 pixels; at most 10000 are taken"
    assert found[4].error == "image file is truncated"


def test_a_batch_that_fails_as_a_whole_is_read_one_by_one(checkpoint, monkeypatch):
    reader = Reader(Settings(str(checkpoint)), 1)
    read, bad = reader.recognizer, png("BAD")

    def recognizer(data, errors):
        if bad in data:
            raise RuntimeError("out of range")
        return read(data, errors=errors)

    monkeypatch.setattr(reader, "recognizer", recognizer)
    found = reader([Item(png("CAT")), Item(bad), Item(png("OX"))])
    assert [one.error for one in found] == [None, "cannot be read (RuntimeError)", None]
    assert found[2].text == Recognizer(checkpoint)(png("OX")).text


def test_very_wide_images_are_refused_and_wide_ones_go_alone(checkpoint, monkeypatch):
    reader = Reader(Settings(str(checkpoint), max_batch=4, max_width=4000), 1)
    thin = cv2.imencode(".png", np.full((1, 60_000), 255, np.uint8))[1].tobytes()
    (found,) = reader([Item(thin)])
    assert found.error == (
        "the image of 60000 x 1 pixels would be 1920000 wide at the network's height; at most "
        "4000 are taken"
    )
    wide = cv2.imencode(".png", draw_word("HORSE", 3500))[1].tobytes()
    images, sizes = [png("CAT"), wide, png("OX"), png("DOG7"), png("A"), png("CAT")], []
    read = reader.recognizer

    def recognizer(data, errors):
        sizes.append(len(data))
        return read(data, errors=errors)

    monkeypatch.setattr(reader, "recognizer", recognizer)
    found = reader([Item(data) for data in images])
    assert sizes == [4, 1, 1]
    offline = Recognizer(checkpoint)
    for one, data in zip(found, images, strict=True):
        read_alone = offline(data)
        assert one.text == read_alone.text
        assert one.probability == pytest.approx(read_alone.score, rel=1e-3)


def test_strict_is_the_product_over_all_steps(checkpoint):
    (found,) = Reader(Settings(str(checkpoint), strict=True), 1)([Item(png("OX"))])
    offline = Recognizer(checkpoint)
    offline.model.decoder.early_stop = False
    read = offline(png("OX"))
    assert found.text == read.text
    assert found.probability == pytest.approx(read.aocr_probability, rel=1e-4)


def test_the_recogniser_that_comes_along_is_served_in_one_view():
    assert Reader(Settings("english"), 1).recognizer.views == 1

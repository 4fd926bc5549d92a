"""What a worker does with a batch, and what the engine says of workers that do not come up."""

import cv2
import pytest
from conftest import draw_word

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import tiny_checkpoint

from aocr_plugin import Recognizer
from aocr_plugin.errors import ConfigError
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


@pytest.mark.slow
def test_workers_that_do_not_come_up(checkpoint):
    from aocr_plugin.serving.litserve_engine import LitServeEngine

    engine = LitServeEngine(Settings(str(checkpoint), start_timeout=0.01))
    with pytest.raises(ConfigError, match=r"model\.pth: not loaded after 0\.01 s"):
        with engine.workers():
            pytest.fail("it was ready")

"""Pages that lie on a side, in odd sizes, on nothing, or several in a file."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from aocr_plugin import Reader
from aocr_plugin.cli.read_page import main
from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.prediction import Prediction
from aocr_plugin.inference.recognizer import Recognizer
from aocr_plugin.reading.crops import corners, crop
from aocr_plugin.reading.detectors import RapidDetector
from aocr_plugin.reading.loading import count, load

BARS = [(60, 40, 200), (400, 44, 150), (60, 120, 220), (400, 118, 180), (80, 200, 300)]
HEIGHT = 24


class Bars(Recognizer):
    """Reads a bar whose left end is dark and whose rest tells its number; no other lies right."""

    def __init__(self):
        pass

    def __call__(self, images, *, errors="raise", views=None):
        return [self.one(image) for image in images]

    def one(self, image):
        height, width = image.shape[:2]
        begin, end = image[:, : width // 8].mean(), image[:, width // 2 :].mean()
        right = width > height and begin < 40 < end
        return Prediction(str(round((end - 100) / 20)), 0.9 if right else 0.3, [])


def page_and_boxes():
    page = np.full((260, 640, 3), 255, np.uint8)
    boxes = []
    for number, (x, y, w) in enumerate(BARS):
        page[y : y + HEIGHT, x : x + w] = 100 + 20 * number
        page[y : y + HEIGHT, x : x + w // 6] = 0
        boxes.append(np.float32([[x, y], [x + w, y], [x + w, y + HEIGHT], [x, y + HEIGHT]]))
    return page, boxes


def lying(degrees):
    """The page turned to the right, and its boxes."""
    page, boxes = page_and_boxes()
    for _ in range(degrees // 90):
        height = page.shape[0]
        page = np.ascontiguousarray(np.rot90(page, -1))
        boxes = [np.stack([height - box[:, 1], box[:, 0]], axis=1) for box in boxes]
    return page, boxes


@pytest.mark.parametrize(
    ("degrees", "turn"), [(0, None), (90, None), (270, None), (90, 90), (180, 180), (270, 270)]
)
def test_a_page_on_its_side_is_read_as_if_upright(degrees, turn):
    page, boxes = lying(degrees)
    found = Reader(Bars(), lambda page: [(box, 1.0) for box in boxes], turn=turn)(page)
    assert found.text == "0 1\n2 3\n4"
    assert (found.width, found.height) == (page.shape[1], page.shape[0])
    assert found.turn == found.to_dict()["turn"] == degrees
    for region in found.regions:  # the outline is on the page as it was
        np.testing.assert_array_equal(region.polygon, boxes[int(region.text)])


def test_a_tall_character_stays_upright_and_vertical_text_does_not():
    class Shapes(Bars):
        def one(self, image):
            tall = image.shape[0] > image.shape[1]
            score = 0.9 if tall else 0.5
            return Prediction("I" if tall else "-", score, [score])

    boxes = [[[0, 0], [100, 0], [100, 30], [0, 30]], [[120, 0], [135, 0], [135, 30], [120, 30]]]
    boxes.append([[200, 0], [220, 0], [220, 90], [200, 90]])
    page = np.zeros((100, 300, 3), np.uint8)
    found = Reader(Shapes(), lambda page: [(box, 1.0) for box in boxes])(page)
    assert found.text == "- I\n-"
    assert found.turn == 0
    with pytest.raises(ConfigError, match="turn is 45; it is one of 0, 90, 180, 270, or None"):
        Reader(Shapes(), lambda page: [], turn=45)


@pytest.mark.parametrize("shape", [(14, 4000), (1, 1), (9000, 7000), (60_000, 3), (100, 45_000)])
def test_the_default_detector_sees_every_page_in_a_bearable_size(shape, monkeypatch):
    pytest.importorskip("rapidocr_onnxruntime", reason="extra [page]")
    detector, seen = RapidDetector(), []

    def infer(pixels):
        seen.append(pixels.shape)
        return [np.zeros((1, 1, *pixels.shape[2:]), np.float32)]

    monkeypatch.setattr(detector._detector, "infer", infer)
    assert detector(np.full((*shape, 3), 255, np.uint8)) == []
    ((_, _, height, width),) = seen
    assert height % 32 == width % 32 == 0
    assert height * width < 5_500_000


def test_places_are_right_on_pages_that_are_made_smaller_and_larger():
    pytest.importorskip("rapidocr_onnxruntime", reason="extra [page]")
    word = np.full((60, 300, 3), 255, np.uint8)
    cv2.putText(word, "ALPHA", (10, 48), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (0, 0, 0), 3)
    for shape, (x, y) in (((60, 2000), (1500, 0)), ((3000, 2500), (2100, 2800))):
        page = np.full((*shape, 3), 255, np.uint8)
        page[y : y + 60, x : x + 300] = word
        ((polygon, score),) = RapidDetector()(page)
        left, top = polygon.min(0)
        right, bottom = polygon.max(0)
        assert score > 0.5
        assert x - 10 <= left < x + 30 and x + 150 < right <= x + 310
        assert y - 10 <= top < y + 20 and y + 40 < bottom <= y + 70


def test_a_crop_of_a_page_longer_than_opencv_warps():
    page = np.zeros((40_000, 60, 3), np.uint8)
    page[39_000:39_020, 10:50] = 255
    found = crop(page, corners([[10, 39_000], [50, 39_000], [50, 39_020], [10, 39_020]]))
    assert found.shape == (20, 40, 3) and found.mean() > 250


def test_what_is_transparent_is_white(tmp_path):
    pixels = np.zeros((20, 30, 4), np.uint8)
    pixels[5:10, 5:10, 3] = 255  # black ink on nothing
    expected = np.full((20, 30, 3), 255, np.uint8)
    expected[5:10, 5:10] = 0
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), pixels)
    for image in (str(path), path, path.read_bytes(), pixels, Image.fromarray(pixels, "RGBA")):
        np.testing.assert_array_equal(load(image), expected)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "clear.png"])
def test_a_page_is_turned_as_its_exif_data_say(name, tmp_path):
    image = Image.new("RGBA" if name == "clear.png" else "RGB", (60, 40), "white")
    image.paste((0, 0, 0), (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned to the right
    image.save(tmp_path / name, exif=exif)
    found = load(tmp_path / name)
    assert found.shape == (60, 40, 3)
    assert found[5:15, 33:38].max() < 60 and found[:15, :20].min() > 200


def test_every_page_of_a_tiff_file(tmp_path, monkeypatch, capsys):
    shades = [Image.new("L", (50, 40 + i), 60 * i) for i in range(3)]
    path = tmp_path / "scan.tif"
    shades[0].save(path, save_all=True, append_images=shades[1:])
    assert count(str(path)) == 3
    assert [load(path, page)[0, 0].tolist() for page in range(3)] == [[0] * 3, [60] * 3, [120] * 3]
    with pytest.raises(ImageError, match="page 4 is not a whole image"):
        load(path, 3)
    cut = tmp_path / "cut.tif"
    cut.write_bytes(path.read_bytes()[:-3000])
    assert count(str(tmp_path / "none.tif")) == 1
    reader = Reader(Bars(), lambda page: [])
    monkeypatch.setattr("aocr_plugin.reading.reader.Reader", lambda *args, **kwargs: reader)
    out = tmp_path / "out"
    words = ["--model", "m.onnx", "--out", str(out), "--json"]
    assert main([str(path), *words]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(r["page"], r["height"]) for r in records] == [(1, 40), (2, 41), (3, 42)]
    assert sorted(p.name for p in out.glob("*.json")) == [f"scan-page{i}.json" for i in (1, 2, 3)]
    assert main([str(cut), *words]) == 2

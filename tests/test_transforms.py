import cv2
import numpy as np
import pytest
from conftest import draw_word

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import ConfigError, ImageError


def canvas(image, **options):
    from aocr_plugin.datasets.canvas import AOCRCanvas

    return AOCRCanvas(**options).transform({"img": image})


@pytest.mark.parametrize(
    ("size", "filled"),
    [
        ((20, 50), (20, 50)),  # fits: not resized, not even enlarged
        ((64, 100), (32, 50)),  # higher than 32: to height 32
        ((32, 200), (14, 86)),  # too wide: to the width; 86 / 200 * 32 = 13.76 rounds up
        ((64, 400), (14, 86)),
        ((65, 100), (32, 50)),  # 49.2 rounds up
        ((16, 60), (23, 86)),  # low, and 120 wide at height 32: to the width, though it fits
        ((1, 86), (1, 86)),
    ],
)
def test_canvas_follows_the_originals_rules(size, filled):
    result = canvas(np.full(size, 200, np.uint8))
    image = result["img"]
    assert image.shape == (32, 86) and image.dtype == np.float32
    rows, columns = np.nonzero(image)
    assert (rows.max() + 1, columns.max() + 1) == filled
    assert result["valid_ratio"] == pytest.approx(filled[1] / 86)


def test_canvas_keeps_colour():
    assert canvas(np.full((64, 100, 3), 9, np.uint8))["img"].shape == (32, 86, 3)


def test_canvas_knows_two_kernels():
    image = np.random.default_rng(0).integers(0, 256, (50, 100)).astype(np.uint8)
    first, second = (canvas(image, kernel=f"tensorflow{n}")["img"] for n in (1, 2))
    assert 1 < np.abs(first - second).max() < 300
    with pytest.raises(ConfigError, match="kernel is 'cubic'; it must be one of tensorflow1"):
        canvas(image, kernel="cubic")


@pytest.mark.parametrize("color_type", ["grayscale", "color"])
def test_images_are_loaded_as_tensorflow_decodes_them(color_type, tmp_path):
    from mmocr.registry import TRANSFORMS

    from aocr_plugin.tensorflow_decoding import decode

    rng = np.random.default_rng(0)
    path = str(tmp_path / "noise.jpg")
    cv2.imwrite(path, rng.integers(0, 256, (40, 90, 3)).astype(np.uint8))
    step = TRANSFORMS.build({"type": "LoadAOCRImage", "color_type": color_type})
    result = step({"img_path": path})
    with open(path, "rb") as file:
        expected = decode(file.read(), path, color_type)
    np.testing.assert_array_equal(result["img"], expected)
    assert result["img_shape"] == result["ori_shape"] == (40, 90)
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ImageError, match=r"cut\.jpg"):
        step({"img_path": str(tmp_path / "cut.jpg")})


@pytest.mark.parametrize("shape", [(32, 60), (32, 60, 1), (32, 60, 3), (1, 1)])
def test_each_distortion_keeps_shape_and_kind(shape):
    from aocr_plugin.datasets.jitter import LineJitter

    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    none = {"affine": 0, "light": 0, "blur": 0, "noise": 0}
    for kind in none:
        jitter = LineJitter(**(none | {kind: 1}))
        changed = jitter.transform({"img": image.copy()})["img"]
        assert changed.dtype == np.uint8
        if kind == "light":
            assert changed.shape == shape
        assert changed.shape[:2] == shape[:2]
        assert changed.size == image.size


def test_light_is_a_factor_and_a_shift_cut_off_at_the_ends():
    from aocr_plugin.datasets.jitter import LineJitter

    image = np.arange(256, dtype=np.uint8).reshape(8, 32)
    jitter = LineJitter(affine=0, light=1, blur=0, noise=0)
    np.random.seed(5)
    found = jitter.transform({"img": image.copy()})["img"]
    np.random.seed(5)
    np.random.rand(2)
    factor, shift = np.random.uniform(0.7, 1.3), np.random.uniform(-30, 30)
    expected = np.clip(image.astype(np.float32) * factor + shift, 0, 255).astype(np.uint8)
    assert np.array_equal(found, expected)


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

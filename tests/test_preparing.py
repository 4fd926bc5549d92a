"""Images are prepared without MMOCR's transforms as they are by them."""

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmocr.registry import TRANSFORMS

from aocr_plugin.errors import ConfigError
from aocr_plugin.inference.preparing import by_mmocr, plain
from aocr_plugin.runtime.pipeline import LOADERS, Pipeline, loader

PADDED = ("img_path", "ori_shape", "img_shape", "valid_ratio")
LOAD = [dict(type="LoadImageFromFile"), dict(type="LoadOCRAnnotations", with_text=True)]
HEIGHT = dict(type="RescaleToHeight", height=32)
PAD = dict(type="PadToWidth", width=120)
SIZE = dict(type="Resize", scale=(100, 32))
CANVAS = dict(type="AOCRCanvas", max_width=160, max_height=60)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "steps",
    [
        [HEIGHT],
        [HEIGHT, PAD],
        [HEIGHT, dict(PAD, pad_cfg=dict(type="Pad", pad_val=7))],
        [PAD, SIZE],
        [dict(HEIGHT, min_width=40, max_width=90, width_divisor=8, interpolation="area")],
        [CANVAS],
        [CANVAS, SIZE],
        [CANVAS, dict(HEIGHT, height=48, interpolation="bicubic")],
    ],
    ids=lambda steps: ", ".join(step["type"] for step in steps),
)
def test_both_ways_give_the_same(steps, channels):
    steps = [*LOAD, *steps, dict(type="PackTextRecogInputs", meta_keys=PADDED)]
    ours, theirs = plain(steps), by_mmocr(steps)
    random = np.random.default_rng(0)
    for height, width in ((32, 86), (60, 160), (17, 23), (90, 31), (20, 400), (33, 5)):
        pixels = random.integers(0, 256, (height, width, 3)[: 2 if channels == 1 else 3])
        found, wanted = (prepare(pixels.astype(np.uint8), "a.png") for prepare in (ours, theirs))
        assert found["inputs"].dtype == wanted["inputs"].dtype
        np.testing.assert_array_equal(found["inputs"].numpy(), wanted["inputs"].numpy())
        for key in PADDED:
            assert found["data_samples"].get(key) == wanted["data_samples"].get(key), key


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (dict(CANVAS, kernel="magic"), "kernel is 'magic'"),
        (dict(CANVAS, max_height=0), "max_height"),
        (dict(HEIGHT, height="32"), "height is '32'"),
        (dict(HEIGHT, width_divisor=0), "width_divisor is 0"),
        (dict(PAD, width="a"), "width is 'a'"),
        (dict(SIZE, scale=(1, 2, 3)), "Resize of the pipeline"),
        (dict(SIZE, scale=(0, 2)), "width is 0"),
    ],
)
def test_settings_that_cannot_be_are_left_to_the_transforms(step, words):
    assert plain([*LOAD, step]) is None
    with pytest.raises(ConfigError, match=words):
        Pipeline([*LOAD, step])


def test_a_loaders_own_default_is_taken():
    assert [loader([dict(type=kind)])[1] for kind in LOADERS] == ["color", "grayscale"]
    assert loader([dict(type="mmocr.LoadAOCRImage", color_type="color")])[1] == "color"
    for kind in LOADERS:
        with DefaultScope.overwrite_default_scope("mmocr"):
            assert TRANSFORMS.build(dict(type=kind)).color_type == loader([dict(type=kind)])[1]


def test_what_only_mmocr_knows_is_left_to_it():
    assert plain([*LOAD, dict(type="PyramidRescale")]) is None

"""Attention pictures: the right column of the right image, for any text, in any run."""

import io
import math

import numpy as np
import pytest
from conftest import draw_word
from PIL import Image

import aocr_plugin  # noqa: F401
from aocr_plugin.visualization import attention, lettering, strip
from aocr_plugin.visualization.reading import (
    Reading,
    centre,
    column_edges,
    share_on_padding,
    split_symbols,
    weights_on_pixels,
)


def spike(text="A", column=3, columns=10, edges=None, **changes):
    weights = np.zeros((len(text) + 2, columns), np.float32)
    weights[:, column] = 1.0
    if edges is None:
        edges = np.arange(columns + 1) / columns
    known = dict(
        name="a.png", label=text, text=text, symbols=list(text),
        char_scores=[0.9] * len(text), score=0.9, correct=True, attention=weights, edges=edges,
    )  # fmt: skip
    return Reading(**(known | changes))


@pytest.mark.parametrize("size", [(50, 200), (64, 150), (24, 60), (40, 700), (32, 31)])
@pytest.mark.parametrize("kind", ["canvas", "height"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_column_lies_where_its_pixels_come_from(size, kind, masked):
    """A bar painted into the image is looked for in what the real pipeline makes of it."""
    import torch
    from mmocr.registry import MODELS, TRANSFORMS

    from aocr_plugin.models.widths import valid_widths

    height, width = size
    steps = {
        "canvas": dict(type="AOCRCanvas", max_width=200, max_height=50),
        "height": dict(type="RescaleToHeight", height=32, min_width=8, interpolation="area"),
    }
    transform = TRANSFORMS.build(steps[kind])
    pack = TRANSFORMS.build(
        dict(type="PackTextRecogInputs", meta_keys=("ori_shape", "img_shape", "valid_ratio"))
    )
    preprocessor = MODELS.build(
        dict(type="TextRecogDataPreprocessor", mean=[0], std=[1], pad_value=0)
    )
    for share in (0.1, 0.45, 0.9):
        batch = {"inputs": [], "data_samples": []}
        for wide in (width, 2 * width):  # the second makes padding for the first
            image = np.zeros((height, wide), np.uint8)
            bar = int(share * wide)
            image[:, bar : bar + max(2, wide // 50)] = 255
            packed = pack(transform(dict(img=image, ori_shape=image.shape, img_shape=image.shape)))
            batch["inputs"].append(packed["inputs"])
            batch["data_samples"].append(packed["data_samples"])
        out = preprocessor(batch)
        bright = out["inputs"][0, 0].sum(0).numpy()
        column = int((bright.argmax()) // 4)
        sample, total = out["data_samples"][0], bright.size
        widths = valid_widths(out["data_samples"], total, torch.device("cpu"))
        valid = total if widths is None else int(widths[0])
        edges = column_edges(
            math.ceil((valid if masked else total) / 4),
            valid_width=sample.valid_ratio * total,
            input_width=total,
        )
        pixel = 4 * width / valid
        place = (int(share * width) + max(2, width // 50) / 2) / width
        assert edges[column] - 1.5 / width <= place + pixel / width / 2
        assert place - pixel / width / 2 <= edges[column + 1] + 1.5 / width
        assert edges[0] == 0 and edges[math.ceil(valid / 4)] >= 1 > edges[math.ceil(valid / 4) - 1]


def test_another_backbones_columns_share_out_the_input():
    edges = column_edges(13, valid_width=50, input_width=100, stride=None)
    assert edges[-1] == pytest.approx(2.0) and np.allclose(np.diff(edges), 2 / 13)


@pytest.mark.parametrize("shape", [(40, 200), (40, 200, 3), (16, 30), (50, 1600)])
def test_frames_are_dimmed_but_for_the_column_looked_at(shape):
    image = np.full(shape, 200, np.uint8)
    pictures = attention.frames(image, spike("AB", column=7))
    assert len(pictures) == 3 and {p.shape for p in pictures} == {pictures[0].shape}
    assert pictures[0].ndim == len(shape) and (pictures[0] == 60).all()
    row = pictures[1][0] if len(shape) == 2 else pictures[1][0, :, 0]
    assert row.max() >= 195 and abs((row.argmax() + 0.5) / len(row) - 0.75) < 0.03
    middles = (np.arange(10) + 0.5) / 10 * len(row)
    far = [row[int(x)] for n, x in enumerate(middles) if abs(n - 7) > 1]
    assert max(far) <= 64


def test_gif_runs_half_a_second_a_picture_over_and_over():
    image = draw_word("CAT")
    reading = spike("CAT")
    reading.attention[:] = np.eye(5, 10)
    data = attention.gif(attention.frames(image, reading))
    with Image.open(io.BytesIO(data)) as gif:
        assert gif.n_frames == 4 and gif.info["loop"] == 0
        assert gif.info["duration"] == 500


def test_weights_on_padding_dim_the_image_and_are_told():
    edges = column_edges(20, valid_width=40, input_width=80)
    weights = np.zeros(20)
    weights[[2, 15]] = 0.25, 0.75
    assert share_on_padding(weights, edges) == pytest.approx(0.75)
    assert centre(weights, edges) == pytest.approx(0.25)
    assert weights_on_pixels(weights, edges, 200).max() == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("count", [0, 1, 5, 24, 25, 80])
@pytest.mark.parametrize("shape", [(20, 14, 3), (50, 200), (44, 1536)])
def test_strips_of_any_text_and_image_have_a_sane_size(count, shape):
    text = ("Ab 中א\u0301😀\x07" * 12)[:count]
    reading = spike(text, correct=False, label="x")
    picture = strip.strip(np.full(shape, 200, np.uint8), reading)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert 200 < picture.shape[1] <= 1028 and 120 < picture.shape[0] < 2200


def test_a_strip_glows_where_the_network_looked():
    picture = strip.strip(np.full((50, 200), 255, np.uint8), spike("A", column=8)).astype(int)
    warm = picture[:, :, 0] - picture[:, :, 2] > 100
    rows = np.nonzero(warm.sum(1) > 12)[0]
    places = np.nonzero(warm[rows].any(0))[0]
    panel = np.nonzero((picture[rows[10]] < 120).all(1) | warm[rows[10]])[0]
    share = (places.mean() - panel.min()) / (panel.max() - panel.min())
    assert len(rows) > 50 and share == pytest.approx(0.85, abs=0.02)


@pytest.mark.parametrize("character", ["A", " ", "中", "א", "\u0301", "😀", "\x07", "\U0010fffd"])
def test_every_character_leaves_ink(character):
    image = Image.new("L", (60, 40), 255)
    from PIL import ImageDraw

    width = lettering.draw_symbol(ImageDraw.Draw(image), (2, 2), character, 20, 0)
    assert 0 < width <= 45 and (np.asarray(image) < 128).sum() > 10


def test_an_unknown_symbols_token_is_one_symbol():
    assert split_symbols("A<UKN>B", 3, "<UKN>") == ["A", "<UKN>", "B"]
    assert split_symbols("AB", 2, "<UKN>") == ["A", "B"]

"""Crops and reading order, on places that are known; MMOCR's detector with random weights."""

import cv2
import numpy as np
import pytest

from aocr_plugin.reading.crops import corners, crop
from aocr_plugin.reading.order import reading_order, slant


def box(x, y, w=100, h=20, angle=0.0, around=(300, 300)):
    points = np.float32([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
    turn = cv2.getRotationMatrix2D(around, angle, 1)
    return (np.c_[points, np.ones(4)] @ turn.T).astype(np.float32)


@pytest.mark.parametrize("angle", [0, 15, -15, 44, -44])
@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("step", [1, -1])
def test_corners_begin_at_the_top_left_from_any_start(angle, start, step):
    right = box(100, 100, angle=angle)
    np.testing.assert_allclose(corners(np.roll(right, start, axis=0)[::step]), right)


def test_a_polygon_of_many_points_becomes_its_rectangle():
    points = [[10, 10], [50, 10], [90, 10], [90, 40], [50, 40], [10, 40]]
    np.testing.assert_allclose(corners(points), [[10, 10], [90, 10], [90, 40], [10, 40]], atol=1e-3)


@pytest.mark.parametrize("angle", [0, 15, -30])
def test_crop_undoes_a_rotation(angle):
    word = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 255, (40, 160, 3)).astype(np.uint8), (0, 0), 3
    )
    page = np.full((600, 600, 3), 128, np.uint8)
    page[300:340, 200:360] = word
    turn = cv2.getRotationMatrix2D((300, 300), angle, 1)
    page = cv2.warpAffine(page, turn, (600, 600), flags=cv2.INTER_CUBIC)
    found = crop(page, corners(box(200, 300, 160, 40, angle)))
    assert found.shape == word.shape
    inner = (slice(3, -3), slice(3, -3))
    assert np.abs(found[inner].astype(int) - word[inner]).mean() < 1.5


def test_vertical_text_is_turned_to_the_left():
    page = np.zeros((200, 100, 3), np.uint8)
    page[20:60, 40:60] = 255  # the beginning, at the top
    found = crop(page, corners([[40, 20], [60, 20], [60, 180], [40, 180]]))
    assert found.shape == (20, 160, 3)
    assert found[:, :35].mean() > 250
    assert found[:, 45:].mean() < 5


@pytest.mark.parametrize("size", [(1, 1), (0, 0), (3, 2), (30, 2)])
def test_small_regions_are_widened_also_at_the_page_edge(size):
    page = np.full((50, 50, 3), 77, np.uint8)
    found = crop(page, corners(box(0, 0, *size)))
    assert min(found.shape[:2]) >= 8
    assert (found == 77).all()


def test_margin_is_of_what_is_around():
    page = np.zeros((100, 200, 3), np.uint8)
    page[40:60, 50:150] = 255
    found = crop(page, corners(box(50, 40, 100, 20)), margin=0.5)
    assert found.shape == (40, 120, 3)
    assert found[:8].max() == 0
    assert found[12:28, 12:-12].min() == 255


@pytest.mark.parametrize("angle", [0, 5, -5, 15, -15])
def test_order_is_robust_to_slant(angle):
    places = [(x, y + dy) for y in (50, 90, 130) for x, dy in ((20, 0), (200, 3), (420, -3))]
    quads = [box(x, y, angle=angle) for x, y in places]
    assert slant(quads) == pytest.approx(-np.deg2rad(angle), abs=1e-4)
    shuffled = np.random.default_rng(1).permutation(9)
    lines = reading_order([quads[i] for i in shuffled])
    assert [[int(shuffled[i]) for i in line] for line in lines] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


@pytest.mark.parametrize("angle", [0, 12, -12])
def test_columns(angle):
    quads = [box(x, y, angle=angle) for x in (20, 300) for y in (50, 90, 130)]
    assert reading_order(quads, columns=2) == [[0], [1], [2], [3], [4], [5]]
    assert reading_order(quads) == [[0, 3], [1, 4], [2, 5]]
    heading = [*quads, box(20, 5, 380, angle=angle)]  # closes the gap
    assert reading_order(heading, columns=2) == [[6], [0], [1], [2], [3], [4], [5]]
    between = [*quads, box(22, 70, 370, 14, angle=angle)]
    assert reading_order(between, columns=2) == [[0], [3], [6], [1], [2], [4], [5]]
    everywhere = [box(20, y, 380, angle=angle) for y in (50, 90, 130)] + quads[:3]
    assert reading_order(everywhere, columns=2) == reading_order(everywhere)


def test_nothing_has_no_order():
    assert reading_order([]) == []


@pytest.mark.slow
def test_polygons_of_an_mmocr_detector_flow_through(tmp_path, seeded):
    import mmocr
    import torch
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    from aocr_plugin.reading.detectors import open_detector

    root = f"{mmocr.__path__[0]}/.mim/configs/textdet/dbnet"
    path = f"{root}/dbnet_resnet18_fpnc_1200e_icdar2015.py"
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None
    config.model.det_head.postprocessor.update(mask_thr=0.0, min_text_score=0.0, min_text_width=1)
    config.dump(tmp_path / "dbnet.py")
    init_default_scope("mmocr")
    torch.save({"state_dict": MODELS.build(config.model).state_dict()}, tmp_path / "w.pth")
    detect = open_detector((tmp_path / "dbnet.py", tmp_path / "w.pth"))
    page = np.random.default_rng(0).integers(0, 255, (160, 240, 3)).astype(np.uint8)
    found = detect(page)
    assert found
    for polygon, score in found:
        assert polygon.shape[1] == 2
        assert len(polygon) >= 4
        assert 0 <= score <= 1
        assert min(crop(page, corners(polygon)).shape[:2]) >= 8

"""A detector of MMOCR's before our recogniser: in our reader, and in MMOCR's own inferencer."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import ROOT, WORDS
from exported import kinds, write
from test_reading_page import draw_page

from aocr_plugin import Reader, Recognizer

pytestmark = pytest.mark.slow


@pytest.fixture
def detector(seeded, tmp_path):
    """Config and weights of MMOCR's DBNet; no weights are at hand, so random ones."""
    import mmocr
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    configs = Path(mmocr.__file__).parent / ".mim" / "configs" / "textdet" / "dbnet"
    config = configs / "dbnet_resnet18_fpnc_1200e_icdar2015.py"
    cfg = Config.fromfile(config)
    cfg.model.backbone.init_cfg = None
    weights = tmp_path / "db.pth"
    torch.save({"state_dict": MODELS.build(cfg.model).state_dict()}, weights)
    return str(config), str(weights)


def test_both_find_the_same_regions(detector, tmp_path, words):
    from mmengine.config import Config
    from mmocr.apis import MMOCRInferencer

    checkpoint = str(write("masked", tmp_path / "a.pth"))
    cfg = Config.fromfile(ROOT / "configs" / "aocr_base.py")
    cfg.model = kinds()["masked"][0]
    cfg.dump(tmp_path / "a.py")
    picture = str(tmp_path / "page.png")
    cv2.imwrite(picture, draw_page()[0])
    det, det_weights = detector
    rec = {"rec": str(tmp_path / "a.py"), "rec_weights": checkpoint, "device": "cpu"}
    (theirs,) = MMOCRInferencer(det=det, det_weights=det_weights, **rec)(picture)["predictions"]
    ours = Reader(checkpoint, (det, det_weights), turn=0)(picture).regions
    assert len(ours) == len(theirs["rec_texts"]) == len(theirs["det_polygons"]) > 0
    found = sorted([value for point in region.polygon for value in point] for region in ours)
    np.testing.assert_allclose(found, sorted(theirs["det_polygons"]), atol=0.01)
    files = [str(words.parent / "images" / f"{word}.png") for word in WORDS]
    read = [one["rec_texts"] for one in MMOCRInferencer(**rec)(files)["predictions"]]
    assert read == [[one.text] for one in Recognizer(checkpoint)(files)]

"""A checkpoint that is given away."""

import hashlib

import numpy as np
import pytest
import torch
from conftest import tiny_model

from aocr_plugin import Recognizer
from aocr_plugin.cli import publish

PIPELINE = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="RescaleToHeight", height=32, min_width=8, max_width=2048),
    dict(type="PackTextRecogInputs", meta_keys=("img_shape", "valid_ratio")),
]


@pytest.fixture
def trained(tmp_path):
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    torch.manual_seed(0)
    model = MODELS.build(tiny_model())
    for parameter in model.decoder.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    described = dict(format=1, version="0", model=tiny_model(), test_pipeline=PIPELINE)
    meta = {"aocr": described, "cfg": "work_dir = '/home/me'", "iter": 7}
    path = tmp_path / "best.pth"
    torch.save(
        {"meta": meta, "state_dict": model.state_dict(), "optimizer": {}, "message_hub": {}}, path
    )
    return path


@pytest.mark.parametrize("half", [False, True])
def test_weights_and_description_are_kept_and_nothing_else(trained, tmp_path, words, capsys, half):
    out = tmp_path / "out" / "given.pth"
    assert publish.main([str(trained), str(out), *(["--half"] if half else [])]) == 0
    assert hashlib.sha256(out.read_bytes()).hexdigest() in capsys.readouterr().out
    assert b"/home/me" not in out.read_bytes()
    given = torch.load(out, weights_only=True)
    assert set(given) == {"meta", "state_dict"} and set(given["meta"]) == {"aocr"}
    assert given["state_dict"]["backbone.blocks.0.conv.weight"].dtype == (
        torch.float16 if half else torch.float32
    )
    images = sorted(map(str, words.parent.glob("images/*.png")))
    before, after = Recognizer(trained)(images), Recognizer(out)(images)
    assert all(np.isclose(a.score, b.score, rtol=0.05) for a, b in zip(before, after, strict=True))
    if not half:
        assert [a.text for a in before] == [b.text for b in after]


def test_a_file_without_description_is_named(tmp_path, capsys):
    path = tmp_path / "plain.pth"
    torch.save({"state_dict": {}}, path)
    assert publish.main([str(path), str(tmp_path / "out.pth")]) == 2
    assert "does not describe itself" in capsys.readouterr().err
    assert not (tmp_path / "out.pth").exists()

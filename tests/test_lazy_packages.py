"""Reading that imports of MMOCR only what it uses reads what it always did."""

import json
import subprocess
import sys

import mixing_parts
import pytest
import torch
from conftest import ROOT, WORDS, draw_word
from test_checkpoints import PIPELINE

from aocr_plugin import lazy_packages

HEAVY = {"imgaug", "matplotlib", "mmdet.models", "scipy", "sympy", "torchvision"}
READ = """
import json, sys
from aocr_plugin import lazy_packages
if sys.argv[1] == "lazily":
    lazy_packages.install()
from aocr_plugin import Recognizer
from aocr_plugin.errors import AOCRError
for model in sys.argv[3:]:
    try:
        found = [prediction.to_dict() for prediction in Recognizer(model)([sys.argv[2]])]
    except AOCRError as error:
        found = str(error)
    print(json.dumps(found))
print(json.dumps(sorted(sys.modules)))
"""
LATER = """
import sys
from aocr_plugin import lazy_packages
lazy_packages.install()
from mmocr.registry import MODELS
from mmcv.cnn import fuse_conv_bn
from mmcv.cnn.utils import fuse_conv_bn as again
import mmcv.cnn.utils.fuse_conv_bn
import mmengine
assert callable(fuse_conv_bn) and fuse_conv_bn is again is mmcv.cnn.utils.fuse_conv_bn
assert mmengine.fileio.exists and mmcv.__version__
assert not hasattr(mmengine, "nothing")
assert MODELS.get("SARNet").__module__ == "mmocr.models.textrecog.recognizers.sar"
assert "mmocr.models.textdet.detectors.dbnet" not in sys.modules
assert MODELS.get("mmdet.DetTTAModel").__name__ == "DetTTAModel"  # of another scope
from mmengine.registry import OPTIMIZERS
assert OPTIMIZERS.get("AdamW") is not None
from mmocr.models import *
assert DBNet is MODELS.get("DBNet")
from aocr_plugin import Recognizer
assert Recognizer("aocr_plugin/weights/english.pth")(sys.argv[1]).text
print("right")
"""


def run(*words):
    """Runs Python on a program and its arguments; returns its lines."""
    found = subprocess.run(
        [sys.executable, "-c", *map(str, words)], capture_output=True, text=True, cwd=ROOT
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def both(word, *models):
    """Reads an image with models, as always and lazily; returns what was read, and the modules."""
    always, lazily = (
        [json.loads(line) for line in run(READ, how, word, *models)] for how in ("always", "lazily")
    )
    for one, other in zip(always[:-1], lazily[:-1], strict=True):
        if isinstance(one, str):
            assert one == other
            continue
        assert [found["text"] for found in one] == [found["text"] for found in other]
        scores = [found["score"] for found in one]
        assert scores == pytest.approx([found["score"] for found in other], abs=1e-3)
    return lazily[:-1], set(lazily[-1])


@pytest.fixture
def word(tmp_path):
    import cv2

    path = tmp_path / "word.png"
    cv2.imwrite(str(path), draw_word(WORDS[0]))
    return path


def save(path, config, pipeline=PIPELINE, **described):
    """Saves a recogniser without training, as a checkpoint."""
    torch.manual_seed(0)
    config = {"data_preprocessor": {"type": "TextRecogDataPreprocessor"}} | config
    state = mixing_parts.build(config).state_dict()
    about = {"format": 1, "version": "0", "model": config, "test_pipeline": pipeline} | described
    torch.save({"meta": {"aocr": about}, "state_dict": state}, path)
    return path


def test_the_recogniser_that_comes_along_needs_little(word):
    (found,), modules = both(word, "aocr_plugin/weights/english.pth")
    assert found[0]["text"] == WORDS[0]
    assert not HEAVY & modules
    assert "mmocr.models.textdet.detectors.dbnet" not in modules


@pytest.mark.parametrize(
    "command",
    [
        [str(ROOT / "tools" / "predict.py")],
        ["-m", "aocr_plugin.cli.aocr.main", "predict", "--checkpoint"],
    ],
    ids=["predict.py", "aocr"],
)
def test_the_tools_do_so(word, tmp_path, command):
    canvas = [dict(type="LoadAOCRImage"), dict(type="AOCRCanvas"), PIPELINE[-1]]
    path = save(tmp_path / "canvas.pth", mixing_parts.ours_after("SlidingCNN"), canvas)
    found = subprocess.run(
        [sys.executable, "-X", "importtime", *command, str(path), str(word)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert found.returncode == 0, found.stderr
    assert (str(word) if len(command) == 1 else "Result: OK.") in found.stdout
    imported = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines()}
    assert "torch" in imported
    assert not HEAVY & imported


@pytest.mark.slow
def test_mmocrs_own_parts_are_found(word, tmp_path):
    rotated = [*PIPELINE[:-1], dict(type="PadToWidth", width=120), PIPELINE[-1]]
    models = [
        save(tmp_path / "aster.pth", mixing_parts.ours_before("ASTER")),
        save(tmp_path / "sar.pth", mixing_parts.ours_before("SAR, parallel")),
        save(tmp_path / "stn.pth", mixing_parts.ours_after("ResNet", stn=True)),
        save(tmp_path / "pad.pth", mixing_parts.ours_before("CTC"), rotated),
    ]
    found, modules = both(word, *models)
    assert len({prediction["text"] for (prediction,) in found}) > 1
    assert not {"mmdet.models", "matplotlib"} & modules


@pytest.mark.slow
def test_what_cannot_be_found_is_looked_for_everywhere(word, tmp_path):
    distorted = [*PIPELINE[:-1], dict(type="mmdet.PhotoMetricDistortion"), PIPELINE[-1]]
    mobile = mixing_parts.ours_after("MobileNetV2")
    colour = [PIPELINE[0] | {"color_type": "color"}, *PIPELINE[1:]]
    pyramid = [*PIPELINE[:-1], dict(type="PyramidRescale", randomize_factor=False), PIPELINE[-1]]
    models = [
        save(tmp_path / "scope.pth", mixing_parts.ours_before("CTC"), distorted),
        save(tmp_path / "code.pth", mixing_parts.ours_before("CTC"), [dict(type="os.system")]),
        save(tmp_path / "mobile.pth", mobile, colour),
        save(tmp_path / "pyramid.pth", mixing_parts.ours_before("CTC"), pyramid),
    ]
    found, _ = both(word, *models)
    assert all("names no component of this plugin" in message for message in found[:2])
    assert all("text" in prediction for (prediction,) in found[2:])


def test_a_program_that_goes_on_finds_everything(word):
    assert run(LATER, word) == ["right"]


def test_where_mmocr_is_there_already_nothing_changes():
    lazy_packages.install()
    assert not lazy_packages._lazy

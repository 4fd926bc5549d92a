"""Reading without PyTorch and MMOCR: pipeline, texts, imports."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, draw_word
from exported import CANVAS, COLOUR, RESCALED, write

from aocr_plugin.errors import ConfigError
from aocr_plugin.runtime.model_info import ModelInfo
from aocr_plugin.runtime.pipeline import Pipeline
from aocr_plugin.runtime.texts import predictions

BLOCKED = ("torch", "torchvision", "mmocr", "mmengine", "mmcv", "mmdet")


def rescale(**changes):
    return [RESCALED[0], dict(type="RescaleToHeight", height=32) | changes, RESCALED[-1]]


@pytest.mark.parametrize(
    "steps",
    [
        RESCALED,
        COLOUR,
        CANVAS,
        [*CANVAS[:1], dict(type="AOCRCanvas", kernel="tensorflow1", height=40), CANVAS[-1]],
        rescale(),
        rescale(interpolation="bicubic", min_width=16, width_divisor=16),
        rescale(interpolation="lanczos", min_width=100, max_width=120),
        [*rescale(interpolation="nearest")[:2], dict(type="PadToWidth", width=200), CANVAS[-1]],
        [RESCALED[0], dict(type="mmocr.Resize", scale=(100, 32)), RESCALED[-1]],
    ],
)
def test_pipeline_gives_what_mmocr_gives(steps):
    from mmcv.transforms import Compose
    from mmengine.registry import DefaultScope
    from mmocr.registry import TRANSFORMS

    with DefaultScope.overwrite_default_scope("mmocr"):
        theirs = Compose(
            [TRANSFORMS.build(step) for step in steps[1:] if "Ann" not in step["type"]]
        )
    ours = Pipeline(steps)
    rng = np.random.default_rng(0)
    for height, width in ((32, 86), (60, 160), (17, 23), (90, 31), (20, 400), (33, 5)):
        pixels = ours.decode(rng.integers(0, 255, (height, width, 3)).astype(np.uint8), "a")
        size = pixels.shape[:2]
        right = theirs(dict(img=pixels, img_path="a", img_shape=size, ori_shape=size))["inputs"]
        found = ours(pixels)
        planes = found[None] if found.ndim == 2 else found.transpose(2, 0, 1)
        np.testing.assert_array_equal(planes, right.numpy())


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (dict(type="TextRecogGeneralAug"), "TextRecogGeneralAug, which only MMOCR can run"),
        (dict(type="RescaleToHeight", height=32, backend="pillow"), "RescaleToHeight of the pipe"),
        (dict(type="RescaleToHeight", height=32, interpolation="magic"), "interpolation 'magic'"),
        (dict(type="Resize", scale=(1, 2), keep_ratio=True), "keep_ratio=True"),
        (dict(type="PadToWidth", width=9, pad_cfg=dict(type="Pad", mode="edge")), "pad_cfg="),
    ],
)
def test_a_step_that_is_not_known_is_named(step, words):
    with pytest.raises(ConfigError, match=words):
        Pipeline([RESCALED[0], step])


def test_texts_are_the_postprocessors():
    """Against ``WordScorePostprocessor`` on random probabilities."""
    import torch
    from conftest import make_samples
    from mmengine.registry import DefaultScope
    from mmocr.registry import MODELS

    rng = np.random.default_rng(1)
    sharp = np.exp(rng.normal(size=(40, 6, 9)) * 3)
    probabilities = (sharp / sharp.sum(-1, keepdims=True)).astype(np.float32)
    dictionary = dict(type="AOCRDictionary", charset="chars:abcde", with_unknown=True)
    for score in ("product", "geometric", "minimum"):
        with DefaultScope.overwrite_default_scope("mmocr"):
            processor = MODELS.build(
                dict(type="WordScorePostprocessor", dictionary=dictionary, score=score)
            )
        info = ModelInfo(
            [], 1, [0], [1], False, 0, 1, processor.dictionary.dict, [0, 1], 2, score, 1.0, 6
        )
        samples = processor(torch.from_numpy(probabilities), make_samples([""] * 40))
        for one, sample in zip(predictions(info, probabilities, [None] * 40), samples, strict=True):
            assert one.text == sample.pred_text.item
            assert one.char_scores == pytest.approx(sample.pred_text.score)
            assert one.score == pytest.approx(sample.pred_text.word_score)
            assert one.aocr_probability == pytest.approx(sample.pred_text.aocr_probability)


@pytest.mark.slow
def test_an_export_is_read_where_there_is_no_pytorch(tmp_path):
    """By ``Recognizer``, by ``tools/predict.py`` and by the client of fifty lines."""
    import cv2

    from aocr_plugin import Recognizer
    from aocr_plugin.export import onnx_file

    checkpoint = write("masked", tmp_path / "a.pth")
    onnx_file.export(checkpoint, tmp_path / "a.onnx")
    cv2.imwrite(str(tmp_path / "word.png"), draw_word("HORSE"))
    wanted = Recognizer(checkpoint)(tmp_path / "word.png")
    blocked = tmp_path / "sitecustomize.py"
    blocked.write_text(
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {BLOCKED}:\n"
        "            raise ModuleNotFoundError('there is no ' + name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )

    def run(*words):
        found = subprocess.run(
            [sys.executable, *words],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout

    out = run(str(ROOT / "tools" / "predict.py"), "a.onnx", "word.png", "--format=jsonl")
    assert json.loads(out)["text"] == wanted.text
    out = run(str(ROOT / "examples" / "onnx_client.py"), "a.onnx", "word.png")
    name, text, score = out.rstrip("\n").split("\t")
    assert (name, text) == ("word.png", wanted.text)
    assert float(score) == pytest.approx(wanted.score, abs=1e-3)
    assert (
        "there is no torch"
        in subprocess.run(
            [sys.executable, "-c", "import torch"],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(tmp_path)},
        ).stderr
    )


def test_the_client_says_what_it_is_not_for(tmp_path):
    import cv2

    spec = importlib.util.spec_from_file_location("client", ROOT / "examples" / "onnx_client.py")
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    cv2.imwrite(str(tmp_path / "word.png"), draw_word("HORSE"))
    with pytest.raises(SystemExit, match="another preprocessing: AOCRCanvas"):
        client.prepare(
            str(tmp_path / "word.png"), {"channels": 1, "pipeline": [{"type": "AOCRCanvas"}]}
        )

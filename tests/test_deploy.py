"""MMDeploy with our checkpoints: conversion, its SDK, its and MMOCR's entry points."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from conftest import ROOT, WORDS, draw_word
from exported import RESCALED, kinds, write

from aocr_plugin import Recognizer
from aocr_plugin.cli.deploy import main, split
from aocr_plugin.errors import ConfigError

mmdeploy = pytest.importorskip("mmdeploy", reason="MMDeploy is not installed: extra [deploy]")

CONFIGS = ROOT / "configs" / "deploy"
SDK_KNOWS = {
    *("LoadImageFromFile", "RescaleToHeight", "Resize", "Normalize", "Pad"),
    *("DefaultFormatBundle", "Collect"),
}


def config(name):
    return str(CONFIGS / f"text-recognition_{name}.py")


@pytest.fixture
def images(tmp_path):
    paths = []
    for word in WORDS:
        paths.append(str(tmp_path / f"{word}.png"))
        high = draw_word(word)  # 32 pixels high already: the SDK's resizing is bilinear only
        cv2.imwrite(paths[-1], cv2.resize(high, None, fx=0.8, fy=0.8))
    return paths


def test_every_deploy_config_loads_and_is_for_this_package():
    from mmengine.config import Config

    files = sorted(CONFIGS.glob("*.py"))
    assert len(files) == 14
    for file in files:
        cfg = Config.fromfile(file)
        assert cfg.codebase_config.module == ["aocr_plugin.deploy"], file
        assert cfg.backend_config.type in file.name
        for given in cfg.backend_config.get("model_inputs", []):
            shapes = given["input_shapes"]["input"]
            low, best, high = (shapes[f"{name}_shape"] for name in ("min", "opt", "max"))
            assert all(a <= b <= c for a, b, c in zip(low, best, high, strict=True))
            static = cfg.onnx_config.get("input_shape")
            assert low == best == high == [1, 1, 32, static[0]] if static else low[3] < high[3]


def test_order_of_symbols_is_mmocrs(tmp_path):
    """The order that ``Dictionary`` of MMOCR, which the SDK follows, gives the same characters."""
    from mmocr.models.common import Dictionary

    from aocr_plugin.deploy.order import characters, sdk_order, sdk_parameters
    from aocr_plugin.models.dictionary import AOCRDictionary

    ours = AOCRDictionary(charset="chars:aé ß", with_unknown=True)
    (tmp_path / "dict.txt").write_text("".join(f"{c}\n" for c in characters(ours)))
    theirs = Dictionary(str(tmp_path / "dict.txt"), **sdk_parameters(ours))
    order = sdk_order(ours)
    assert [ours.dict[i] for i in order][:4] == theirs.dict[:4] == ["a", "é", " ", "ß"]
    for name in ("start", "end", "padding", "unknown"):
        assert order[getattr(theirs, f"{name}_idx")] == getattr(ours, f"{name}_idx")
    assert sdk_order(theirs) == list(range(len(theirs.dict)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["masked", "original", "colour"])
def test_onnx_runtime_the_sdk_and_inference_model(kind, tmp_path, images, capsys):
    from mmdeploy.apis import inference_model

    from aocr_plugin.deploy.model_config import from_checkpoint

    checkpoint = str(write(kind, tmp_path / "a.pth"))
    model_config = str(ROOT / "configs" / "aocr_base.py")  # as MMDeploy's own tool is called
    folders = {name: tmp_path / name for name in ("onnxruntime_dynamic", "onnxruntime_static")}
    for name, folder in folders.items():
        words = [config(name), model_config, checkpoint, images[0], "--work-dir", str(folder)]
        assert main([*words, "--dump-info"]) == 0
        pipeline = json.loads((folder / "pipeline.json").read_text())["pipeline"]["tasks"]
        assert {step["type"] for step in pipeline[0]["transforms"]} <= SDK_KNOWS
        assert json.loads((folder / "deploy.json").read_text())["models"][0]["net"]
        assert (folder / "detail.json").is_file()
    assert capsys.readouterr().err.count("all texts are equal") == 2
    wanted = Recognizer(checkpoint)(images)
    found = Recognizer(folders["onnxruntime_dynamic"] / "end2end.onnx")(images)
    assert [one.text for one in found] == [one.text for one in wanted]
    for name, width in (("onnxruntime_dynamic", None), ("onnxruntime_static", 160)):
        for path, right in zip(images, wanted, strict=True):
            model = str(folders[name] / "end2end.onnx")
            (sample,) = inference_model(
                from_checkpoint(checkpoint, width), config(name), [model], path, "cpu"
            )
            assert sample.pred_text.item == right.text
            assert sample.pred_text.score == pytest.approx(right.char_scores, abs=1e-4)
    if kind == "masked":
        assert _by_sdk(folders, images) == [right.text for right in wanted] * 2


def _by_sdk(folders, images):
    """Returns the texts of MMDeploy's C++ SDK, in a process of its own: it aborts on errors."""
    script = (
        "import sys, cv2\nfrom mmdeploy_runtime import TextRecognizer\n"
        f"for folder in {[str(folder) for folder in folders.values()]}:\n"
        "    reader = TextRecognizer(model_path=folder, device_name='cpu', device_id=0)\n"
        f"    for path in {images}:\n"
        "        print('TEXT', reader(cv2.imread(path))[0])\n"
    )
    pytest.importorskip("mmdeploy_runtime", reason="MMDeploy's SDK is not installed")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [line.removeprefix("TEXT ") for line in done.stdout.splitlines() if "TEXT" in line]


@pytest.mark.slow
def test_openvino_torchscript_half_precision_and_tensorrt(tmp_path, images, capsys):
    from mmdeploy.apis import inference_model

    from aocr_plugin.deploy.model_config import from_checkpoint

    checkpoint = str(write("masked_gru", tmp_path / "a.pth"))
    wanted = Recognizer(checkpoint)(images[0])
    files = {"openvino_dynamic": "xml", "torchscript": "pt", "onnxruntime-fp16_dynamic": "onnx"}
    for name, suffix in files.items():
        assert main([config(name), checkpoint, "--work-dir", str(tmp_path / name)]) == 0
        model = str(tmp_path / name / f"end2end.{suffix}")
        if "fp16" not in name:
            (sample,) = inference_model(
                from_checkpoint(checkpoint, None), config(name), [model], images[0], "cpu"
            )
            assert sample.pred_text.item == wanted.text
    capsys.readouterr()
    name = "tensorrt-int8_dynamic-1x32x8-32x32x512"
    words = [config(name), checkpoint, "--work-dir", str(tmp_path / "t")]
    assert main(words) == 2
    assert "int8 is calibrated on real images: give some with --test-img" in capsys.readouterr().err
    assert main([*words, "--test-img", *images]) == 2
    assert "TensorRT is not installed here; " in capsys.readouterr().err
    import h5py

    with h5py.File(tmp_path / "t" / "calib_data.h5") as file:
        group = file["calib_data"]["end2end"]["input"]
        assert len(group) == len(images) and group["0"].shape[:3] == (1, 1, 32)
        assert -1.01 < np.asarray(group["0"]).min() < np.asarray(group["0"]).max() < 1
    assert (tmp_path / "t" / "end2end.onnx").is_file()


def test_sdk_transforms_name_what_the_sdk_has_not():
    from aocr_plugin.deploy.sdk_pipeline import sdk_transforms

    with pytest.raises(ConfigError, match="SDK has no ImgAugWrapper; leave --dump-info out"):
        sdk_transforms([*RESCALED, dict(type="ImgAugWrapper")], {}, None)


def test_command_line(tmp_path, capsys):
    assert split(["a.py", "b.pth", "c.png"]) == ("b.pth", "c.png")
    assert split(["b.pth"]) == ("b.pth", None)
    with pytest.raises(ConfigError, match=r"give \[MODEL_CONFIG.py\] CHECKPOINT \[IMAGE\]"):
        split(["a.py"])
    checkpoint = str(write(sorted(kinds())[0], tmp_path / "a.pth"))
    (tmp_path / "x.py").write_text("codebase_config = dict(type='mmdet', task='ObjectDetection')")
    assert main([str(tmp_path / "x.py"), checkpoint]) == 2
    assert "codebase_config.task is 'ObjectDetection'" in capsys.readouterr().err
    assert main([config("sdk"), checkpoint]) == 2
    assert "backend_config.type is 'sdk'; convert with one of" in capsys.readouterr().err


def test_mmocrs_inferencer(tmp_path, images, words):
    from mmengine.config import Config
    from mmocr.apis import TextRecInferencer

    model, _ = kinds()["masked"]
    checkpoint = str(write("masked", tmp_path / "a.pth"))
    cfg = Config.fromfile(ROOT / "configs" / "aocr_base.py")
    cfg.model = model
    cfg.visualizer.name = "inferencer"
    reader = TextRecInferencer(cfg, checkpoint, device="cpu")
    found = [one["text"] for one in reader(images, batch_size=2)["predictions"]]
    assert found == [one.text for one in Recognizer(checkpoint)(images)]


@pytest.mark.parity
@pytest.mark.parametrize("golden", ["gru_plates"], indirect=True)
def test_mmocrs_inferencer_with_a_converted_config(golden, real_sets, tmp_path):
    """JPEG files, whose texts need TensorFlow's pixels, and arrays."""
    from mmocr.apis import TextRecInferencer

    from aocr_plugin.cli.convert import main as convert

    sizes = ["--max-width", "180", "--max-height", "64", "--max-prediction", "10"]
    assert convert([str(golden / "weights.npz"), str(tmp_path / "a.pth"), *sizes, "--use-gru"]) == 0
    entries = json.loads((golden / "outputs.json").read_text())["images"]
    files = [str(real_sets / "plates_us" / entry["path"]) for entry in entries]
    reader = TextRecInferencer(str(tmp_path / "a.py"), str(tmp_path / "a.pth"), device="cpu")
    found = [one["text"] for one in reader(files, batch_size=16)["predictions"]]
    assert found == [entry["prediction"] for entry in entries]
    pixels = cv2.imread(files[0])
    assert reader(pixels)["predictions"][0]["text"]

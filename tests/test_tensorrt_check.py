"""The script for GPU machines, with stand-ins for TensorRT: all of it that a CPU can run."""

import json
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import stand_in_tensorrt
import torch
from conftest import draw_word
from exported import kinds, write
from onnx import TensorProto, helper

from aocr_plugin.cli.tensorrt_check import main
from aocr_plugin.errors import ConfigError, ExportError
from aocr_plugin.export import (
    gpu_check,
    onnx_graph,
    parity,
    quantization,
    sample_images,
    tensorrt_engine,
)
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime import tensorrt_runtime
from aocr_plugin.runtime.engine import GraphEngine

VERSIONS = ["8.6", "10.1", "11.4"]
SHAPES = {"min_shape": [1, 1, 32, 8], "opt_shape": [8, 1, 32, 128], "max_shape": [32, 1, 32, 512]}


@pytest.fixture
def trt(request, monkeypatch):
    """Puts a stand-in of a version in TensorRT's place; MMDeploy imports it too."""
    made = stand_in_tensorrt.module(getattr(request, "param", "10.1"))
    monkeypatch.setitem(sys.modules, "tensorrt", made)
    for name in [name for name in sys.modules if name.startswith("mmdeploy.backend.tensorrt")]:
        monkeypatch.delitem(sys.modules, name)
    return made


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    made = sample_images.word_images()[::6]
    monkeypatch.setattr(sample_images, "word_images", lambda: made)
    monkeypatch.setattr(parity, "BATCHES", (1, 2))
    monkeypatch.setattr(gpu_check, "TIMED_BATCHES", (1, 3))
    monkeypatch.setattr(gpu_check, "WARM_UP", 1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write("masked", tmp_path_factory.mktemp("model") / "a.pth")


@pytest.fixture(scope="module")
def engine(checkpoint):
    return PyTorchEngine(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def graph(engine):
    return onnx_graph.graph(engine, None, None).SerializeToString()


@pytest.fixture
def model(graph):
    return onnx.load_from_string(graph)


def told(data):
    """Returns what the stand-in's builder was told."""
    return json.loads(bytes(data).split(b"\0")[0])


@pytest.mark.slow
@pytest.mark.parametrize("trt", VERSIONS, indirect=True)
def test_whole_tool(trt, checkpoint, tmp_path, capsys, monkeypatch):
    if trt.__version__ < "11":
        pytest.importorskip("mmdeploy", reason="MMDeploy is not installed: extra [deploy]")
    cv2.imwrite(str(tmp_path / "wide.png"), draw_word("HORSE", 700))  # wider than the bundled ones
    monkeypatch.setattr(gpu_check, "find_device", lambda name: None)
    monkeypatch.setattr(tensorrt_engine, "half", quantization.float16)  # ONNX Runtime can run it
    opened, engines = tensorrt_runtime.open_engine, []

    def on_cpu(module, data, device):
        assert device == "cuda"
        engines.append(told(data))
        return opened(module, data, "cpu")

    monkeypatch.setattr(tensorrt_runtime, "open_engine", on_cpu)
    words = [str(checkpoint), str(tmp_path / "wide.png"), "--rounds", "3", "--json"]
    assert main([*words, str(tmp_path / "a.json")]) == 0
    said = capsys.readouterr()
    old = not trt.__version__.startswith("11")
    assert ("MMDeploy, TensorRT" in said.err) == old
    assert said.err.count("all texts are equal on 5 images, batches of 1, 2, ") == 2
    found = json.loads((tmp_path / "a.json").read_text())
    assert [one["precision"] for one in found] == ["fp32", "fp16"]
    assert [one["batch"] for one in found[0]["timings"]] == [1, 3]
    assert all(one["agreement"]["worst"] < 2e-2 for one in found)
    assert len(said.out.splitlines()) == 5
    for engine, fp16 in zip(engines, (False, True), strict=True):
        assert engine["shapes"][0] == [1, 1, 32, 8] and engine["shapes"][2][3] == 560
        assert engine["limit"] == tensorrt_engine.WORKSPACE
        assert ("FP16" in engine["flags"]) == (fp16 and old)
        assert ("TF32" in engine["flags"]) == old, "our own builder computes in float32"


def test_a_wrong_engine_is_found(trt, checkpoint, capsys, monkeypatch):
    monkeypatch.setattr(gpu_check, "find_device", lambda name: None)

    def wrong(module, data, device):
        run = opened(module, data, "cpu")
        return lambda images: (run(images)[0][:, ::-1], None)

    opened = tensorrt_runtime.open_engine
    monkeypatch.setattr(tensorrt_runtime, "open_engine", wrong)
    assert main([str(checkpoint)]) == 2
    assert "in a batch of 1" in (said := capsys.readouterr()).err and "at step 1" in said.err
    assert not said.out


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_shapes_hold_what_the_pipeline_gives(kind, tmp_path):
    engine = PyTorchEngine(write(kind, tmp_path / "a.pth"), device="cpu")
    info = onnx_graph.model_info(engine, None, None)
    low, best, high = tensorrt_engine.shapes(info).values()
    graphs = GraphEngine(lambda batch: (batch, None), info)
    for width in (5, 90, 400):
        shape = graphs.batch([graphs.prepare(np.zeros((32, width), np.uint8), "x")]).shape
        assert all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))
    assert [low[0], best[0], high[0]] == [1, 8, 32]
    if kind.startswith("original"):
        assert low[3] == best[3] == high[3] == 86
        return
    assert (low[3], best[3], high[3]) == (8, 128, 512)
    assert tensorrt_engine.shapes(info, 900)["max_shape"][3] == 900
    fixed = tensorrt_engine.shapes(onnx_graph.model_info(engine, 160, 2))
    assert list(fixed.values()) == [[2, info.channels, 32, 160]] * 3


@pytest.mark.parametrize(
    ("trt", "fp16"), [(v, fp16) for v in VERSIONS for fp16 in (0, 1)], indirect=["trt"]
)
def test_building_without_mmdeploy(trt, model, fp16, monkeypatch):
    monkeypatch.setattr(tensorrt_engine, "find_spec", lambda name: None)
    data, builder = tensorrt_engine.from_model(trt, model, SHAPES, "fp16" if fp16 else "fp32")
    typed = trt.__version__ != "8.6"
    flag = "STRONGLY_TYPED" if typed else "EXPLICIT_BATCH"
    assert builder == f"TensorRT {trt.__version__}" and told(data) == {
        "flags": [] if typed or not fp16 else ["FP16"],
        "limit": tensorrt_engine.WORKSPACE,
        "shapes": list(SHAPES.values()),
        "network": 1 << trt.NetworkDefinitionCreationFlag[flag],
    }
    weights = onnx.load_from_string(data.split(b"\0", 1)[1]).graph.initializer
    halves = {tensor.data_type == TensorProto.FLOAT16 for tensor in weights}
    assert (True in halves) == (typed and bool(fp16))


def test_what_is_refused(trt, model, monkeypatch):
    odd = helper.make_node("Odd", ["x"], ["y"], domain="my")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in "xy")
    bad = helper.make_model(helper.make_graph([odd], "g", [x], [y]))
    with pytest.raises(ExportError, match="parser refuses the model: node 3: no such operator"):
        tensorrt_engine.build(trt, bad.SerializeToString(), SHAPES)
    pytest.importorskip("mmdeploy", reason="MMDeploy is not installed: extra [deploy]")
    with pytest.raises(ExportError, match="MMDeploy cannot build the engine: Failed to parse onnx"):
        tensorrt_engine.from_model(trt, bad, SHAPES, "fp32")
    monkeypatch.setattr(trt.Builder, "fails", True)
    with pytest.raises(ExportError, match="TensorRT's builder fails"):
        tensorrt_engine.build(trt, model.SerializeToString(), SHAPES)
    with pytest.raises(ExportError, match="MMDeploy cannot build the engine: Failed to create"):
        tensorrt_engine.from_model(trt, model, SHAPES, "fp32")


def test_engines_that_cannot_run(trt, model, monkeypatch):
    with pytest.raises(ConfigError, match="for another GPU or version of TensorRT"):
        tensorrt_runtime.open_engine(trt, b"other", "cpu")
    data = tensorrt_engine.build(trt, model.SerializeToString(), SHAPES)
    run = tensorrt_runtime.open_engine(trt, data, "cpu")
    images = np.zeros((2, 1, 32, 40), np.float32)
    assert [found.shape for found in run(images)] == [(2, 10, 39), (2, 10, 10)]
    with pytest.raises(ExportError, match=r"images of \(33, 1, 32, 40\) do not fit"):
        run(np.zeros((33, 1, 32, 40), np.float32))
    monkeypatch.setattr(trt.IExecutionContext, "execute_async_v3", lambda self, stream: False)
    with pytest.raises(ExportError, match=r"TensorRT fails on images of \(2, 1, 32, 40\)"):
        run(images)


def test_what_is_missing_is_named(checkpoint, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert main([str(checkpoint)]) == 2
    assert "TensorRT is not installed: on a machine with an NVIDIA GPU" in capsys.readouterr().err
    old = stand_in_tensorrt.module("8.6")
    del old.TensorIOMode
    monkeypatch.setitem(sys.modules, "tensorrt", old)
    assert main([str(checkpoint)]) == 2
    assert "TensorRT is 8.6; 8.5 or newer is needed" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in_tensorrt.module("8.6"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert main([str(checkpoint)]) == 2
    assert "device 'cuda' is not on this machine, or PyTorch is" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(checkpoint), "--device", "cpu"])
    assert "--device cpu is for --onnxruntime-cuda" in capsys.readouterr().err


def test_without_tensorrt(checkpoint, tmp_path, capsys, monkeypatch):
    words = [str(checkpoint), "--onnxruntime-cuda", "--rounds", "2", "--precision", "fp32"]
    assert main([*words, "--device", "cpu", "--json", str(tmp_path / "no" / "a.json")]) == 2
    said = capsys.readouterr()
    assert "a.json: cannot be written (No such file" in said.err
    assert "ONNX Runtime" in said.out and "all texts are equal on 4 images" in said.err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert main(words) == 2
    assert "nothing here runs on device 'cuda': it needs an NVIDIA" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert gpu_check.without_tensorrt("cuda") == "pytorch"
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    assert gpu_check.without_tensorrt("cuda") == "onnxruntime"
    assert main(words) == 2, "ONNX Runtime itself goes on with the CPU"
    assert "ONNX Runtime cannot start its CUDA path: no GPU, or" in capsys.readouterr().err


def test_pytorchs_path(checkpoint):
    found = gpu_check.check(checkpoint, "pytorch", device="cpu", rounds=1, report=lambda line: None)
    assert [one.precision for one in found] == ["fp32", "fp16"]
    assert found[0].agreement.worst < 1e-5 < found[1].agreement.worst < 2e-2

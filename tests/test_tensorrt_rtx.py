"""The builder of ``tensorrt_check.py`` with a package of NVIDIA's: TensorRT-RTX, without a GPU.

It is another product than TensorRT, of the same interface; nothing is executed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from conftest import ROOT
from exported import write
from onnx import TensorProto, helper
from test_tensorrt import SMS, compiler  # noqa: F401

from aocr_plugin.export import onnx_graph, tensorrt_engine
from aocr_plugin.inference.pytorch_engine import PyTorchEngine

SCRIPT = Path(__file__).with_name("tensorrt_rtx_engines.py")
SHAPES = {"min_shape": [1, 4], "opt_shape": [1, 4], "max_shape": [1, 4]}


def small(name, node, kind=TensorProto.FLOAT):
    """Writes a model of one node; returns a job for it."""
    x = helper.make_tensor_value_info("input", kind, (1, 4))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    made = helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opsets)
    onnx.save(made, name)
    return [str(name), SHAPES, ["89"]]


@pytest.mark.slow
def test_engines_are_built_as_on_a_gpu_machine(compiler, tmp_path):  # noqa: F811
    jobs = []
    for kind, sms in (("masked", SMS), ("masked_gru", SMS), ("original_gru", ["89"])):
        engine = PyTorchEngine(write(kind, tmp_path / f"{kind}.pth"), device="cpu")
        shapes = tensorrt_engine.shapes(onnx_graph.model_info(engine, None, None))
        model = tensorrt_engine.half(onnx_graph.graph(engine, None, None))
        onnx.save(model, tmp_path / f"{kind}.onnx")
        jobs.append([str(tmp_path / f"{kind}.onnx"), shapes, sms])
    odd = helper.make_node("Odd", ["input"], ["y"], domain="my", name="strange")
    text = helper.make_node("Cast", ["input"], ["y"], to=TensorProto.FLOAT)
    unique = helper.make_node("Unique", ["input"], ["y"], name="each")
    jobs.append(small(tmp_path / "odd.onnx", odd))
    jobs.append(small(tmp_path / "text.onnx", text, TensorProto.STRING))
    jobs.append(small(tmp_path / "unique.onnx", unique))
    jobs.append(small(tmp_path / "good.onnx", helper.make_node("Relu", ["input"], ["y"])))
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    paths = os.pathsep.join(str(place) for place in (compiler, SCRIPT.parent, ROOT))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "jobs.json")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    missing, *lines = done.stdout.splitlines()
    assert missing == "missing []", "the stand-in has what TensorRT has not"
    built = [f"masked.onnx SM{sm}" for sm in SMS] + [f"masked_gru.onnx SM{sm}" for sm in SMS]
    built += ["original_gru.onnx SM89", "good.onnx SM89"]
    assert [line.rsplit(" ", 4)[0] for line in lines if " bytes " in line] == built, done.stderr
    refused = {line.split(".")[0]: line for line in lines if " refused: " in line}
    assert sorted(refused) == ["odd", "text", "unique"]
    assert "strange (Odd)" in refused["odd"] and "each (Unique)" in refused["unique"]
    assert all("TensorRT's parser refuses the model" in line for line in refused.values())

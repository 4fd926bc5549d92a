"""Int8 exports, for ONNX Runtime and for OpenVINO."""

import numpy as np
import onnx
import pytest
from conftest import draw_word
from exported import write
from test_parity import converted, recorded  # noqa: F401

from aocr_plugin import Recognizer
from aocr_plugin.errors import ConfigError
from aocr_plugin.export import onnx_file, onnx_graph, openvino_file, quantization
from aocr_plugin.export.parity import by_pytorch
from aocr_plugin.runtime import onnx_runtime, openvino_runtime
from aocr_plugin.runtime.engine import GraphEngine

IMAGES = [draw_word(word, width) for word in ("CAT", "HORSE", "OX") for width in (None, 40, 333)]


def quiet(message: str) -> None:
    pass


def test_int8_wants_images(tmp_path):
    checkpoint = write("masked", tmp_path / "a.pth")
    with pytest.raises(ConfigError, match="calibrated on real images: give some with --images"):
        onnx_file.export(checkpoint, tmp_path / "a.onnx", precision="int8", report=quiet)


@pytest.mark.parametrize("kind", ["masked", "colour", "original"])
def test_int8_is_near_in_both_runtimes(kind, tmp_path):
    """At the first step: later ones hang on near ties of random weights."""
    engine = onnx_file.greedy_engine(write(kind, tmp_path / "a.pth"), quiet)
    engine.model.decoder.early_stop = False
    prepared = [[engine.prepare(image, "a")] for image in IMAGES]
    right = np.stack([by_pytorch(engine, one)[0, 0] for one in prepared])
    info = onnx_graph.model_info(engine, None, None)
    graphs = GraphEngine(None, info)
    batches = [graphs.batch([graphs.prepare(image, "a")]) for image in IMAGES]
    for openvino in (False, True):
        made = quantization.int8(onnx_graph.graph(engine, None, None), batches, openvino)
        operators = [node.op_type for node in made.graph.node]
        assert operators.count("QuantizeLinear") >= 6
        weights = [
            onnx.numpy_helper.to_array(one)
            for one in made.graph.initializer
            if one.data_type == onnx.TensorProto.INT8 and len(one.dims) == 4
        ]
        assert weights and max(np.abs(one.astype(int)).max() for one in weights) == 64
        onnx_graph.describe(made, info)
        if openvino:
            openvino_file.save(made, tmp_path / "a.xml")
            run, _ = openvino_runtime.open_model(tmp_path / "a.xml")
        else:
            onnx.save(made, tmp_path / "a.onnx")
            run, _ = onnx_runtime.open_model(tmp_path / "a.onnx")
        gaps = [
            np.abs(run(batch)[0][0, 0] - here).max()
            for batch, here in zip(batches, right, strict=True)
        ]
        assert 0 < max(gaps) < 0.1, (openvino, gaps)


@pytest.mark.slow
@pytest.mark.parity
@pytest.mark.parametrize("golden", ["lstm_captcha5"], indirect=True)
def test_int8_keeps_the_texts_of_a_trained_model(converted, recorded, real_sets, tmp_path):  # noqa: F811
    """Calibrated on one split, read on another."""
    checkpoint, folder = converted
    entries = recorded[0]["images"]
    lines = real_sets / folder.name / "annotations-validation.txt"
    for name in ("a.onnx", "a.xml"):
        found = onnx_file.export(
            checkpoint, tmp_path / name, precision="int8", images=[str(lines)], report=quiet
        )
        assert found.images == len(lines.read_text().splitlines())
        read = Recognizer(tmp_path / name)([folder / entry["path"] for entry in entries])
        assert [one.text for one in read] == [entry["prediction"] for entry in entries]
    with pytest.raises(ConfigError, match=r"compared with PyTorch in ONNX Runtime only; .*\.xml"):
        Recognizer(tmp_path / "a.onnx", runtime="openvino")

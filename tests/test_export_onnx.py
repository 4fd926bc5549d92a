"""Exported networks, in ONNX Runtime and OpenVINO, against the checkpoint in PyTorch."""

import json

import numpy as np
import onnx
import pytest
import torch
from conftest import draw_word
from exported import kinds, write
from test_parity import converted, recorded  # noqa: F401

from aocr_plugin import Recognizer
from aocr_plugin.cli.export import main
from aocr_plugin.errors import CheckpointError, ConfigError, ExportError
from aocr_plugin.export import onnx_file, onnx_graph, parity
from aocr_plugin.export.sample_images import word_images
from aocr_plugin.inference.pytorch_engine import PyTorchEngine
from aocr_plugin.runtime.model_info import KEY

IMAGES = [draw_word(word, width) for word in ("CAT", "HORSE", "OX") for width in (None, 40, 333)]


def quiet(_):
    """Takes the exporter's progress."""


@pytest.fixture(scope="module", params=sorted(kinds()))
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    checkpoint = write(request.param, folder / "a.pth")
    agreement = onnx_file.export(checkpoint, folder / "a.onnx", report=quiet)
    assert agreement.worst < 1e-4 and agreement.batches == (1, 2, 7, 32)
    return checkpoint, folder / "a.onnx"


def test_reads_as_pytorch_does(exported):
    checkpoint, file = exported
    colour = [np.stack([image, 255 - image, image // 2], -1) for image in IMAGES]
    wanted = Recognizer(checkpoint, attention=True)(colour)
    assert len({found.text for found in wanted}) > 1, "the checkpoint reads the same everywhere"
    for runtime in (dict(), dict(runtime="openvino", precision="fp32")):
        recognizer = Recognizer(file, attention=True, batch_size=4, **runtime)
        for found, right in zip(recognizer(colour), wanted, strict=True):
            assert found.text == right.text
            assert found.score == pytest.approx(right.score, abs=1e-4)
            assert found.char_scores == pytest.approx(right.char_scores, abs=1e-4)
            steps = right.attention.shape[0]
            np.testing.assert_allclose(found.attention[:steps], right.attention, atol=1e-4)
        assert recognizer.charset == Recognizer(checkpoint).charset


def test_graph_has_no_control_flow_and_is_of_the_pinned_opset(exported):
    model = onnx.load(exported[1])
    assert not {"If", "Loop", "Scan"} & {node.op_type for node in model.graph.node}
    assert [(o.domain, o.version) for o in model.opset_import] == [("", onnx_graph.OPSET)]
    onnx.checker.check_model(model, full_check=True)


def test_openvino_file_static_shapes_and_half_precision(tmp_path, capsys):
    checkpoint = str(write("masked", tmp_path / "a.pth"))
    assert main([checkpoint, str(tmp_path / "a.xml")]) == 0
    assert main([checkpoint, str(tmp_path / "s.onnx"), "--width", "128", "--batch", "2"]) == 0
    assert main([checkpoint, str(tmp_path / "h.onnx"), "--precision", "fp16"]) == 0
    images = IMAGES[:2]
    wanted = [found.text for found in Recognizer(checkpoint)(images)]
    for name, settings in (("a.xml", dict(precision="fp32")), ("s.onnx", {}), ("h.onnx", {})):
        found = Recognizer(tmp_path / name, **settings)(images)
        assert [one.text for one in found] == wanted
    (value,) = onnx.load(tmp_path / "s.onnx").graph.input
    assert [d.dim_value for d in value.type.tensor_type.shape.dim] == [2, 1, 32, 128]
    kinds_of = {tensor.data_type for tensor in onnx.load(tmp_path / "h.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds_of
    assert "all texts are equal on" in capsys.readouterr().err


def test_max_length_saves_steps_and_cuts(tmp_path, capsys):
    checkpoint = str(write("masked", tmp_path / "a.pth"))
    assert main([checkpoint, str(tmp_path / "a.onnx"), "--max-length", "3"]) == 0
    found = Recognizer(tmp_path / "a.onnx")
    batch = found.engine.batch([found.engine.prepare(IMAGES[0], "a")])
    assert found.engine.run(batch)[0].shape[1] == 4
    for here, whole in zip(found(IMAGES), Recognizer(checkpoint)(IMAGES), strict=True):
        assert here.text == (whole.text if len(whole.text) < 4 else whole.text[:4])
    assert main([checkpoint, str(tmp_path / "b.onnx"), "--max-length", "10"]) == 2
    assert "max_length is 10; this checkpoint reads 1 to 9 characters" in capsys.readouterr().err


def test_a_wrong_graph_is_not_written(tmp_path, monkeypatch, capsys):
    checkpoint = write("masked", tmp_path / "a.pth")
    right = onnx_graph.graph

    def wrong(*args):
        made = right(*args)
        for tensor in made.graph.initializer:
            if "cells" in tensor.name and "bias" in tensor.name:
                values = onnx.numpy_helper.to_array(tensor) + np.float32(0.5)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return made

    monkeypatch.setattr(onnx_file, "graph", wrong)
    assert main([str(checkpoint), str(tmp_path / "a.onnx")]) == 2
    said = capsys.readouterr().err
    assert "made gray PNG of 160 x 60 pixels (in a batch of 1, " in said
    assert ": at step 1 the export reads '" in said and "nothing is written" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


@pytest.mark.parametrize(("noise", "bound"), [(1e-6, 1e-4), (3e-4, 1.2e-3), (1.0, 1e-2)])
def test_what_pytorch_itself_rounds_widens_the_bound(tmp_path, monkeypatch, noise, bound):
    checkpoint = write("masked", tmp_path / "a.pth")
    onnx_file.export(checkpoint, tmp_path / "a.onnx", report=quiet)
    engine = PyTorchEngine(checkpoint)
    image = engine.prepare(IMAGES[0].copy(), "a")
    assert parity._own_noise(engine, [image]) < 1e-5
    monkeypatch.setattr(parity, "_own_noise", lambda *_: noise)
    comparison = parity.Comparison(engine, Recognizer(tmp_path / "a.onnx").engine, 1e-4)
    comparison.run(word_images()[:3])
    assert comparison.bound == pytest.approx(bound)


def test_padding_changes_nothing_where_it_is_masked(tmp_path):
    network_file = tmp_path / "a.onnx"
    onnx_file.export(write("masked_gru", tmp_path / "a.pth"), network_file, report=quiet)
    engine = Recognizer(network_file).engine
    narrow = engine.prepare(IMAGES[0].copy(), "a")
    images = engine.batch([narrow])
    wide = np.pad(images, [(0, 0)] * 3 + [(0, 77)], constant_values=engine.info.padding)
    (alone, near), (padded, far) = engine.run(images), engine.run(wide)
    np.testing.assert_allclose(padded, alone, atol=1e-5)
    np.testing.assert_allclose(far[..., : near.shape[2]], near, atol=1e-5)
    assert far[..., near.shape[2] :].max() == 0
    black = engine.run(np.pad(images, [(0, 0)] * 3 + [(0, 77)], constant_values=-1))[0]
    assert np.abs(black - alone).max() > 1e-3, "black columns are image, not padding"


def test_refusals(tmp_path):
    checkpoint = write("masked", tmp_path / "a.pth")
    with pytest.raises(ConfigError, match=r"ends in \.onnx, or \.xml"):
        onnx_file.export(checkpoint, tmp_path / "a.pb")
    with pytest.raises(ConfigError, match="precision is 'int4'; it is one of"):
        onnx_file.export(checkpoint, tmp_path / "a.onnx", precision="int4")
    with pytest.raises(ConfigError, match="bf16 is for OpenVINO"):
        onnx_file.export(checkpoint, tmp_path / "a.onnx", precision="bf16")
    with pytest.raises(ExportError, match="no image that the export can take"):
        onnx_file.export(checkpoint, tmp_path / "a.onnx", width=8, report=quiet)
    original = write("original", tmp_path / "o.pth")
    with pytest.raises(ConfigError, match=r"no mask_padding .* its canvas's \(86\)"):
        onnx_file.export(original, tmp_path / "a.onnx", width=160, report=quiet)
    with pytest.raises(ConfigError, match="written to a local file"):
        onnx_file.export(checkpoint, "memory://bucket/a.onnx")
    (tmp_path / "b.onnx").write_text("mine")
    with pytest.raises(ConfigError, match="exists; give another name, or --force"):
        onnx_file.export(checkpoint, tmp_path / "b.onnx")
    loaded = torch.load(checkpoint, weights_only=True)
    loaded["meta"]["aocr"]["model"]["decoder"]["allowed"] = "ABC"
    torch.save(loaded, tmp_path / "c.pth")
    with pytest.raises(ConfigError, match=r"has a constraint .* take it out of the config"):
        onnx_file.export(tmp_path / "c.pth", tmp_path / "c.onnx", report=quiet)
    del loaded["meta"]["aocr"]["model"]["decoder"]["allowed"]
    loaded["meta"]["aocr"]["test_pipeline"].insert(2, dict(type="mmocr.ImageContentJitter"))
    torch.save(loaded, tmp_path / "c.pth")
    with pytest.raises(ConfigError, match="ImageContentJitter, which only MMOCR can run"):
        onnx_file.export(tmp_path / "c.pth", tmp_path / "c.onnx", report=quiet)
    assert (tmp_path / "b.onnx").read_text() == "mine" and not (tmp_path / "c.onnx").exists()


def test_what_a_recognizer_of_an_export_refuses(exported, tmp_path):
    file = exported[1]
    with pytest.raises(ConfigError, match="decodes greedily; beam_width, pattern need the check"):
        Recognizer(file, beam=3, pattern="[A-Z]+")
    with pytest.raises(ConfigError, match="computes in what it was exported in"):
        Recognizer(file, precision="bf16")
    with pytest.raises(ConfigError, match="precision is 'int4'; it is one of fp32, bf16, fp16"):
        Recognizer(file, runtime="openvino", precision="int4")
    with pytest.raises(ConfigError, match="runtime is 'tvm'"):
        Recognizer(file, runtime="tvm")
    with pytest.raises(ConfigError, match="leave runtime 'pytorch' out"):
        Recognizer(file, runtime="pytorch")
    with pytest.raises(ConfigError, match="compiled is for checkpoints"):
        Recognizer(file, compiled=True)
    with pytest.raises(ConfigError, match="device 'cuda' is unknown, or this ONNX Runtime"):
        Recognizer(file, device="cuda")
    with pytest.raises(CheckpointError, match=r"gone\.onnx: no such file"):
        Recognizer(tmp_path / "gone.onnx")
    (tmp_path / "no.onnx").write_bytes(b"no model")
    for runtime, words in (("onnxruntime", "not an ONNX model"), ("openvino", "not a model that")):
        with pytest.raises(CheckpointError, match=words):
            Recognizer(tmp_path / "no.onnx", runtime=runtime)
    model = onnx.load(file)
    described = json.loads(model.metadata_props[0].value)
    cases = ((None, f"no '{KEY}' in its metadata"), ("{", "malformed"), ({"odd": 1}, "malformed"))
    for value, words in (*cases, (described | {"format": 99}, "by a newer aocr_plugin")):
        del model.metadata_props[:]
        if value is not None:
            entry = model.metadata_props.add()
            entry.key = KEY
            entry.value = value if isinstance(value, str) else json.dumps(value)
        onnx.save(model, tmp_path / "other.onnx")
        with pytest.raises(CheckpointError, match=words):
            Recognizer(tmp_path / "other.onnx")


@pytest.mark.parity
def test_reads_what_the_original_recorded(converted, recorded, tmp_path):  # noqa: F811
    """From image files to the original's texts and probabilities, without PyTorch in between."""
    checkpoint, folder = converted
    onnx_file.export(checkpoint, tmp_path / "a.onnx", report=quiet)
    entries = recorded[0]["images"]
    files = [folder / entry["path"] for entry in entries]
    for settings in (dict(), dict(runtime="openvino", precision="fp32")):
        found = Recognizer(tmp_path / "a.onnx", **settings)(files)
        assert [one.text for one in found] == [entry["prediction"] for entry in entries]
        for one, entry in zip(found, entries, strict=True):
            assert one.aocr_probability == pytest.approx(entry["probability"], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parity
def test_texts_of_real_sets_in_every_runtime(converted, real_sets, tmp_path):  # noqa: F811
    """All of two sets' testing images and 300 of a third, many of them hard to read."""
    checkpoint, _ = converted
    onnx_file.export(checkpoint, tmp_path / "a.onnx", report=quiet)
    files = []
    for name, count in (("captcha5_classic", 104), ("cute80", 288), ("iiit5k", 300)):
        lines = (real_sets / name / "annotations-testing.txt").read_text().splitlines()[:count]
        assert len(lines) == count
        files += [real_sets / name / line.split()[0] for line in lines]
    wanted = Recognizer(checkpoint)(files)
    assert len({one.text for one in wanted}) > 200, "hardly anything is told apart"
    for settings in (dict(), dict(runtime="openvino", precision="fp32")):
        found = Recognizer(tmp_path / "a.onnx", **settings)(files)
        assert [one.text for one in found] == [one.text for one in wanted]
        for one, right in zip(found, wanted, strict=True):
            assert one.char_scores == pytest.approx(right.char_scores, abs=1e-4)
            assert one.score == pytest.approx(right.score, abs=1e-4)

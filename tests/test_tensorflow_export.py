"""SavedModel and frozen graph: what TensorFlow reads with them is what the original read."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import DATA, need, tiny_model

from aocr_plugin.conversion.checkpoint import to_checkpoint
from aocr_plugin.errors import ConfigError, ExportError
from aocr_plugin.export import savedmodel, tensorflow_graph, tensorflow_network

pytestmark = pytest.mark.slow
SETS = {"lstm_captcha5": "captcha5_classic", "gru_plates": "plates_us"}

RUN = """
import sys, json, numpy as np, tensorflow as tf
folder, kind, listed = sys.argv[1:]
v1 = tf.compat.v1
files = [open(name, "rb").read() for name in json.load(open(listed))]
if kind == "savedmodel":
    run = tf.saved_model.load(folder).signatures["serving_default"]
    call = lambda x: [run(input=tf.constant(x))[k].numpy() for k in ("output", "probability")]
else:
    definition = v1.GraphDef.FromString(open(folder + "/frozen_graph.pb", "rb").read())
    session = v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        tf.import_graph_def(definition, name="")
    names = ["prediction:0", "probability:0"]
    call = lambda x: session.run(names, {"input_image_as_bytes:0": x})
texts, scores = [], []
for start in range(0, len(files), 13):
    text, score = call(np.array(files[start:start + 13], object))
    texts += [t.decode() for t in text]; scores += [float(s) for s in score]
one = call(files[0])
print(json.dumps([texts, scores, list(np.shape(one[0])), np.asarray(one[0]).item().decode()]))
"""


@pytest.fixture(autouse=True)
def tensorflow():
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed")


@pytest.fixture
def converted(golden, tmp_path):
    """A checkpoint of the original's weights, its recorded outputs, and its images' files."""
    recorded = json.loads((golden / "outputs.json").read_text())
    settings = recorded["settings"]
    with np.load(golden / "weights.npz") as archive:
        variables = {name: archive[name] for name in archive.files}
    flags = {key: settings[key] for key in ("max_width", "max_height", "max_prediction")}
    path = tmp_path / "converted.pth"
    torch.save(to_checkpoint(variables, **flags), path)
    home = need(DATA / "data" / SETS[golden.name])
    return path, recorded["images"], [str(home / image["path"]) for image in recorded["images"]]


@pytest.mark.parity
@pytest.mark.parametrize("kind", list(savedmodel.FORMATS))
def test_tensorflow_reads_every_recorded_image_as_the_original_did(converted, tmp_path, kind):
    path, recorded, files = converted
    out = tmp_path / "exported"
    own = [(name, open(name, "rb").read()) for name in files[:8]]
    savedmodel.export(path, out, fmt=kind, strict=True, images=own)
    listed = tmp_path / "files.json"
    listed.write_text(json.dumps(files))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(out), kind, str(listed)],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    texts, scores, shape_of_one, text_of_one = json.loads(done.stdout.splitlines()[-1])
    assert texts == [image["prediction"] for image in recorded]
    assert np.allclose(scores, [image["probability"] for image in recorded], atol=1e-3)
    assert shape_of_one == [] and text_of_one == texts[0]


@pytest.fixture
def own_checkpoint(tmp_path):
    """A checkpoint of a tiny model on the original's canvas, with random weights."""
    from mmengine.registry import DefaultScope
    from mmocr.registry import MODELS

    torch.manual_seed(0)
    model = tiny_model("chars:ABÄ ", mask_padding=False, decoder=dict(cell="gru", num_layers=2))
    model["encoder"]["num_layers"] = 2
    pipeline = [
        dict(type="LoadImageFromFile", color_type="grayscale"),
        dict(type="AOCRCanvas", max_width=100, max_height=40),
        dict(type="PackTextRecogInputs", meta_keys=["img_shape", "valid_ratio"]),
    ]
    with DefaultScope.overwrite_default_scope("mmocr"):
        built = MODELS.build(model)
    with torch.no_grad():
        built.decoder.output.weight *= 20  # so that texts of several characters come out
    described = {"format": 1, "version": "0", "model": model, "test_pipeline": pipeline}
    path = tmp_path / "own.pth"
    torch.save({"state_dict": built.state_dict(), "meta": {"aocr": described}}, path)
    return path, built, pipeline


def images():
    from aocr_plugin.export.sample_images import word_images

    return word_images()


def test_own_models_with_score_up_to_the_end(own_checkpoint, tmp_path):
    path, _, _ = own_checkpoint
    told = []
    savedmodel.export(path, tmp_path / "out", images=images(), report=told.append)
    assert told[-1].startswith("all texts are equal")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["saved_model.pb", "variables"]
    savedmodel.export(path, tmp_path / "out", fmt="frozengraph", images=images())
    with pytest.raises(ConfigError, match=r"saved_model\.pb exists"):
        savedmodel.export(path, tmp_path / "out", images=images())
    savedmodel.export(path, tmp_path / "out", images=images(), force=True)


def test_an_export_that_reads_otherwise_is_not_written(own_checkpoint, tmp_path, monkeypatch):
    path, _, _ = own_checkpoint
    array = tensorflow_network._array
    monkeypatch.setattr(tensorflow_network, "_array", lambda tensor: array(tensor) * 1.5)
    with pytest.raises(ExportError, match=r"the export reads '.*' with probability .* PyTorch"):
        savedmodel.export(path, tmp_path / "out", images=images())
    assert not list((tmp_path / "out").iterdir())
    assert not list(tmp_path.glob(".partial-*"))


def test_what_cannot_be_exported_is_named(own_checkpoint):
    _, built, pipeline = own_checkpoint
    tensorflow_graph.Graph(None, built, pipeline)
    built.mask_padding = True
    with pytest.raises(ConfigError, match="mask_padding=True"):
        tensorflow_graph.Graph(None, built, pipeline)
    built.mask_padding = False
    with pytest.raises(ConfigError, match="RescaleToHeight"):
        tensorflow_graph.Graph(None, built, [dict(type="RescaleToHeight", height=32)])
    with pytest.raises(ConfigError, match="no AOCRCanvas"):
        tensorflow_graph.Graph(None, built, pipeline[:1])
    built.backbone = torch.nn.Identity()
    with pytest.raises(ConfigError, match="backbone is Identity"):
        tensorflow_graph.Graph(None, built, pipeline)


def test_without_tensorflow_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ConfigError, match=r"pip install 'aocr-plugin\[tensorflow\]'"):
        savedmodel.import_tensorflow()

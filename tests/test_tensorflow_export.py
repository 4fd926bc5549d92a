"""SavedModel and frozen graph: what TensorFlow reads with them is what the original read."""

import json

import cv2
import numpy as np
import pytest
import torch
from conftest import DATA, draw_word, need, tiny_model
from tensorflow_side import run_tensorflow

from aocr_plugin.cli.export_tensorflow import main
from aocr_plugin.conversion.checkpoint import to_checkpoint
from aocr_plugin.errors import ExportError
from aocr_plugin.export import savedmodel, tensorflow_files, tensorflow_graph, tensorflow_network

pytestmark = pytest.mark.slow
SETS = {"lstm_captcha5": "captcha5_classic", "gru_plates": "plates_us"}

RUN = """
import json
folder, kind, listed = sys.argv[1:]
v1 = tf.compat.v1
files = [open(name, "rb").read() for name in json.load(open(listed))]
if kind == "savedmodel":
    run = tf.saved_model.load(folder).signatures["serving_default"]
    (spec,) = run.structured_input_signature[1].values()
    assert (spec.name, spec.dtype, spec.shape.rank) == ("input", tf.string, None)
    def call(x):
        found = run(input=tf.constant(x))
        assert sorted(found) == ["output", "probability"]
        return found["output"].numpy(), found["probability"].numpy()
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
shapes = []
for x in (files[0], np.array(files[:1], object)):
    text, score = call(x)
    assert bytes(np.ravel(text)[0]).decode() == texts[0] and np.shape(text) == np.shape(score)
    shapes.append(list(np.shape(text)))
try:
    call(np.array([files[0], b"no image"], object))
except tf.errors.InvalidArgumentError as error:
    assert "Unknown image file format" in str(error)
else:
    raise SystemExit("a broken image went through")
print(json.dumps([texts, scores, shapes]))
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
@pytest.mark.parametrize(("kind", "count"), [("savedmodel", None), ("frozengraph", 15)])
def test_tensorflow_reads_every_recorded_image_as_the_original_did(
    converted, tmp_path, kind, count
):
    path, recorded, files = converted
    recorded, files = recorded[:count], files[:count]
    out = tmp_path / "model" / "1"
    savedmodel.export(path, out, fmt=kind, strict=True, images=files[:4])
    listed = tmp_path / "files.json"
    listed.write_text(json.dumps(files))
    texts, scores, shapes = json.loads(run_tensorflow(RUN, out, kind, listed).splitlines()[-1])
    assert texts == [image["prediction"] for image in recorded]
    assert np.allclose(scores, [image["probability"] for image in recorded], atol=1e-3)
    assert shapes == [[], [1]]


VARIANTS = {
    "gray, GRU, separate layers, own score": (
        dict(num_layers=2, cell="gru", share_layers=False, temperature=1.7, early_stop=True)
        | dict(postprocessor=dict(type="WordScorePostprocessor", score="geometric")),
        dict(encoder=dict(num_layers=2)),
        dict(),
    ),
    "colour, LSTM, the original's start": (
        dict(num_layers=2, init_state="aocr", beam_width=3, temperature=0.6)
        | dict(postprocessor=dict(type="WordScorePostprocessor", score="minimum")),
        dict(
            encoder=dict(hidden_size=32),
            backbone=dict(in_channels=3, norm_all=False),
            data_preprocessor=dict(mean=[128, 120, 110], std=[128, 120, 100]),
        ),
        dict(kernel="tensorflow1"),
    ),
    "colour as RGB, higher canvas": (
        dict(num_layers=3, init_state="zero", in_channels=32)
        | dict(dictionary=dict(type="AOCRDictionary", charset="chars:AB", with_unknown=True)),
        dict(
            encoder=dict(height_pool="mean"),
            backbone=dict(in_channels=3),
            data_preprocessor=dict(mean=[128] * 3, std=[128] * 3, bgr_to_rgb=True),
        ),
        dict(height=48),
    ),
}


def make_checkpoint(path, variant):
    """Writes a checkpoint of random weights whose texts differ from image to image."""
    from mmengine.registry import DefaultScope
    from mmocr.registry import MODELS

    decoder, parts, canvas = VARIANTS[variant]
    model = tiny_model("chars:ABÄ ", mask_padding=False, decoder=decoder)
    for name, changes in parts.items():
        model[name] |= changes
    if "hidden_size" in parts["encoder"]:
        model["decoder"]["in_channels"] = 2 * parts["encoder"]["hidden_size"]
    colour = model["backbone"].get("in_channels") == 3
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmocr"):
        built = MODELS.build(model)
    with torch.no_grad():
        for block in built.backbone.blocks:
            if block.norm is not None:
                block.norm.running_mean.uniform_(-0.3, 0.3)
                block.norm.running_var.uniform_(0.5, 1.5)
                block.norm.weight.uniform_(0.8, 2.0)
                block.norm.bias.uniform_(-0.3, 0.3)
        for name, weight in built.named_parameters():  # or all texts would be alike
            if name.startswith(("encoder", "decoder.step")) and "bias" not in name:
                weight *= 5
        built.decoder.output.weight *= 10
    pipeline = [
        dict(type="LoadImageFromFile", color_type="color" if colour else "grayscale"),
        dict(type="AOCRCanvas", max_width=100, max_height=40) | canvas,
        dict(type="PackTextRecogInputs", meta_keys=["img_shape", "valid_ratio"]),
    ]
    described = {"format": 1, "version": "0", "model": model, "test_pipeline": pipeline}
    torch.save({"state_dict": built.state_dict(), "meta": {"aocr": described}}, path)
    return path


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("strict", [False, True])
def test_variants_read_as_pytorch_does(variant, strict, tmp_path, monkeypatch):
    texts = set()
    expected = savedmodel.comparison.expected

    def watched(*words):
        found = expected(*words)
        texts.update(prediction.text for prediction in found)
        return found

    monkeypatch.setattr(savedmodel.comparison, "expected", watched)
    path = make_checkpoint(tmp_path / "own.pth", variant)
    told = []
    savedmodel.export(path, tmp_path / "out", strict=strict, report=told.append)
    assert told[-1].startswith("all texts are equal")
    assert len(texts) >= 5 and any(len(text) > 1 for text in texts)
    beam = "the checkpoint reads by a beam of 3; the export decodes greedily"
    assert (beam in told) == ("beam_width" in VARIANTS[variant][0])


GRAY, COLOUR, _ = VARIANTS


def test_one_wrong_weight_is_found_and_nothing_is_left(tmp_path, monkeypatch, capsys):
    path = make_checkpoint(tmp_path / "own.pth", GRAY)
    array = tensorflow_network._array

    def wrong(tensor):
        found = array(tensor)
        if found.shape == (7, 8):  # the symbols' embedding
            found = found.copy()
            found[1, 0] += 3.0
        return found

    monkeypatch.setattr(tensorflow_network, "_array", wrong)
    assert main([str(path), str(tmp_path / "model" / "1")]) == 2
    err = capsys.readouterr().err
    assert "error: made gray PNG of 160 x 60 pixels (alone): the export reads '" in err
    assert "nothing is written" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["own.pth"]


def test_swapped_colours_are_found(tmp_path, monkeypatch):
    path = make_checkpoint(tmp_path / "own.pth", COLOUR)
    right = tensorflow_graph.Graph._normalised
    monkeypatch.setattr(
        tensorflow_graph.Graph, "_normalised", lambda self, x: right(self, x[..., ::-1])
    )
    with pytest.raises(ExportError, match=r"made colour PNG .* \(alone\): the export reads"):
        savedmodel.export(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_both_formats_in_one_folder_and_images_of_a_data_set(tmp_path, words, capsys):
    path, out = make_checkpoint(tmp_path / "own.pth", GRAY), tmp_path / "out"
    savedmodel.export(path, out, images=[str(words)])
    assert main([str(path), str(out), "--format", "frozengraph", "--images", str(words)]) == 0
    found = capsys.readouterr()
    assert "comparing with PyTorch on 28 images" in found.err and "WARNING" not in found.err
    assert found.out.splitlines()[-1] == f"{out}/frozen_graph.pb"
    assert sorted(p.name for p in out.iterdir()) == [
        "frozen_graph.pb",
        "saved_model.pb",
        "variables",
    ]
    before = (out / "saved_model.pb").stat().st_mtime_ns
    assert main([str(path), str(out)]) == 2
    assert "is not empty (saved_model.pb)" in capsys.readouterr().err
    assert main([str(path), str(out), "--force"]) == 0
    assert (out / "saved_model.pb").stat().st_mtime_ns > before
    cv2.imwrite(str(tmp_path / "word.webp"), draw_word("WEB"))
    with pytest.raises(ExportError, match=r"word\.webp: TensorFlow does not decode it \(Unknown"):
        savedmodel.export(path, tmp_path / "no", images=[str(tmp_path / "word.webp")])


def test_without_tensorflow_the_message_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(tensorflow_files.os.sys.modules, "tensorflow", None)
    path = make_checkpoint(tmp_path / "own.pth", GRAY)
    assert main([str(path), str(tmp_path / "out")]) == 2
    assert "pip install 'aocr-plugin[tensorflow]'" in capsys.readouterr().err

"""The export of one ONNX file: every pipeline, the gate, the original's weights, damaged files."""

import json
import subprocess
import sys

import cv2
import numpy as np
import onnx
import pytest
import torch
from conftest import DATA, ROOT, need
from one_file_models import AREA, CANVAS, encoded, make_checkpoint
from PIL import Image

pytest.importorskip("onnxruntime_extensions", reason="onnxruntime-extensions is not installed")

from aocr_plugin import Recognizer, resizing
from aocr_plugin.cli.convert import main as convert
from aocr_plugin.cli.export import main
from aocr_plugin.errors import ConfigError, ExportError
from aocr_plugin.export import bytes_graph, interpolation, one_file, pixel_graph
from aocr_plugin.export.sample_images import word_images
from aocr_plugin.runtime.bytes_model import BytesModel
from aocr_plugin.scores import word_score

SETS = {"lstm_captcha5": "captcha5_classic", "gru_plates": "plates_us"}


@pytest.mark.parametrize("kind", ["nearest", "bilinear", "area", "bicubic"])
def test_resizing_is_opencvs(kind):
    rng = np.random.default_rng(0)
    for height, width in ((10, 7), (20, 131), (32, 90), (64, 128), (50, 200), (95, 333), (150, 60)):
        pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        new = (32, max(8, -(-32 * width // height)))
        right = resizing.resize(pixels, *new, kind).transpose(2, 0, 1).astype(np.float32)
        x = torch.from_numpy(pixels).permute(2, 0, 1).float()
        size = torch.tensor([height, width])
        found = interpolation.OPENCV[kind](x, size, torch.tensor(new)).numpy()
        gaps = np.abs(found - right)
        share = {"area": 1e-3, "bicubic": 0.1}.get(kind, 0)
        assert gaps.max() <= (share > 0) and (gaps > 0).mean() <= share, (height, width)


VARIANTS = {
    "colour as RGB, padded and batched, geometric": dict(
        steps=[
            dict(type="RescaleToHeight", height=32, max_width=150, width_divisor=4),
            dict(type="PadToWidth", width=60, pad_cfg=dict(type="Pad", pad_val=9)),
        ],
        colour=True,
        mask_padding=False,
        preprocessor=dict(bgr_to_rgb=True, pad_size_divisor=32),
        decoder=dict(postprocessor=dict(type="WordScorePostprocessor", score="geometric")),
    ),
    "the original's canvas, GRU, minimum, temperature": dict(
        steps=[CANVAS],
        mask_padding=False,
        decoder=dict(
            cell="gru",
            temperature=1.7,
            postprocessor=dict(type="WordScorePostprocessor", score="minimum"),
        ),
    ),
    "TensorFlow 1, a beam": dict(
        steps=[CANVAS | dict(kernel="tensorflow1")],
        colour=True,
        mask_padding=False,
        decoder=dict(beam_width=3),
    ),
    "a fixed size": dict(steps=[dict(type="Resize", scale=(100, 32), interpolation="nearest")]),
}


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pipeline_and_score(variant, strict, tmp_path):
    options = dict(VARIANTS[variant])
    path = make_checkpoint(tmp_path / "own.pth", *options.pop("steps"), **options)
    told = []
    one_file.export(path, tmp_path / "own.onnx", strict=strict, report=told.append)
    assert told[-1].startswith("all texts are equal on 32 images, batches of 1, 2, 7, 32")
    beam = "the checkpoint reads by a beam of 3; the export decodes greedily"
    assert (beam in told) == ("beam_width" in options.get("decoder", {}))
    files = [data for _, data in word_images(seed=2) if not data.startswith(b"\xff\xd8")]
    recognizer = Recognizer(path, batch_size=1, beam=0)
    recognizer.model.decoder.early_stop = False
    model = BytesModel(tmp_path / "own.onnx")
    for data in files:
        ((text, probability),) = model([data])
        right = recognizer(data)
        assert text == right.text
        score = right.aocr_probability if strict else right.score
        assert probability == pytest.approx(score, abs=1e-3)


@pytest.mark.parametrize("kind", ["product", "geometric", "minimum"])
def test_scores_are_those_of_word_score(kind):
    import onnxruntime

    from aocr_plugin.export.onnx_nodes import DOUBLE, FLOAT, INT64, Nodes

    class Info:
        end, score = 1, kind

    nodes = Nodes("")
    symbols, best = nodes.input("symbols", INT64, ["N", 3]), nodes.input("best", FLOAT, ["N", 3])
    score = bytes_graph._score(nodes, symbols, best, Info, False)
    model = bytes_graph._model(nodes.graph([("score", score, DOUBLE, ["N"])]))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = np.array([[0.5, 0.25, 0.5], [0.5, 0.25, 0.5], [0.0, 1.0, 1.0]], np.float32)
    feed = {"symbols": np.array([[0, 1, 0], [0, 2, 3], [2, 1, 1]]), "best": given}
    right = [word_score(p, kind) for p in ([0.5, 0.25], [0.5, 0.25, 0.5], [0.0, 1.0])]
    assert session.run(None, feed)[0] == pytest.approx(right)


def test_a_wrong_weight_names_image_and_step_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    path = make_checkpoint(tmp_path / "own.pth", AREA)
    graph = one_file.onnx_graph.graph

    def wrong(*words):
        made = graph(*words)
        (bias,) = (t for t in made.graph.initializer if t.name.endswith("decoder.output.bias"))
        values = onnx.numpy_helper.to_array(bias).copy()
        values[2] += 3.0
        bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
        return made

    monkeypatch.setattr(one_file.onnx_graph, "graph", wrong)
    assert main([str(path), str(tmp_path / "own.onnx"), "--bytes"]) == 2
    err = capsys.readouterr().err
    assert "error: made gray PNG of 160 x 60 pixels (alone): the export reads '" in err
    assert ", at step " in err and "nothing is written" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["own.pth"]


def test_wrong_pixels_are_found(tmp_path, monkeypatch):
    path = make_checkpoint(tmp_path / "own.pth", AREA)
    monkeypatch.setattr(pixel_graph, "SHARES", (9797, 19234, 3737))
    with pytest.raises(ExportError, match=r"made colour PNG .*: it is decoded to wrong pixels"):
        one_file.export(path, tmp_path / "own.onnx", report=print)


def test_what_cannot_be_exported_is_named(tmp_path, monkeypatch):
    path = make_checkpoint(tmp_path / "own.pth", AREA | dict(interpolation="lanczos"))
    with pytest.raises(ConfigError, match="interpolation 'lanczos'; in one file are known nearest"):
        one_file.export(path, tmp_path / "own.onnx", report=print)
    with pytest.raises(ConfigError, match=r"own\.xml: the name of a file that takes bytes ends in"):
        one_file.export(path, tmp_path / "own.xml", report=print)
    (tmp_path / "web.webp").write_bytes(encoded(kind="WEBP"))
    path = make_checkpoint(tmp_path / "own.pth", AREA)
    with pytest.raises(ExportError, match=r"web\.webp: image 1 of 1 is neither .* convert it"):
        one_file.export(path, tmp_path / "o.onnx", images=[str(tmp_path / "web.webp")])
    monkeypatch.setitem(sys.modules, "onnxruntime_extensions", None)
    with pytest.raises(ConfigError, match=r"pip install 'aocr-plugin\[bytes\]'"):
        one_file.export(path, tmp_path / "own.onnx", report=print)
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.slow
def test_an_image_read_otherwise_with_the_own_loader_is_told(tmp_path, words):
    path = make_checkpoint(tmp_path / "own.pth", AREA)
    turned = Image.Exif()
    turned[0x112] = 6
    image = Image.open(words.parent / "images" / "HORSE.png")
    image.save(tmp_path / "turned.jpg", exif=turned)
    told = []
    one_file.export(
        path, tmp_path / "o.onnx", images=[str(tmp_path / "turned.jpg")], report=told.append
    )
    assert "otherwise there, the first" in told[-1] and told[-1].endswith("turned.jpg")


@pytest.mark.slow
@pytest.mark.parity
def test_every_recorded_text_and_probability_from_the_files(golden, tmp_path):
    recorded = json.loads((golden / "outputs.json").read_text())
    settings, images = recorded["settings"], recorded["images"]
    home = need(DATA / "data" / SETS[golden.name])
    flags = [
        f"--{name.replace('_', '-')}={settings[name]}"
        for name in ("max_width", "max_height", "max_prediction", "attn_num_hidden")
    ]
    flags += ["--use-gru"] * settings["use_gru"]
    checkpoint = tmp_path / "converted.pth"
    assert convert([str(golden / "weights.npz"), str(checkpoint), *flags]) == 0
    one_file.export(checkpoint, tmp_path / "it.onnx", strict=True)
    model = BytesModel(tmp_path / "it.onnx")
    files = [(home / image["path"]).read_bytes() for image in images]
    found = [one for at in range(0, len(files), 16) for one in model(files[at : at + 16])]
    pixels = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) for data in files]
    recognizer = Recognizer(checkpoint)
    recognizer.model.decoder.early_stop = False
    right = recognizer(pixels)
    assert [text for text, _ in found] == [one.text for one in right]
    gaps = [abs(p - one.aocr_probability) for (_, p), one in zip(found, right, strict=True)]
    assert max(gaps) < 1e-4
    others = [
        image for image, (text, _) in zip(images, found, strict=True) if text != image["prediction"]
    ]
    # TensorFlow decodes JPEG by its fast, inexact transform, which libjpeg in the file does not
    assert len(others) == {"lstm_captcha5": 0, "gru_plates": 2}[golden.name]


DAMAGE = """
import random, sys
sys.path.insert(0, sys.argv[1])
from one_file_models import encoded
from aocr_plugin.export import bytes_graph
from aocr_plugin.errors import ImageError
from aocr_plugin.runtime import bytes_model
session = bytes_model.open_session(bytes_graph.decoder(True).SerializeToString(), "", 1)
rng, outcomes = random.Random(0), [0, 0]
for base in (encoded(), encoded("L"), encoded(subsampling=0), encoded(kind="PNG")):
    for _ in range(150):
        data = bytearray(base)
        if rng.random() < 0.2:
            data = data[: rng.randrange(len(data))]
        for _ in range(rng.choice((1, 2, 5)) * bool(data)):
            data[rng.randrange(min(len(data), 640))] = rng.choice((rng.randrange(256), 0, 255))
        try:
            bytes_model.run(session, [bytes(data)], ["pixels"])
            outcomes[0] += 1
        except ImageError:
            outcomes[1] += 1
print(*outcomes)
"""


@pytest.mark.slow
def test_no_damaged_file_ends_or_stops_the_process():
    done = subprocess.run(
        [sys.executable, "-c", DAMAGE, str(ROOT / "tests")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    read, refused = map(int, done.stdout.split())
    assert done.returncode == 0 and read + refused == 600 and min(read, refused) > 100

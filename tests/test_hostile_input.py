"""What a stranger's checkpoint, a broken model or an unwritable place does: an error, no more."""

import ast
import json

import numpy as np
import pytest
import torch
from conftest import DATA, draw_word, need, tiny_model
from PIL import Image

from aocr_plugin.conversion.config_text import config_text
from aocr_plugin.engine import destinations
from aocr_plugin.engine.description import checked
from aocr_plugin.errors import CheckpointError, ConfigError, ImageError
from aocr_plugin.evaluation.metrics import PredictionLines, summarise
from aocr_plugin.inference.loading import load_bytes
from aocr_plugin.inference.sources import expand
from aocr_plugin.plain_json import without_nan


@pytest.mark.parametrize("name", ['w"""\nopen("x", "w")\n"""', 'end"', "back\\slash", "Größe 5"])
def test_a_folders_name_is_no_code_in_the_written_config(name):
    described = {"model": {"type": "AOCR"}, "test_pipeline": []}
    text = config_text(
        described, base="configs/aocr_original.py", out="x.py", checkpoint="/x.pth", source=name
    )
    tree = ast.parse(text)
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert set(calls) == {"dict"}


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"type": "ImgAugWrapper", "args": [["SaveDebugImageEveryNBatches", "x", 1]]}, "run code"),
        ({"type": "AOCRDictionary", "charset": "file:/etc/passwd"}, "would read a file"),
        ({"type": "Dictionary", "dict_file": "/etc/passwd"}, "would read a file"),
    ],
)
def test_descriptions_that_touch_files_are_refused(described, message):
    with pytest.raises(CheckpointError, match=message):
        checked({"model": described}, "evil.pth")


def test_scores_that_are_no_number(tmp_path):
    metric = PredictionLines(str(tmp_path / "p.jsonl"))
    sample = dict(pred_text=dict(item="A", word_score=float("nan")), gt_text=dict(item="A"))
    metric.process(None, [sample])
    metric.compute_metrics(metric.results)
    line = (tmp_path / "p.jsonl").read_text()
    assert json.loads(line, parse_constant=pytest.fail)["score"] is None
    assert without_nan({"a": [1.0, float("inf")]}) == {"a": [1.0, None]}
    rows = [
        dict.fromkeys(
            (
                "word_acc",
                "word_acc_ignore_case",
                "word_acc_ignore_case_symbol",
                "one_minus_ned",
                "aocr_accuracy",
            ),
            1.0,
        )
        | dict(distance=0, length=1, loss=None, score=float("nan"))
    ]
    assert "ece" not in summarise(rows)


def test_predictions_go_to_an_object_store():
    from aocr_plugin import storage

    metric = PredictionLines("memory://hostile/p.jsonl")
    metric.process(None, [dict(pred_text=dict(item="A"), gt_text=dict(item="B"))])
    metric.compute_metrics(metric.results)
    assert json.loads(storage.read_bytes("memory://hostile/p.jsonl"))["text"] == "A"
    storage.write_bytes("memory://hostile/i/b.png", b"x")
    assert expand("memory://hostile/i") == ["memory://hostile/i/b.png"]
    assert expand("memory://hostile/i/b.png") == ["memory://hostile/i/b.png"]
    storage.write_bytes("memory://bare/p.txt", b"x")
    with pytest.raises(ImageError, match="no image in this folder"):
        expand("memory://bare")


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    destinations.check(str(tmp_path / "new" / "r.html"), folder=False)
    destinations.check("s3://bucket/r.html", folder=False)
    for name, folder in ((tmp_path, False), (tmp_path / "file", True)):
        with pytest.raises(ConfigError, match="give another name"):
            destinations.check(str(name), folder=folder)
    with pytest.raises(ConfigError, match="is no folder that takes files"):
        destinations.check(str(tmp_path / "file" / "r.html"), folder=False)


def test_a_cut_pillow_image_is_an_image_error(tmp_path):
    Image.fromarray(draw_word("OX")).save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) - 40])
    with pytest.raises(ImageError, match="not a whole image"):
        load_bytes(Image.open(tmp_path / "cut.png"), "x")


def test_weights_of_other_shapes_are_named():
    from aocr_plugin.conversion.tensorflow_names import convert

    with np.load(need(DATA / "golden" / "gru_plates") / "weights.npz") as archive:
        weights = {name: archive[name] for name in archive.files}
    query = "embedding_attention_decoder|attention_decoder|AttnW_0"
    with pytest.raises(CheckpointError, match="has not the shape that the original's has"):
        convert(weights | {query: weights[query].ravel()})


def test_a_model_of_nan_still_writes_json(tmp_path):
    from mmengine.registry import DefaultScope
    from mmocr.registry import MODELS

    from aocr_plugin import Recognizer

    model = tiny_model("chars:ABC")
    with DefaultScope.overwrite_default_scope("mmocr"):
        built = MODELS.build(model)
    with torch.no_grad():
        built.decoder.output.bias.fill_(float("nan"))
    pipeline = [
        dict(type="LoadImageFromFile", color_type="grayscale"),
        dict(type="RescaleToHeight", height=32, min_width=8, max_width=512),
        dict(type="PackTextRecogInputs", meta_keys=["img_shape", "valid_ratio"]),
    ]
    described = {"format": 1, "version": "0", "model": model, "test_pipeline": pipeline}
    path = tmp_path / "nan.pth"
    torch.save({"state_dict": built.state_dict(), "meta": {"aocr": described}}, path)
    found = Recognizer(path)(draw_word("OX"))
    assert "NaN" not in json.dumps(without_nan(found.to_dict()))

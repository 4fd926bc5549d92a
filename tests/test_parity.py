"""The network against what the original aocr recorded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import DATA, need

import aocr_plugin  # noqa: F401
from aocr_plugin.cli.convert import main
from aocr_plugin.conversion.tensorflow_names import convert, normalise_names
from aocr_plugin.errors import CheckpointError

pytestmark = pytest.mark.parity


@pytest.fixture
def recorded(golden):
    outputs = dict(np.load(golden / "outputs.npz"))
    return json.loads((golden / "outputs.json").read_text()), outputs


@pytest.fixture
def model(golden, recorded):
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    from aocr_plugin.conversion.checkpoint import model_config

    init_default_scope("mmocr")
    state, sizes = convert(dict(np.load(golden / "weights.npz")))
    steps = recorded[0]["settings"]["max_prediction"] + 2
    built = MODELS.build(model_config(sizes, max_seq_len=steps))
    built.load_state_dict({name: torch.from_numpy(v) for name, v in state.items()}, strict=True)
    return built.eval()


@torch.inference_mode()
def test_logits_attention_texts_and_probabilities_of_every_image(model, recorded):
    from conftest import make_samples

    description, outputs = recorded
    inputs = (torch.from_numpy(outputs["input_images"]).permute(0, 3, 1, 2) - 128) / 128
    feat, encoded = model.encode(inputs, None)
    decoded = model.decoder.greedy(feat, encoded)
    expected = torch.from_numpy(outputs["conv_features"])
    torch.testing.assert_close(feat[:4, :, 0].transpose(1, 2), expected, atol=5e-5, rtol=0)
    assert np.abs(decoded.logits.numpy() - outputs["logits"]).max() < 1e-4
    assert np.abs(decoded.attention.numpy() - outputs["attention"]).max() < 1e-5
    entries = description["images"]
    samples = model.decoder.predict(feat, encoded, make_samples([e["label"] for e in entries]))
    assert len(samples) == len(entries) > 60
    for sample, entry in zip(samples, entries, strict=True):
        assert sample.pred_text.item == entry["prediction"]
        assert sample.pred_text.aocr_probability == pytest.approx(entry["probability"], abs=1e-5)


@torch.inference_mode()
def test_teacher_forcing_fed_its_own_output_is_greedy(model, recorded):
    _, outputs = recorded
    inputs = (torch.from_numpy(outputs["input_images"][:8]).permute(0, 3, 1, 2) - 128) / 128
    feat, encoded = model.encode(inputs, None)
    greedy = model.decoder.greedy(feat, encoded)
    symbols = greedy.logits.argmax(2)
    starts = torch.full((8, 1), model.decoder.dictionary.start_idx)
    forced = model.decoder.teacher_forced(feat, encoded, torch.cat([starts, symbols[:, :-1]], 1))
    torch.testing.assert_close(forced.logits, greedy.logits, atol=2e-5, rtol=0)


def test_a_left_over_or_missing_variable_is_named(golden):
    variables = dict(np.load(golden / "weights.npz"))
    with pytest.raises(CheckpointError, match="1 TensorFlow variables have no place here: extra/W"):
        convert(variables | {"extra|W": np.zeros(1)})
    del variables["conv_conv4|W"]
    with pytest.raises(CheckpointError, match="no variable 'conv_conv4/W'"):
        convert(variables)


def test_names_of_tensorflow_1_and_slots():
    named = normalise_names(
        {
            "conv_conv3|BatchNorm|gamma": np.ones(1),
            "conv_conv3/W/Adadelta": np.ones(1),
            "conv_conv3/W/Adadelta_1": np.ones(1),
            "Variable": np.ones(1),
        }
    )
    assert list(named) == ["conv_conv3/batch_normalization/gamma"]


@pytest.fixture
def converted(golden, recorded, tmp_path):
    """A checkpoint made by the shipped converter, and the folder of its images."""
    settings = recorded[0]["settings"]
    out = tmp_path / "converted.pth"
    checkpoint = golden / "model.ckpt"
    source = checkpoint if Path(f"{checkpoint}.index").exists() else golden / "weights.npz"
    flags = [
        f"--{name.replace('_', '-')}={settings[name]}"
        for name in ("max_width", "max_height", "max_prediction", "attn_num_hidden")
    ]
    assert main([str(source), str(out), *flags, *["--use-gru"] * settings["use_gru"]]) == 0
    name = {"lstm_captcha5": "captcha5_classic", "gru_plates": "plates_us"}[golden.name]
    return out, need(DATA / "data" / name)


def test_network_input_made_of_the_files_is_the_originals(converted, recorded):
    from mmcv.transforms import Compose
    from mmengine.registry import DefaultScope
    from mmocr.registry import TRANSFORMS

    out, folder = converted
    description, outputs = recorded
    steps = torch.load(out, weights_only=True)["meta"]["aocr"]["test_pipeline"]
    with DefaultScope.overwrite_default_scope("mmocr"):
        pipeline = Compose([TRANSFORMS.build(s) for s in steps if "Annotations" not in s["type"]])
    for entry, expected in zip(description["images"], outputs["input_images"], strict=True):
        image = pipeline({"img_path": str(folder / entry["path"])})["inputs"]
        np.testing.assert_allclose(image.permute(1, 2, 0).numpy(), expected, atol=1e-3, rtol=0)


def test_every_text_and_probability_from_the_files_through_recognizer(converted, recorded):
    from aocr_plugin import Recognizer

    out, folder = converted
    entries = recorded[0]["images"]
    found = Recognizer(out)([folder / entry["path"] for entry in entries])
    assert [p.text for p in found] == [entry["prediction"] for entry in entries]
    for prediction, entry in zip(found, entries, strict=True):
        assert prediction.aocr_probability == pytest.approx(entry["probability"], abs=1e-4)
    data = (folder / entries[0]["path"]).read_bytes()
    assert Recognizer(out)(data).text == entries[0]["prediction"]


@pytest.mark.slow
def test_every_text_and_probability_from_the_files_through_the_dataset(
    converted, recorded, tmp_path
):
    from aocr_plugin.cli.test import main as test_main

    out, folder = converted
    entries = recorded[0]["images"]
    annotations = tmp_path / "annotations.txt"
    annotations.write_text("".join(f"{e['path']} {e['label']}\n" for e in entries))
    options = [
        f"test_dataloader.dataset.ann_file={annotations}",
        f"test_dataloader.dataset.data_root={folder}",
    ]
    words = [str(out.with_suffix(".py")), str(out), "--work-dir", str(tmp_path / "work")]
    assert test_main([*words, "--cfg-options", *options]) == 0
    lines = (tmp_path / "work" / "predictions.jsonl").read_text().splitlines()
    found = {Path(row["file"]).name: row for row in map(json.loads, lines)}
    assert len(found) == len(entries)
    for entry in entries:
        row = found[Path(entry["path"]).name]
        assert row["text"] == entry["prediction"]
        assert row["aocr_probability"] == pytest.approx(entry["probability"], abs=1e-4)

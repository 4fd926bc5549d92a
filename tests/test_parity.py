"""The network against what the original aocr recorded."""

import json

import numpy as np
import pytest
import torch

import aocr_plugin  # noqa: F401
from aocr_plugin.conversion.tensorflow_names import convert, normalise_names
from aocr_plugin.errors import CheckpointError

pytestmark = pytest.mark.parity


@pytest.fixture
def recorded(golden):
    outputs = dict(np.load(golden / "outputs.npz"))
    return json.loads((golden / "outputs.json").read_text()), outputs


@pytest.fixture
def model(golden, recorded):
    from mmocr.registry import MODELS

    from aocr_plugin.conversion.checkpoint import model_config

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


def test_shipped_converter_writes_a_checkpoint_that_reads_images(golden, recorded, tmp_path):
    from conftest import DATA, need

    from aocr_plugin import Recognizer
    from aocr_plugin.cli.convert import main

    description, _ = recorded
    settings = description["settings"]
    out = tmp_path / "converted.pth"
    sizes = [f"--{k.replace('_', '-')}={settings[k]}" for k in ("max_width", "max_height")]
    limit = f"--max-prediction={settings['max_prediction']}"
    assert main([str(golden / "weights.npz"), str(out), *sizes, limit]) == 0
    name = {"lstm_captcha5": "captcha5_classic", "gru_plates": "plates_us"}[golden.name]
    folder = need(DATA / "data" / name)
    entries = description["images"]
    found = Recognizer(out)([folder / entry["path"] for entry in entries])
    same = sum(p.text == e["prediction"] for p, e in zip(found, entries, strict=True))
    # JPEGs (plates) are decoded with another inverse cosine transform than TensorFlow's
    assert same == len(entries) if name == "captcha5_classic" else same >= 0.95 * len(entries)

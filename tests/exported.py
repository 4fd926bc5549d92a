"""Checkpoints of every kind that is exported: small, with random but decided weights."""

import torch
from conftest import tiny_model
from mmengine.registry import DefaultScope

META = ("img_path", "ori_shape", "img_shape", "valid_ratio")
RESCALED = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="LoadOCRAnnotations", with_text=True),
    dict(type="RescaleToHeight", height=32, min_width=8, max_width=2048, interpolation="area"),
    dict(type="PackTextRecogInputs", meta_keys=META),
]
CANVAS = [
    dict(type="LoadImageFromFile", color_type="grayscale"),
    dict(type="AOCRCanvas", max_width=160, max_height=60),
    dict(type="PackTextRecogInputs", meta_keys=META),
]
COLOUR = [dict(type="LoadImageFromFile"), *RESCALED[1:]]
ORIGINAL = dict(num_layers=2, init_state="aocr", forget_bias=0.0)
ENCODER = dict(type="StackedLSTMEncoder", in_channels=32, hidden_size=32)


def kinds() -> dict:
    """Returns (model, pipeline) by name."""
    colour = tiny_model(charset="chars:abcdeéß 日本")
    colour["backbone"]["in_channels"] = 3
    colour["data_preprocessor"] |= dict(mean=[128] * 3, std=[128] * 3, bgr_to_rgb=True)
    deep = dict(num_layers=2, cell="gru", share_layers=False, temperature=1.5)
    gru = tiny_model(decoder=deep)
    gru["encoder"] |= dict(cell="gru", num_layers=2, bidirectional=False, hidden_size=32)
    stacked = tiny_model()
    stacked["encoder"] |= dict(num_layers=2)
    return {
        "masked": (tiny_model(), RESCALED),
        "masked_gru": (gru, RESCALED),
        "masked_stacked": (stacked, RESCALED),
        "colour": (colour, COLOUR),
        "original": (
            tiny_model(mask_padding=False, encoder=ENCODER, decoder=ORIGINAL | {"in_channels": 64}),
            CANVAS,
        ),
        "original_gru": (
            tiny_model(
                mask_padding=False,
                encoder=ENCODER,
                decoder=ORIGINAL | {"in_channels": 64, "cell": "gru"},
            ),
            CANVAS,
        ),
    }


def write(kind: str, path, seed: int = 0):
    """Writes a checkpoint whose probabilities are far from even, and differ from step to step."""
    from mmocr.registry import MODELS

    model, pipeline = kinds()[kind]
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("mmocr"):
        built = MODELS.build(model)
    state = built.state_dict()
    for name in ("decoder.output.weight", "decoder.score", "decoder.step.score"):
        if name in state:
            state[name] *= 12
    for name, value in state.items():
        if "rnn.weight" in name or "gates.weight" in name or "embedding" in name:
            state[name] = value * 3
    described = dict(format=1, version="0", model=model, test_pipeline=pipeline)
    torch.save({"state_dict": state, "meta": {"aocr": described}}, path)
    return path

"""Checkpoints of random weights to export, and image files to read."""

import io

import cv2
import numpy as np
import torch
from conftest import tiny_model
from PIL import Image

CANVAS = dict(type="AOCRCanvas", max_width=100, max_height=40)
AREA = dict(type="RescaleToHeight", height=32, min_width=8, interpolation="area")


def make_checkpoint(
    path, *steps, decoder=None, colour=False, mask_padding=True, preprocessor=None, seed=1
):
    """Writes a checkpoint of random weights whose texts differ from image to image."""
    from mmengine.registry import DefaultScope
    from mmocr.registry import MODELS

    model = tiny_model("chars:ABÄ ", mask_padding=mask_padding, decoder=decoder or {})
    model["backbone"]["in_channels"] = 3 if colour else 1
    if colour:
        model["data_preprocessor"] |= dict(mean=[128, 120, 110], std=[128, 120, 100])
    model["data_preprocessor"] |= preprocessor or {}
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("mmocr"):
        built = MODELS.build(model)
    with torch.no_grad():
        for block in built.backbone.blocks:
            block.norm.running_mean.uniform_(-0.3, 0.3)
            block.norm.running_var.uniform_(0.5, 1.5)
            block.norm.weight.uniform_(0.8, 2.0)
            block.norm.bias.uniform_(-0.3, 0.3)
        for name, weight in built.named_parameters():  # or all texts would be alike
            if name.startswith(("encoder", "decoder.step")) and "bias" not in name:
                weight *= 5
        built.decoder.output.weight *= 10
    load = dict(type="LoadImageFromFile", color_type="color" if colour else "grayscale")
    pack = dict(type="PackTextRecogInputs", meta_keys=["img_shape", "valid_ratio"])
    described = {"format": 1, "version": "0", "model": model, "test_pipeline": [load, *steps, pack]}
    torch.save({"state_dict": built.state_dict(), "meta": {"aocr": described}}, path)
    return path


def encoded(mode="RGB", kind="JPEG", **options):
    """Returns an image file of noise, as Pillow writes it."""
    pixels = np.random.default_rng(0).integers(0, 255, (6, 15, 3)).astype(np.uint8)
    pixels = cv2.resize(pixels, (91, 43), interpolation=cv2.INTER_CUBIC)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()

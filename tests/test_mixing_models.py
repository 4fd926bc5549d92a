"""Our parts with MMOCR's, MMOCR's with ours: every pair trains, predicts and exports."""

import copy

import numpy as np
import pytest
import torch
from conftest import WORDS, make_samples
from mixing_parts import BACKBONES, batch, build, ours_after, ours_before, settle, total_loss

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import ConfigError

DECODERS = (
    "CTC",
    "ASTER",
    "ASTER, our encoder",
    "SAR, parallel",
    "SAR, sequential",
    "our decoder, ASTER's encoder",
    "our decoder, SATRN's encoder",
    "our decoder, no encoder",
)
PAIRS = {
    **{f"{name}, ours": ours_after(name) for name in BACKBONES},
    **{f"STN, {name}, ours": ours_after(name, stn=True) for name in BACKBONES},
    **{f"SlidingCNN, {name}": ours_before(name) for name in DECODERS},
}


def images_for(config):
    return batch(3 if config["backbone"]["type"] == "MobileNetV2" else 1)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow if "STN" in name else ()) for name in PAIRS]
)
def pair(request, seeded):
    return PAIRS[request.param]


def exportable(config):
    return config["type"] == "AOCR" and config["decoder"]["type"] == "AttentionDecoder"


def test_a_step_lowers_the_loss_on_its_batch_and_a_batch_reads_as_its_images(pair):
    before = copy.deepcopy(pair)
    model, images = build(pair), images_for(pair)
    assert pair == before
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        loss = total_loss(model.train(), images)
        losses.append(float(loss))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[0] > losses[1] > losses[2]
    model.eval()
    with torch.no_grad():
        together = model(images, make_samples(WORDS, [1.0] * 4), "predict")
        alone = [model(image[None], make_samples([""], [1.0]), "predict")[0] for image in images]
    for one, other in zip(together, alone, strict=True):
        assert one.pred_text.item == other.pred_text.item
        np.testing.assert_allclose(one.pred_text.score, other.pred_text.score, atol=1e-4)


LEARNERS = ("ResNet, ours", "STN, SlidingCNN, ours", "SlidingCNN, CTC", "SlidingCNN, ASTER")


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNERS)
def test_pairs_learn_four_words(name, seeded):
    model, images = build(PAIRS[name]), batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(200):
        loss = total_loss(model.train(), images)
        if loss < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():  # as training saw them: running averages need more than a batch
        samples = make_samples(WORDS, [1.0] * 4)
        model.decoder.eval()
        feat = model.extract_feat(images)
        encoded = model.encoder(feat, samples) if model.with_encoder else None
        found = model.decoder.predict(feat, encoded, samples)
    assert [sample.pred_text.item for sample in found] == WORDS


@pytest.mark.slow
def test_every_pair_exports_or_says_why_not(pair, tmp_path):
    import onnxruntime

    from aocr_plugin.export import network

    model, images = build(pair).eval(), images_for(pair)
    if not exportable(pair):
        with pytest.raises(ConfigError, match=r"this export is for (AttentionDecoder|type=.AOCR.)"):
            network.FixedStepNetwork(model)
        return
    settle(model, images)
    with torch.no_grad():
        feat, encoded = model.encode(images, None)
        wanted = torch.softmax(model.decoder.greedy(feat, encoded).logits, -1).numpy()
    torch.onnx.export(
        network.FixedStepNetwork(model),
        (images[:2],),
        tmp_path / "a.onnx",
        dynamo=False,
        opset_version=17,
        input_names=["input"],
        output_names=["output", "attention"],
        dynamic_axes={name: {0: "batch"} for name in ("input", "output", "attention")},
    )
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    found, _ = session.run(None, {"input": images.numpy()})
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.ptp(wanted, axis=0).max() > 1e-2 < np.ptp(wanted, axis=1).max()

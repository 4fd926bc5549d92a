"""Recorded training steps."""

import pytest
import torch
from conftest import make_samples
from mmengine.registry import init_default_scope

from aocr_plugin.models.misfits import MisfitError
from aocr_plugin.models.recognizers.graphs import GraphedLoss, _Loss

LABELS = ["ab", "abcde", "c", "xyz"]


def build(**decoder):
    """Returns a small recogniser that learns without chance."""
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    torch.manual_seed(0)
    attention = dict(
        type="AttentionDecoder",
        in_channels=16,
        hidden_size=8,
        num_layers=1,
        init_state="linear",
        dictionary=dict(type="AOCRDictionary", charset="alphanumeric"),
        module_loss=dict(type="SequenceCELoss", label_smoothing=0.1),
        max_seq_len=10,
    )
    return MODELS.build(
        dict(
            type="AOCR",
            cuda_graphs=True,
            data_preprocessor=dict(type="StackedDataPreprocessor", mean=[128], std=[128]),
            backbone=dict(type="SlidingCNN", channels=(8,) * 6 + (16,), dropout=0.0),
            encoder=dict(
                type="StackedLSTMEncoder",
                in_channels=16,
                hidden_size=8,
                return_state=not decoder,  # MMOCR's want a plain tensor
            ),
            decoder=decoder or attention,
        )
    ).train()


def batch(device="cpu"):
    """Returns images of one size and their samples."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 1, 32, 60, generator=generator).to(device), make_samples(LABELS)


def test_what_is_recorded_is_the_loss():
    model, (images, samples) = build(), batch()
    rows = model.decoder.module_loss.target_rows(samples)
    longer = torch.nn.functional.pad(rows, (0, 3), value=model.decoder.module_loss.pad_idx)
    start = {key: value.clone() for key, value in model.state_dict().items()}
    as_always = model.loss(images, samples)["loss_ce"]
    model.load_state_dict(start)
    assert _Loss(model)(images, longer).item() == pytest.approx(as_always.item(), abs=1e-6)


def test_nothing_is_recorded_on_a_cpu():
    model, (images, samples) = build(), batch()
    assert isinstance(model.graphed, GraphedLoss)
    assert not model.graphed.is_ready(images)
    assert torch.isfinite(model.loss(images, samples)["loss_ce"])


def test_other_decoders_are_refused():
    decoder = dict(
        type="ASTERDecoder",
        in_channels=16,
        max_seq_len=10,
        dictionary=dict(type="AOCRDictionary", charset="alphanumeric"),
        module_loss=dict(type="CEModuleLoss"),
        postprocessor=dict(type="AttentionPostprocessor"),
    )
    with pytest.raises(MisfitError, match="cuda_graphs=True needs AttentionDecoder, not ASTER"):
        build(**decoder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_steps_replayed_learn_like_steps_as_always():
    ends = []
    for graphs in (True, False):
        model = build().cuda()
        if not graphs:
            model.graphed = None
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        images, samples = batch("cuda")
        for _ in range(8):
            optimizer.zero_grad()
            model.loss(images, samples)["loss_ce"].backward()
            optimizer.step()
        assert not graphs or model.graphed._graphs
        ends.append(model.loss(images, samples)["loss_ce"].item())
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)

"""Parts that cannot go together: the error names both and what to set."""

import copy

import pytest
import torch
from mixing_parts import (
    BACKBONES,
    attention,
    batch,
    build,
    lstm,
    ours_after,
    ours_before,
    total_loss,
)

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import AOCRError, ConfigError

SAR, ASTER = ours_before("SAR, parallel"), ours_before("ASTER")
RESNET31 = dict(type="ResNet31OCR", **BACKBONES["ResNet31OCR"][0])
MISFITS = {
    "CTC behind an encoder": (
        ours_before("CTC") | dict(type="AOCR", encoder=lstm(32)),
        "CRNNDecoder reads the backbone's features .* set encoder=None",
    ),
    "ASTER without encoder": (ASTER | dict(type="AOCR", encoder=None), "add ASTEREncoder"),
    "ASTER behind SAR's encoder": (
        ASTER | dict(type="AOCR", encoder=SAR["encoder"]),
        "ASTERDecoder looks at columns, SAREncoder gives one vector",
    ),
    "SAR behind our encoder": (
        SAR | dict(type="AOCR", encoder=lstm(32, return_state=False)),
        "ParallelSARDecoder needs SAREncoder",
    ),
    "our decoder behind SAR's encoder": (
        SAR | dict(type="AOCR", decoder=attention(32)),
        "AttentionDecoder looks at columns, SAREncoder gives one vector",
    ),
    "our decoder behind SAR's encoder, in MMOCR's recogniser": (
        SAR | dict(decoder=attention(16)),
        r"the encoder gives 2 dimensions \(SAREncoder",
    ),
    "ASTER behind our encoder's state": (
        ASTER | dict(type="AOCR", encoder=lstm(32)),
        "set return_state=False in StackedLSTMEncoder",
    ),
    "the same in MMOCR's recogniser": (
        ASTER | dict(encoder=lstm(32)),
        "takes the encoder's output for a tensor.* set return_state=False",
    ),
    "our decoder without the state": (
        ours_after("SlidingCNN") | dict(encoder=lstm(32, return_state=False)),
        "set init_state='zero'",
    ),
    "a state of another size": (
        ours_after("SlidingCNN") | dict(encoder=lstm(32, cell="gru")),
        "the encoder's state has 16 channels, init_state='linear' takes 32",
    ),
    "several rows": (
        ours_after("ResNet31OCR") | dict(encoder=lstm(32)),
        "4 rows high, the encoder reads one row: .* set height_pool='mean' in the encoder",
    ),
    "several rows, no encoder": (
        ours_after("ResNet31OCR")
        | dict(encoder=None, decoder=attention(32) | dict(init_state="zero")),
        "set height_pool='mean' in the decoder",
    ),
    "several feature maps": (
        ours_after("ResNet31OCR")
        | dict(
            backbone=dict(type="ResNet31OCR", **BACKBONES["ResNet31OCR"][0], out_indices=[1, 3])
        ),
        "gives 2 feature maps, the encoder reads one: set the backbone's out_indices=None",
    ),
    "another width of features": (
        ours_after("SlidingCNN") | dict(encoder=lstm(64)),
        "have 32 channels, StackedLSTMEncoder takes 64: set encoder.in_channels=32",
    ),
    "another width of columns": (
        ours_after("SlidingCNN") | dict(decoder=attention(64)),
        "have 32 channels, AttentionDecoder takes 64: set decoder.in_channels=32",
    ),
    "gray images for MobileNetV2": (
        ours_after("MobileNetV2"),
        "the images have 1 channels, the first convolution takes 3: set the pipeline's color_type",
    ),
    "gray images for a colour STN": (
        ours_after("SlidingCNN") | dict(preprocessor=dict(type="STN", in_channels=3)),
        "the first convolution takes 3",
    ),
    "masks past MMOCR's decoder": (
        ours_before("ASTER, our encoder") | dict(mask_padding=True),
        "mask_padding=True needs AttentionDecoder: ASTERDecoder looks at padding too",
    ),
    "greedy loss of MMOCR's decoder": (
        ours_before("ASTER, our encoder") | dict(score_labels="greedy"),
        'score_labels="greedy" needs AttentionDecoder, not ASTERDecoder',
    ),
    "greedy loss of a decoder that stops": (
        ours_after("SlidingCNN")
        | dict(score_labels="greedy", decoder=attention(32, early_stop=True)),
        "set early_stop=False",
    ),
    "neither mean nor None": (
        ours_after("ResNet31OCR") | dict(encoder=lstm(32, height_pool="max")),
        "height_pool is 'max'; it must be 'mean' or None",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_cannot_go_together_says_what_to_set(name):
    config, message = MISFITS[name]
    with pytest.raises((AOCRError, ValueError), match=message):
        total_loss(build(config), batch())


def test_every_misfit_is_a_typed_error_that_a_config_check_takes_for_one():
    from aocr_plugin.models.misfits import HeldStateError, MisfitError

    assert issubclass(MisfitError, ConfigError) and issubclass(MisfitError, ValueError)
    assert issubclass(HeldStateError, MisfitError) and issubclass(HeldStateError, AttributeError)


def test_an_encoders_output_is_still_a_tuple_like_any_other():
    from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput

    output = EncoderOutput(torch.zeros(1, 2, 3))
    assert copy.deepcopy(output).memory.shape == (1, 2, 3)
    assert not hasattr(output, "shape") and not hasattr(output, "__torch_function__")
    with pytest.raises(AttributeError, match="no attribute 'memories'"):
        output.memories  # noqa: B018


def test_mmocrs_resnet_is_built_from_a_description_too():
    from aocr_plugin.engine.description import checked

    described = ours_after("ResNet")
    described["backbone"]["strides"] = [[2, 2], [2, 2], [2, 1], [2, 1], [2, 1]]
    model = build(checked(described, "a.pth"))
    plain = build(ours_after("ResNet"))
    assert [p.shape for p in model.parameters()] == [p.shape for p in plain.parameters()]

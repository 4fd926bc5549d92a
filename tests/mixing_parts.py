"""Small versions of every part that is mixed, and a batch of words to try them on."""

import copy

import torch
from conftest import WORDS, draw_word, make_samples
from mmengine.registry import DefaultScope

WIDTH = 100  # pixels; what MMOCR's CRNN and its STN give

BACKBONES = {  # config, channels out, rows of features from 32 pixels
    "SlidingCNN": (
        dict(channels=(8, 8, 16, 16, 32, 32, 32), norm_all=True, dropout=0.0, bn_momentum=0.1),
        32,
        1,
    ),
    "ResNet31OCR": (
        dict(base_channels=1, layers=[1, 1, 1, 1], channels=[8, 8, 16, 16, 32, 32, 32]),
        32,
        4,
    ),
    "ResNetABI": (dict(in_channels=1, stem_channels=16, base_channels=8), 128, 8),
    "ResNet": (
        dict(
            in_channels=1,
            stem_channels=[16],
            block_cfgs=dict(type="BasicBlock", use_conv1x1=True),
            arch_layers=[1, 1, 1, 1, 1],
            arch_channels=[16, 16, 16, 32, 32],
            strides=[(2, 2), (2, 2), (2, 1), (2, 1), (2, 1)],
        ),
        32,
        1,
    ),
    "MiniVGG": (dict(input_channels=1), 512, 1),
    "MobileNetV2": (dict(), 1280, 1),
    "ShallowCNN": (dict(input_channels=1, hidden_dim=32), 32, 8),
}
DICTIONARY = dict(type="AOCRDictionary", charset="aocr")
CE = dict(type="CEModuleLoss", flatten=True, ignore_first_char=True, pad_with="padding")


def attention(channels: int, **changes) -> dict:
    """Returns our decoder's config."""
    return dict(
        type="AttentionDecoder",
        in_channels=channels,
        hidden_size=16,
        num_layers=1,
        embed_dims=8,
        init_state="linear",
        max_seq_len=10,
        dictionary=DICTIONARY,
        module_loss=dict(type="SequenceCELoss"),
        postprocessor=dict(type="WordScorePostprocessor"),
        **changes,
    )


def lstm(channels: int, **changes) -> dict:
    """Returns our encoder's config; its columns have 32 channels."""
    return dict(type="StackedLSTMEncoder", in_channels=channels, hidden_size=16) | changes


def ours_after(name: str, stn: bool = False) -> dict:
    """Returns a backbone before our encoder and decoder, by name; where asked for behind an STN."""
    config, channels, rows = BACKBONES[name]
    model = dict(
        type="AOCR",
        channels_last=True,  # as aocr_base has it
        backbone=dict(type=name, **config),
        encoder=lstm(channels, height_pool="mean" if rows > 1 else None),
        decoder=attention(32),
    )
    if stn:
        colours = 3 if name == "MobileNetV2" else 1
        model["preprocessor"] = dict(
            type="STN", in_channels=colours, output_image_size=(32, WIDTH), num_control_points=6
        )
    return model


def ours_before(name: str) -> dict:
    """Returns our backbone before a decoder of MMOCR's, by name."""
    aster = dict(
        type="ASTERDecoder",
        in_channels=32,
        emb_dims=16,
        attn_dims=16,
        hidden_size=16,
        max_seq_len=10,
        dictionary=DICTIONARY,
        module_loss=CE,
        postprocessor=dict(type="AttentionPostprocessor"),
    )
    sar = dict(
        d_model=32,
        d_enc=16,
        d_k=16,
        max_seq_len=10,
        dictionary=DICTIONARY,
        module_loss=CE | dict(flatten=False, reduction="mean"),
        postprocessor=dict(type="AttentionPostprocessor"),
    )
    sar_encoder = dict(type="SAREncoder", d_model=32, d_enc=16)
    ctc = dict(
        type="CRNNDecoder",
        in_channels=32,
        rnn_flag=True,
        dictionary=DICTIONARY,
        module_loss=dict(type="CTCModuleLoss"),
        postprocessor=dict(type="CTCPostProcessor"),
    )
    encoder, decoder, kind = {
        "CTC": (None, ctc, "CRNN"),
        "ASTER": (dict(type="ASTEREncoder", in_channels=32), aster, "ASTER"),
        "ASTER, our encoder": (lstm(32, return_state=False), aster, "AOCR"),
        "SAR, parallel": (sar_encoder, dict(type="ParallelSARDecoder", **sar), "SARNet"),
        "SAR, sequential": (sar_encoder, dict(type="SequentialSARDecoder", **sar), "AOCR"),
        "our decoder, ASTER's encoder": (
            dict(type="ASTEREncoder", in_channels=32),
            attention(32) | dict(init_state="zero"),
            "ASTER",
        ),
        "our decoder, SATRN's encoder": (
            dict(type="SATRNEncoder", n_layers=1, n_head=2, d_k=16, d_v=16, d_model=32, d_inner=32),
            attention(32) | dict(init_state="zero"),
            "SATRN",
        ),
        "our decoder, no encoder": (None, attention(32) | dict(init_state="zero"), "AOCR"),
    }[name]
    backbone = dict(type="SlidingCNN", **BACKBONES["SlidingCNN"][0])
    layout = dict(channels_last=True) if kind == "AOCR" else {}
    return dict(type=kind, backbone=backbone, encoder=encoder, decoder=decoder, **layout)


def build(config: dict):
    """Builds a recogniser with images around zero."""
    from mmocr.registry import MODELS

    config = copy.deepcopy(config)
    config.setdefault("data_preprocessor", dict(type="TextRecogDataPreprocessor"))
    with DefaultScope.overwrite_default_scope("mmocr"):
        return MODELS.build(config)


def batch(channels: int = 1, words=WORDS) -> torch.Tensor:
    """Returns normalised images [N, C, 32, WIDTH] of drawn words."""
    drawn = [torch.from_numpy(draw_word(word, WIDTH)[4:36]).float() for word in words]
    return ((torch.stack(drawn)[:, None] - 128) / 128).repeat(1, channels, 1, 1)


def total_loss(model, images: torch.Tensor, words=WORDS) -> torch.Tensor:
    """Returns the sum of what a recogniser trains on."""
    losses = model.loss(images, make_samples(words, [1.0] * len(words)))
    return sum(value.mean() for name, value in losses.items() if "loss" in name)


def settle(model, images: torch.Tensor) -> None:
    """Makes a model's outputs differ by image and step: normalised features, large weights."""
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            torch.nn.init.uniform_(parameter, -0.6, 0.6)
        for layer in model.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.train().momentum = None
        model.extract_feat(images)
    model.eval()

import numpy as np
import pytest
import torch
from conftest import make_samples, tiny_model
from reference import step as numpy_step
from torch import nn

import aocr_plugin  # noqa: F401


def build(config):
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    return MODELS.build(config)


@pytest.mark.parametrize("width", [1, 2, 86, 87, 128, 129])
def test_columns_are_a_quarter_of_the_width_rounded_up(width):
    backbone = build(dict(type="SlidingCNN", channels=(4,) * 7)).eval()
    assert backbone(torch.zeros(2, 1, 32, width)).shape == (2, 4, 1, -(-width // 4))
    lengths = backbone.feature_lengths(torch.tensor([width]))
    assert lengths.tolist() == [-(-width // 4)]


def test_even_kernel_is_padded_at_bottom_and_right(seeded):
    from aocr_plugin.models.backbones.sliding_cnn import ConvBlock

    block = ConvBlock(1, 1, 2, norm=False, bn_momentum=0.1, bn_eps=1e-3)
    weight = block.conv.weight[0, 0].detach().numpy()
    image = np.abs(np.random.default_rng(0).normal(size=(3, 4)))
    padded = np.pad(image, ((0, 1), (0, 1)))
    expected = np.zeros((3, 4))
    for y in range(3):
        for x in range(4):
            expected[y, x] = max(0, (padded[y : y + 2, x : x + 2] * weight).sum())
    out = block(torch.tensor(image, dtype=torch.float32)[None, None])[0, 0]
    np.testing.assert_allclose(out.detach().numpy(), expected, atol=1e-6)


def test_defaults_are_the_originals():
    model = build(
        dict(
            type="AOCR",
            backbone=dict(type="SlidingCNN"),
            encoder=dict(type="StackedLSTMEncoder"),
            decoder=dict(
                type="AttentionDecoder",
                dictionary=dict(type="AOCRDictionary"),
                module_loss=dict(type="SequenceCELoss"),
                postprocessor=dict(type="WordScorePostprocessor"),
            ),
        )
    )
    backbone, encoder, decoder = model.backbone, model.encoder, model.decoder
    norms = [block.norm for block in backbone.blocks]
    assert [norm is not None for norm in norms] == [False, False, True, False, True, False, True]
    assert (norms[2].momentum, norms[2].eps) == (0.01, 1e-3)
    assert backbone.dropout.p == 0.5
    assert encoder.rnn.bias_ih_l0.abs().max() == 0 and not encoder.rnn.bias_hh_l0.requires_grad
    assert len(decoder.step.cells) == 1 and decoder.step.num_layers == 2
    assert decoder.max_seq_len == 10 and decoder.dictionary.num_classes == 39
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == 7_873_261  # counted over the recorded TensorFlow variables


def test_initial_weights_are_glorot_uniform(seeded):
    encoder = build(dict(type="StackedLSTMEncoder"))
    limit = (6 / (512 + 256 + 1024)) ** 0.5  # TensorFlow's kernel is [input + hidden, 4 hidden]
    for name in ("weight_ih_l0", "weight_hh_l0"):
        weight = getattr(encoder.rnn, name)
        assert limit * 0.99 < weight.abs().max() <= limit
        assert weight.detach().std().item() == pytest.approx(limit / 3**0.5, rel=0.02)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_step_equals_the_slow_numpy_version(cell, layers, seeded):
    config = tiny_model(decoder=dict(cell=cell, num_layers=layers, init_state="zero"))
    model = build(config).eval()
    for parameter in model.decoder.parameters():
        nn.init.uniform_(parameter, -0.6, 0.6)
    memory = torch.randn(3, 7, 32)
    with torch.no_grad():
        decoded = model.decoder.greedy(None, memory)
    weights = {name: value.numpy() for name, value in model.decoder.state_dict().items()}
    count = layers * (2 if cell == "lstm" else 1)
    for image in range(3):
        symbol, context, state = 1, np.zeros(32), [np.zeros(16)] * count
        for position in range(10):
            logits, attention, context, state = numpy_step(
                weights, cell, layers, symbol, context, state, memory[image].double().numpy()
            )
            np.testing.assert_allclose(decoded.logits[image, position], logits, atol=2e-5)
            np.testing.assert_allclose(decoded.attention[image, position], attention, atol=1e-6)
            symbol = int(logits.argmax())


def test_start_state_is_sliced_as_the_original_does():
    for cell, expected in (
        ("lstm", [(0, 4), (4, 8), (8, 12), (12, 16)]),
        ("gru", [(0, 4), (4, 8)]),
    ):
        config = tiny_model(
            encoder=dict(type="StackedLSTMEncoder", in_channels=32, hidden_size=8),
            decoder=dict(cell=cell, num_layers=2, hidden_size=4, in_channels=16, init_state="aocr"),
        )
        from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput

        decoder = build(config).decoder
        whole = torch.arange(16.0)[None]
        _, state, _ = decoder.start(None, EncoderOutput(torch.zeros(1, 3, 16), whole))
        assert [part[0].tolist() for part in state] == [
            list(map(float, range(a, b))) for a, b in expected
        ]


def test_encoder_state_is_forward_carry_then_hidden(seeded):
    encoder = build(dict(type="StackedLSTMEncoder", in_channels=4, hidden_size=3))
    memory, state, _ = encoder(torch.randn(2, 4, 1, 5))
    torch.testing.assert_close(state[:, 3:], memory[:, -1, :3])
    assert state.shape == (2, 6)


def test_batch_of_n_equals_n_singles(seeded):
    model = build(tiny_model()).eval()
    for parameter in model.decoder.parameters():
        nn.init.uniform_(parameter, -0.6, 0.6)
    widths = [40, 97, 64, 13]
    images = [torch.randn(1, 1, 32, width) for width in widths]
    batch = torch.zeros(4, 1, 32, 97)
    for row, image in zip(batch, images, strict=True):
        row[:, :, : image.size(3)] = image[0]
    ratios = [width / 97 for width in widths]
    with torch.no_grad():
        feat, encoded = model.encode(batch, make_samples([""] * 4, ratios))
        together = model.decoder.greedy(feat, encoded)
        for index, image in enumerate(images):
            feat, encoded = model.encode(image, make_samples([""], [1.0]))
            alone = model.decoder.greedy(feat, encoded)
            torch.testing.assert_close(together.logits[index], alone.logits[0], atol=1e-5, rtol=0)
            columns = alone.attention.size(2)
            torch.testing.assert_close(
                together.attention[index, :, :columns], alone.attention[0], atol=1e-5, rtol=0
            )
            assert together.attention[index, :, columns:].abs().sum() == 0


def test_more_padding_changes_nothing(seeded):
    model = build(tiny_model()).eval()
    image = torch.randn(1, 1, 32, 50)
    wide = torch.cat([image, torch.full((1, 1, 32, 33), 7.0)], dim=3)
    with torch.no_grad():
        short = model.decoder.greedy(*model.encode(image, None))
        padded = model.decoder.greedy(*model.encode(wide, make_samples([""], [50 / 83])))
    torch.testing.assert_close(padded.logits, short.logits, atol=1e-5, rtol=0)


def test_early_stop_changes_no_text_and_no_score(seeded):
    model = build(tiny_model()).eval()
    with torch.no_grad():
        model.decoder.output.bias[2] = 2.0
        feat, encoded = model.encode(torch.randn(5, 1, 32, 60), None)
        full = model.decoder.predict(feat, encoded, make_samples([""] * 5))
        texts = [(s.pred_text.item, s.pred_text.word_score) for s in full]
        model.decoder.early_stop = True
        short = model.decoder.predict(feat, encoded, make_samples([""] * 5))
        assert [(s.pred_text.item, s.pred_text.word_score) for s in short] == texts
        assert model.decoder.greedy(feat, encoded).logits.size(1) < 10


def test_attention_is_kept_on_request(seeded):
    model = build(tiny_model(decoder=dict(keep_attention=True))).eval()
    with torch.no_grad():
        samples = model(torch.randn(2, 1, 32, 40), make_samples(["A", "B"], [1.0, 0.5]), "predict")
    assert samples[0].pred_text.attention.shape == (10, 10)
    assert samples[1].pred_text.attention.shape == (10, 5)
    torch.testing.assert_close(samples[1].pred_text.attention.sum(1), torch.ones(10))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (dict(type="SlidingCNN", channels=(4, 4)), "7 convolutions, channels has 2"),
        (dict(type="StackedLSTMEncoder", cell="rnn"), "'lstm' or 'gru'"),
        (tiny_model(decoder=dict(cell="rnn"))["decoder"], "'lstm' or 'gru'"),
        (tiny_model(decoder=dict(num_layers=0))["decoder"], "num_layers is 0"),
        (tiny_model(decoder=dict(init_state="ones"))["decoder"], "init_state is 'ones'"),
        (tiny_model(max_seq_len=2)["decoder"], "max_seq_len is 2"),
        (tiny_model(encoder=None), "needs StackedLSTMEncoder"),
        (
            tiny_model(preprocessor=dict(type="STN", in_channels=1)),
            "cannot follow the padding through a preprocessor",
        ),
        (
            tiny_model(backbone=dict(type="MiniVGG", input_channels=1)),
            "needs a backbone that takes",
        ),
        (
            tiny_model(decoder=dict(module_loss=dict(type="CEModuleLoss")))["decoder"],
            "trains with SequenceCELoss",
        ),
    ],
)
def test_bad_arguments(config, message):
    with pytest.raises(ValueError, match=message):
        build(config)


def test_misfits_between_stages_say_what_to_change():
    config = tiny_model(decoder=dict(init_state="aocr", num_layers=3))
    with pytest.raises(ValueError, match="the encoder's hidden_size must be num_layers"):
        build(config)(torch.zeros(1, 1, 32, 20), None)
    decoder = build(tiny_model()["decoder"])
    with pytest.raises(ValueError, match="set init_state='zero'"):
        decoder.greedy(None, torch.zeros(1, 4, 32))
    encoder = build(dict(type="StackedLSTMEncoder", in_channels=4, hidden_size=3))
    with pytest.raises(ValueError, match="features are 2 rows high"):
        encoder(torch.zeros(1, 4, 2, 5))


def test_callers_config_is_not_changed():
    import copy

    config = tiny_model()
    before = copy.deepcopy(config)
    build(config)
    assert config == before


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("widths", [[7, 5, 1], [7, 7, 7]])
def test_padding_becomes_zero_in_place_and_the_rest_stays(seeded, learns, widths):
    from aocr_plugin.models.widths import valid_columns, without_padding

    leaf = torch.randn(3, 2, 4, 7, requires_grad=learns)
    valid = valid_columns(torch.tensor(widths), leaf)
    features, slopes = leaf * 2, torch.randn_like(leaf)
    expected = features.detach() * valid
    with torch.set_grad_enabled(learns):
        found = without_padding(features, valid)
    assert found is features and torch.equal(found, expected)
    if learns:
        found.backward(slopes)
        assert torch.equal(leaf.grad, 2 * slopes * valid)


def test_a_traced_graph_follows_the_padding(seeded):
    from aocr_plugin.models.widths import valid_columns, without_padding

    x = torch.randn(2, 2, 4, 7)
    with torch.no_grad():
        traced = torch.jit.trace(without_padding, (x, valid_columns(torch.tensor([7, 6]), x)))
        valid = valid_columns(torch.tensor([7, 2]), x)
        assert torch.equal(traced(x, valid), x * valid)


def test_overfits_four_words_to_zero_errors(seeded):
    from conftest import WORDS, draw_word

    model = build(tiny_model())
    images = [torch.from_numpy(draw_word(word, 100)[4:36]).float() for word in WORDS]
    inputs = (torch.stack(images)[:, None] - 128) / 128
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(150):
        loss = model.train().loss(inputs, make_samples(WORDS))["loss_ce"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        samples = model.eval()(inputs, make_samples(WORDS), "predict")
    assert [sample.pred_text.item for sample in samples] == WORDS
    assert all(sample.pred_text.loss < 0.1 for sample in samples)


def test_mmocrs_crnn_takes_the_backbone(seeded):
    """The pair that the README shows."""
    model = build(
        dict(
            type="CRNN",
            preprocessor=None,
            backbone=dict(type="SlidingCNN", in_channels=1),
            encoder=None,
            decoder=dict(
                type="CRNNDecoder",
                in_channels=512,
                rnn_flag=True,
                module_loss=dict(type="CTCModuleLoss", letter_case="upper"),
                postprocessor=dict(type="CTCPostProcessor"),
                dictionary=dict(type="AOCRDictionary"),
            ),
            data_preprocessor=dict(type="TextRecogDataPreprocessor", mean=[127], std=[127]),
        )
    )
    losses = model(torch.randn(2, 1, 32, 100), make_samples(["AB", "C"]), "loss")
    assert torch.isfinite(losses["loss_ctc"])
    samples = model.eval()(torch.randn(2, 1, 32, 100), make_samples(["AB", "C"]), "predict")
    assert isinstance(samples[0].pred_text.item, str)


def test_a_label_that_cannot_be_spelt_has_no_loss_and_spoils_no_other(seeded):
    model = build(tiny_model()).eval()
    images = torch.randn(3, 1, 32, 40)
    with torch.no_grad():
        mixed = model(images, make_samples(["AB", "ü", "C"]), "predict")
        plain = model(images, make_samples(["AB", "D", "C"]), "predict")
    assert "loss" not in mixed[1].pred_text
    for index in (0, 2):
        assert mixed[index].pred_text.loss == pytest.approx(plain[index].pred_text.loss, abs=1e-6)

"""Beam search against greedy decoding and against trying every text."""

import itertools
import math

import pytest
import torch
from conftest import make_samples, tiny_model
from torch import nn

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import ConfigError
from aocr_plugin.models.encoders.stacked_lstm import EncoderOutput


def build(charset="aocr", max_seq_len=10, scale=0.6, **decoder):
    """Returns a random decoder that never prefers padding or start symbols."""
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS

    init_default_scope("mmocr")
    decoder = dict(init_state="zero") | decoder
    built = MODELS.build(tiny_model(charset, max_seq_len, decoder=decoder)["decoder"]).eval()
    for parameter in built.parameters():
        nn.init.uniform_(parameter, -scale, scale)
    built.output.bias.data[:2] = -20
    return built


def encoded(images=3, columns=7, lengths=(7, 4, 6)):
    return EncoderOutput(
        torch.randn(images, columns, 32), torch.randn(images, 32), torch.tensor(lengths[:images])
    )


@torch.no_grad()
def read(decoder, memory):
    samples = make_samples([""] * len(memory.memory))
    return [sample.pred_text for sample in decoder.predict(None, memory, samples)]


@torch.no_grad()
def every_text(decoder, memory, image):
    """Returns {text: (log-probability, finished)} of all that the decoder can write."""
    one = EncoderOutput(*(part[image : image + 1] for part in memory))
    characters, longest = decoder.dictionary.characters, decoder.max_seq_len
    texts = [
        "".join(text)
        for length in range(longest + 1)
        for text in itertools.product(characters, repeat=length)
    ]
    found = {}
    for text in texts:
        wanted = [*decoder.dictionary.str2idx(text), decoder.dictionary.end_idx][:longest]
        inputs = torch.tensor([[decoder.dictionary.start_idx, *wanted[:-1]]])
        logits = decoder.teacher_forced(None, one, inputs).logits[0]
        scores = torch.log_softmax(logits / decoder.search.temperature, -1)
        total = float(scores[range(len(wanted)), wanted].sum())
        found[text] = (total, len(text) < longest)
    return found


VARIANTS = [
    dict(cell=cell, num_layers=layers, init_state=init)
    for cell, layers, init in [
        ("lstm", 1, "linear"),
        ("lstm", 2, "zero"),
        ("gru", 1, "aocr"),
        ("gru", 3, "zero"),
        ("lstm", 1, "aocr"),
    ]
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_width_one_is_greedy(variant, seeded):
    decoder, memory = build(**variant, keep_attention=True), encoded()
    for bias in (0.0, 2.0, 6.0):  # never, sometimes and at once ending
        decoder.output.bias.data[2] = bias
        decoder.search.set(beam_width=0)
        greedy = read(decoder, memory)
        decoder.search.set(beam_width=1)
        for beam, expected in zip(read(decoder, memory), greedy, strict=True):
            steps = len(beam.attention)
            assert beam.item == expected.item
            assert beam.word_score == pytest.approx(expected.word_score, rel=1e-5)
            assert beam.score == pytest.approx(expected.score, rel=1e-5)
            torch.testing.assert_close(beam.attention, expected.attention[:steps])
            assert steps == min(10, len(beam.item) + 1)
            assert beam.nbest == [(beam.item, beam.word_score, len(beam.item) < 10)]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_a_wide_beam_finds_what_trying_every_text_finds(variant, seeded):
    decoder = build("chars:AB", 4, 1.5, temperature=1.3, **variant, beam_width=40, nbest=31)
    memory = encoded()
    for image, found in enumerate(read(decoder, memory)):
        expected = every_text(decoder, memory, image)
        assert len(expected) == 31 and {text for text, _, _ in found.nbest} == set(expected)
        for text, score, finished in found.nbest:
            assert finished == expected[text][1]
            assert math.log(score) == pytest.approx(expected[text][0], abs=1e-3)
        scores = [score for _, score, _ in found.nbest]
        assert scores == sorted(scores, reverse=True)


def test_stopping_early_loses_none_of_the_best(seeded):
    memory = encoded()
    for bias in (0.0, 1.0, 3.0):
        wide = build("chars:AB", 5, 1.5, beam_width=70, nbest=3)
        wide.output.bias.data[2] = bias
        for image, found in enumerate(read(wide, memory)):
            ranked = sorted(every_text(wide, memory, image).items(), key=lambda item: -item[1][0])
            assert [text for text, _, _ in found.nbest] == [text for text, _ in ranked[:3]]


def test_a_wider_beam_finds_nothing_less_probable_on_the_whole(seeded):
    decoder, memory = build(scale=1.0), encoded(3)
    totals = []
    for width in (1, 4, 16):
        decoder.search.set(beam_width=width)
        found = read(decoder, memory)
        totals.append(sum(math.log(one.word_score) for one in found))
        for one in found:
            assert len({text for text, _, _ in one.nbest}) == len(one.nbest)
    assert totals == sorted(totals)


def test_a_batch_of_n_reads_like_n_singles(seeded):
    decoder, memory = build(beam_width=4, nbest=3, keep_attention=True), encoded()
    decoder.output.bias.data[2] = 1.0
    for image, together in enumerate(read(decoder, memory)):
        columns = int(memory.lengths[image])
        alone = EncoderOutput(
            memory.memory[image : image + 1, :columns],
            memory.state[image : image + 1],
            memory.lengths[image : image + 1],
        )
        (single,) = read(decoder, alone)
        assert [t for t, _, _ in together.nbest] == [t for t, _, _ in single.nbest]
        assert together.word_score == pytest.approx(single.word_score, rel=1e-4)
        torch.testing.assert_close(together.attention, single.attention, atol=1e-5, rtol=0)
        assert together.attention.shape[1] == columns


def test_attention_is_the_best_texts_own(seeded):
    decoder = build(scale=1.0, beam_width=6, keep_attention=True)
    memory = encoded(1)
    (found,) = read(decoder, memory)
    indexes = [decoder.dictionary.start_idx, *decoder.dictionary.str2idx(found.item)]
    steps = len(found.attention)
    with torch.no_grad():
        forced = decoder.teacher_forced(None, memory, torch.tensor([indexes[:steps]]))
    torch.testing.assert_close(found.attention, forced.attention[0], atol=1e-5, rtol=0)


def test_padding_and_start_are_never_written(seeded):
    decoder, memory = build(), encoded()
    decoder.output.bias.data[:2] = 5.0
    decoder.search.set(beam_width=3)
    for found in read(decoder, memory):
        assert len(found.item) == 10 and found.nbest[0][2] is False
        assert found.word_score < 1e-6  # what the model would rather have written counts


def test_temperature_changes_scores_but_no_greedy_text_and_not_aocrs_probability(seeded):
    decoder, memory = build(scale=1.0), encoded()
    plain = read(decoder, memory)
    decoder.search.temperature = 2.0
    for hot, cold in zip(read(decoder, memory), plain, strict=True):
        assert hot.item == cold.item and hot.word_score < cold.word_score
        assert hot.aocr_probability == pytest.approx(cold.aocr_probability, rel=1e-6)
    decoder.search.set(beam_width=1)
    for hot, cold in zip(read(decoder, memory), plain, strict=True):
        assert hot.aocr_probability == pytest.approx(cold.aocr_probability, rel=1e-4)
    probabilities = decoder(None, memory)
    greedy = decoder.greedy(None, memory).logits
    torch.testing.assert_close(probabilities, torch.softmax(greedy / 2.0, -1))


@pytest.mark.parametrize("kind", ["product", "geometric", "minimum"])
def test_kinds_of_score(kind, seeded):
    from aocr_plugin.scores import word_score

    decoder, memory = (
        build(postprocessor=dict(type="WordScorePostprocessor", score=kind)),
        encoded(),
    )
    decoder.output.bias.data[2] = 1.5
    for found in read(decoder, memory):
        steps = found.score if len(found.item) == 10 else None
        if steps:
            assert found.word_score == pytest.approx(word_score(steps, kind))
    assert word_score([0.5, 0.02], "geometric") == pytest.approx(0.1)
    assert word_score([0.5, 0.02], "minimum") == 0.02
    assert word_score([0.5, 0.02]) == pytest.approx(0.01)
    assert word_score([0.5, 0.0], "geometric") == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(nbest=0), "nbest is 0"),
        (dict(beam_width=-1), "beam_width is -1"),
        (dict(beam_width="a"), "beam_width is 'a'"),
        (dict(nbest="a"), "nbest is 'a'; it is a whole number"),
        (dict(beam_width=2, nbest=3), "beam_width is 2; nbest=3 and constraints need at least 3"),
        (dict(beam_width=0, length=3), "beam_width is 0; .* at least 1"),
        (dict(length=12), r"length=12: no text of at most 9 characters \(max_seq_len - 1\)"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        build(**settings)


def test_bad_temperature_score_and_postprocessor():
    with pytest.raises(ValueError, match="temperature is 0"):
        build(temperature=0)
    with pytest.raises(ConfigError, match="score is 'mean'; it is one of product, geometric"):
        build(postprocessor=dict(type="WordScorePostprocessor", score="mean"))
    with pytest.raises(ConfigError, match="beam search needs WordScorePostprocessor, not Att"):
        build(postprocessor=dict(type="AttentionPostprocessor"), beam_width=2)


def test_widths_where_none_is_given():
    assert build().search.width == 0
    assert build(nbest=2).search.width == 5 and build(nbest=9).search.width == 9
    assert build(length=3).search.width == 5 and build(length=3, beam_width=1).search.width == 1

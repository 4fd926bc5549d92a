import math

import numpy as np
import pytest
import torch
from conftest import make_samples

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import AnnotationError, CharsetError


@pytest.fixture
def dictionary():
    from aocr_plugin.models.dictionary import AOCRDictionary

    return AOCRDictionary(letter_case="upper")


def loss(dictionary, **options):
    from aocr_plugin.models.module_losses.sequence_ce import SequenceCELoss

    return SequenceCELoss(dictionary, **options)


def test_dictionary_has_the_originals_order(dictionary):
    assert dictionary.dict[:5] == ["<PAD>", "<GO>", "<EOS>", "0", "1"]
    assert (dictionary.padding_idx, dictionary.start_idx, dictionary.end_idx) == (0, 1, 2)
    assert dictionary.str2idx("0A") == [3, 13] and dictionary.num_classes == 39
    assert dictionary.unknown_characters("a-ü") == ["-", "Ü"]


def test_dictionary_errors():
    from aocr_plugin.models.dictionary import AOCRDictionary

    with pytest.raises(CharsetError, match="never lets 'a'"):
        AOCRDictionary("ascii", letter_case="upper")
    with pytest.raises(CharsetError, match="letter_case is 'title'"):
        AOCRDictionary(letter_case="title")


def test_unknown_symbol():
    from aocr_plugin.models.dictionary import AOCRDictionary

    dictionary = AOCRDictionary("digits", with_unknown=True)
    assert dictionary.str2idx("1x") == [4, 13] and not dictionary.unknown_characters("x")


def test_loss_averages_an_images_steps_before_the_batch(dictionary):
    logits = torch.randn(2, 6, 39)
    targets = torch.tensor([[3, 2, 0, 0, 0, 0], [3, 4, 5, 6, 7, 2]])
    probabilities = torch.log_softmax(logits, 2)
    first = -(probabilities[0, 0, 3] + probabilities[0, 1, 2]) / 2
    second = -sum(probabilities[1, i, t] for i, t in enumerate([3, 4, 5, 6, 7, 2])) / 6
    found = loss(dictionary)(logits, [], targets=targets)
    torch.testing.assert_close(found["loss_ce"], (first + second) / 2)
    torch.testing.assert_close(found["perplexity"], ((first + second) / 2).exp())


def test_targets_have_start_end_and_case(dictionary):
    (sample,) = loss(dictionary, max_seq_len=7).get_targets(make_samples(["ab1"]))
    assert sample.gt_text.padded_indexes.tolist() == [1, 13, 14, 4, 2, 0, 0]


def test_the_longest_label_keeps_its_end(dictionary):
    (sample,) = loss(dictionary, max_seq_len=5).get_targets(make_samples(["abc"]))
    assert sample.gt_text.padded_indexes.tolist() == [1, 13, 14, 15, 2]


def test_labels_that_do_not_fit_are_errors(dictionary):
    with pytest.raises(AnnotationError, match=r"0.png: the label 'ABCD' has 4 .*max_seq_len to 6"):
        loss(dictionary, max_seq_len=5).get_targets(make_samples(["abcd"]))
    with pytest.raises(CharsetError, match=r"0.png: the label 'A-B' has '-' \(U\+002D"):
        loss(dictionary).get_targets(make_samples(["a-b"]))


def test_scores(dictionary):
    from aocr_plugin.models.postprocessors.word_score import WordScorePostprocessor

    symbols, scores = [13, 0, 14, 1, 2, 15], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    probs = torch.zeros(1, 6, 39)
    for step, (symbol, score) in enumerate(zip(symbols, scores, strict=True)):
        probs[0, step, symbol] = score
    (sample,) = WordScorePostprocessor(dictionary, max_seq_len=6)(probs, make_samples([""]))
    found = sample.pred_text
    assert found.item == "AB"
    np.testing.assert_allclose(found.score, [0.9, 0.7], rtol=1e-6)
    assert found.word_score == pytest.approx(math.prod(scores[:5]))
    assert found.aocr_probability == pytest.approx(math.prod(scores))

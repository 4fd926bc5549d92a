import json
import math

import pytest

import aocr_plugin  # noqa: F401
from aocr_plugin.evaluation import text_match as match


def test_pairs():
    assert match.exact("aB", "aB") and not match.exact("ab", "aB")
    assert match.ignore_case("ÄB", "äb") and not match.ignore_case("ab!", "ab")
    assert match.ignore_case_symbol("A-b_ 1!", "ab1") and match.ignore_case_symbol("Ж^", "ж")
    assert not match.ignore_case_symbol("für", "fr")
    assert match.one_minus_ned("", "") == 1 and match.one_minus_ned("ab", "") == 0
    assert match.one_minus_ned("abcd", "abxd") == 0.75
    assert match.aocr_accuracy("RBI", "RBL") == pytest.approx(2 / 3)
    assert match.aocr_accuracy("far too long", "RBL") == 0
    assert (match.aocr_accuracy("", ""), match.aocr_accuracy("a", "")) == (1, 0)


def sample(text, label, **more):
    return {"pred_text": {"item": text, **more}, "gt_text": {"item": label}}


def test_all_measures_under_their_names():
    from aocr_plugin.evaluation.metrics import RecognitionMetric

    metric = RecognitionMetric()
    metric.process(None, [sample("CAT", "CAT", loss=0.1), sample("do-g", "DOG", loss=0.5)])
    metric.process(None, [sample("ox", "oxen")])
    found = metric.evaluate(3)
    assert found == {
        "recog/word_acc": pytest.approx(1 / 3),
        "recog/word_acc_ignore_case": pytest.approx(1 / 3),
        "recog/word_acc_ignore_case_symbol": pytest.approx(2 / 3),
        "recog/one_minus_ned": pytest.approx((1 + 0 + 0.5) / 3),
        "recog/aocr_accuracy": pytest.approx((1 + 0 + 0.5) / 3),
        "recog/cer": pytest.approx((0 + 4 + 2) / 10),
        "recog/loss": pytest.approx(0.3),
        "recog/perplexity": pytest.approx(math.exp(0.3)),
        "recog/loss_samples": 2,
        "recog/samples": 3,
    }


def test_mmocrs_word_metric_agrees_where_it_is_right():
    from mmocr.evaluation.metrics import WordMetric

    from aocr_plugin.evaluation.metrics import RecognitionMetric

    pairs = [sample("CAT", "cat"), sample("d-og", "dog"), sample("ox", "ox"), sample("x", "y")]
    ours, theirs = RecognitionMetric(), WordMetric(["exact", "ignore_case", "ignore_case_symbol"])
    for metric in (ours, theirs):
        metric.process(None, pairs)
    found = ours.evaluate(4)
    for name, value in theirs.evaluate(4).items():
        assert found[name] == pytest.approx(value)


def test_prediction_lines(tmp_path):
    from aocr_plugin.evaluation.metrics import PredictionLines

    metric = PredictionLines(str(tmp_path / "new" / "p.jsonl"))
    metric.process(None, [sample("ü", "u", word_score=0.5, score=[0.6]) | {"img_path": "a.png"}])
    metric.evaluate(1)
    (line,) = (tmp_path / "new" / "p.jsonl").read_text(encoding="utf-8").splitlines()
    assert "ü" in line
    assert json.loads(line) == {
        "file": "a.png",
        "label": "u",
        "text": "ü",
        "score": 0.5,
        "char_scores": [0.6],
        "correct": False,
        "distance": 1,
    }

"""Calibration error against a slow version, temperatures against known ones."""

import math

import numpy as np
import pytest
import torch
from conftest import ROOT, WORDS, draw_word, make_samples, tiny_model

import aocr_plugin  # noqa: F401
from aocr_plugin.errors import CheckpointError, ConfigError
from aocr_plugin.evaluation import calibration
from aocr_plugin.evaluation.calibration import TEMPERATURES, expected_calibration_error
from aocr_plugin.inference.calibration import log_word_scores
from aocr_plugin.models.postprocessors.word_score import WordScorePostprocessor
from aocr_plugin.scores import SCORES


def slow_error(scores, correct, bins):
    """The same measure, one word at a time; scores must differ."""
    ordered = sorted(zip(scores, correct, strict=True))
    size, extra = divmod(len(ordered), bins)
    total, first = 0.0, 0
    for place in range(bins):
        last = first + size + (place < extra)
        part = ordered[first:last]
        total += abs(sum(score for score, _ in part) - sum(right for _, right in part))
        first = last
    return total / len(ordered)


def test_calibration_error_equals_the_slow_one():
    random = np.random.default_rng(0)
    for count, bins in ((100, 10), (37, 10), (64, 15)):
        scores, correct = random.uniform(size=count), random.uniform(size=count) < 0.4
        found = expected_calibration_error(scores, correct, bins)
        assert found == pytest.approx(slow_error(scores, correct, bins))
        parts = calibration.bins_of_equal_mass(scores, correct, bins)
        assert {part.words for part in parts} <= {count // bins, count // bins + 1}


def test_calibration_error_of_known_cases():
    assert expected_calibration_error([1.0] * 20, [False] * 20) == 1
    assert expected_calibration_error([0.5] * 20, [True, False] * 10) == 0
    assert expected_calibration_error([0.5] * 20, [True] * 10 + [False] * 10) == 0  # any order
    assert expected_calibration_error([0.25], [True]) == 0.75
    random = np.random.default_rng(1)
    scores = random.uniform(size=20_000)
    assert expected_calibration_error(scores, random.uniform(size=20_000) < scores) < 0.02


@pytest.mark.parametrize(
    ("scores", "correct", "message"),
    [
        ([], [], "at least one"),
        ([0.5], [True, False], r"got \[1\], \[2\]"),
        ([float("nan")], [True], r"must be in \[0, 1\]"),
        ([1.5], [True], r"must be in \[0, 1\]"),
    ],
)
def test_what_has_no_calibration_error(scores, correct, message):
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(scores, correct)


def likely(true_temperature, count=4000, symbols=12, steps=3):
    """Words of a model whose logits are too large by a known factor: scores and correctness."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, steps, symbols, generator=generator) * 2.5
    logits[:, :-1, 2], logits[:, -1, 2] = -99, 99  # the end symbol at the last step
    chances = torch.softmax(logits.double(), -1).amax(-1)[:, :-1]
    draws = torch.rand(chances.shape, generator=generator, dtype=torch.double)
    correct = (draws < chances).all(1).numpy()
    return log_word_scores(logits * true_temperature, 2, "product", TEMPERATURES).numpy(), correct


@pytest.mark.parametrize("true_temperature", [0.6, 1.0, 2.0])
def test_the_temperature_is_found_and_lowers_the_error(true_temperature):
    logs, correct = likely(true_temperature)
    fit = calibration.fit_temperature(logs, correct)
    assert fit.temperature == pytest.approx(true_temperature, rel=0.06) and not fit.note
    after = expected_calibration_error(np.exp(logs[:, fit.place]), correct)
    before = expected_calibration_error(np.exp(logs[:, 56]), correct)
    assert TEMPERATURES[56] == 1.0 and after < 0.02
    assert after <= before + 0.005 and (true_temperature == 1.0 or before > 0.05)


def test_hopeless_cases_are_said_and_never_nan():
    logs, _ = likely(2.0, 50)
    for value, word in ((True, "right"), (False, "wrong")):
        fit = calibration.fit_temperature(logs, np.full(50, value))
        assert fit.temperature == 1.0 and f"all 50 words are {word}" in fit.note
    lone = np.arange(50) == 7
    assert "only 1 of 50 words are right" in calibration.fit_temperature(logs, lone).note
    assert "only 1 of 50 words are wrong" in calibration.fit_temperature(logs, ~lone).note
    certain = np.zeros((40, len(TEMPERATURES)))  # scores of exactly 1, half of them wrong
    fit = calibration.fit_temperature(certain, np.arange(40) % 2 == 0)
    assert math.isfinite(fit.temperature) and "at its limit" in fit.note
    with pytest.raises(ValueError, match="no words"):
        calibration.fit_temperature(np.zeros((0, len(TEMPERATURES))), [])


@pytest.mark.parametrize("kind", SCORES)
def test_scores_at_a_temperature_are_those_of_prediction(kind):
    from aocr_plugin.models.dictionary import AOCRDictionary

    torch.manual_seed(0)
    logits = torch.randn(30, 6, 13) * 2
    processor = WordScorePostprocessor(AOCRDictionary("digits"), score=kind)
    found = log_word_scores(logits, 2, kind, [0.7, 1.0, 3.0])
    for place, temperature in enumerate([0.7, 1.0, 3.0]):
        samples = processor(torch.softmax(logits / temperature, -1), make_samples([""] * 30))
        expected = [sample.pred_text.word_score for sample in samples]
        np.testing.assert_allclose(found[:, place].exp(), expected, rtol=1e-5)


def test_the_metric_reports_it():
    from aocr_plugin.evaluation.metrics import RecognitionMetric

    metric = RecognitionMetric()
    words = [("A", 0.9), ("B", 0.6), ("X", 0.3)]
    samples = [
        {"pred_text": {"item": text, "word_score": score}, "gt_text": {"item": label}}
        for (text, score), label in zip(words, "ABC", strict=True)
    ]
    metric.process(None, samples)
    assert metric.evaluate(3)["recog/ece"] == pytest.approx((0.1 + 0.4 + 0.3) / 3)


def test_diagram_is_drawn(tmp_path):
    from aocr_plugin.visualization.reliability import draw_reliability

    bins = calibration.bins_of_equal_mass([0.2, 0.4, 0.9], [False, True, True])
    draw_reliability({"before": bins, "after": bins}, tmp_path / "r.png", "title")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A config and checkpoint of a model that is right about some words and unsure of all."""
    import cv2
    from mmengine.registry import init_default_scope
    from mmocr.registry import MODELS
    from test_checkpoints import PIPELINE

    tmp_path = tmp_path_factory.mktemp("trained")
    init_default_scope("mmocr")
    torch.manual_seed(0)
    model = MODELS.build(tiny_model())
    inputs = torch.stack([torch.from_numpy(draw_word(word, 100)[4:36]) for word in WORDS])
    inputs = (inputs[:, None].float() - 128) / 128
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(130):
        loss = model.train().loss(inputs, make_samples(WORDS))["loss_ce"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    lines = []
    for index, word in enumerate([*WORDS, *WORDS]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), draw_word(word, 100)[4:36])
        lines.append(f"{index}.png {word if index < 5 else 'NO'}\n")
    (tmp_path / "words.txt").write_text("".join(lines))
    words = str(tmp_path / "words.txt")
    (tmp_path / "config.py").write_text(
        f"_base_ = [{str(ROOT / 'configs' / 'aocr_base.py')!r}]\n"
        f"val_dataloader = dict(dataset=dict(ann_file={words!r}))\n"
    )
    description = dict(format=1, version="0", model=tiny_model(), test_pipeline=PIPELINE)
    checkpoint = {"meta": {"aocr": description, "iter": 3}, "state_dict": model.state_dict()}
    torch.save(checkpoint, tmp_path / "best.pth")
    return tmp_path


@pytest.mark.slow
def test_tool_writes_a_checkpoint_that_differs_in_the_temperature_alone(trained, capsys):
    from aocr_plugin import Recognizer
    from aocr_plugin.cli.calibrate import main

    config, best = str(trained / "config.py"), trained / "best.pth"
    picture = str(trained / "r.png")
    assert main([config, str(best), "--picture", picture]) == 0
    out = capsys.readouterr().out
    assert "8 words, 62.5% right; score: product" in out and "note: only 3 of 8 words" in out
    new = torch.load(trained / "best-calibrated.pth", weights_only=True)
    old = torch.load(best, weights_only=True)
    temperature = new["meta"]["aocr"]["model"]["decoder"].pop("temperature")
    assert temperature > 1 and f"temperature {temperature:.3f}" in out
    assert new["meta"] == old["meta"] and list(new["state_dict"]) == list(old["state_dict"])
    for name, tensor in old["state_dict"].items():
        assert torch.equal(new["state_dict"][name], tensor)
    images = [trained / f"{index}.png" for index in range(4)]
    before, after = Recognizer(best)(images), Recognizer(trained / "best-calibrated.pth")(images)
    assert [p.text for p in after] == [p.text for p in before] == WORDS
    assert all(a.score < b.score for a, b in zip(after, before, strict=True))
    assert (trained / "r.png").exists()
    again = str(trained / "again.pth")
    assert main([config, str(trained / "best-calibrated.pth"), "--out", again]) == 0
    assert f"before  {temperature:12.3f}" in capsys.readouterr().out
    found = torch.load(again, weights_only=True)["meta"]["aocr"]["model"]["decoder"]
    assert found["temperature"] == temperature


@pytest.mark.slow
def test_tool_names_what_cannot_be(trained, capsys):
    from aocr_plugin.cli.calibrate import calibrate, main, parse_args

    config, best = str(trained / "config.py"), str(trained / "best.pth")
    assert main([config, best, "--out", str(trained / "words.txt" / "x.pth")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main([config, best, "--picture", str(trained / "no" / "r.png")]) == 2
    assert "--picture" in capsys.readouterr().err
    (trained / "no_val.py").write_text("test_dataloader = None\n")
    with pytest.raises(ConfigError, match=r"no_val.py: has no val_dataloader"):
        calibrate(parse_args([str(trained / "no_val.py"), best]))
    checkpoint = torch.load(best, weights_only=True)
    decoder = checkpoint["meta"]["aocr"]["model"]["decoder"]
    decoder["postprocessor"] = {"type": "AttentionPostprocessor"}
    torch.save(checkpoint, trained / "other.pth")
    with pytest.raises(CheckpointError, match="AttentionPostprocessor has no temperature"):
        calibrate(parse_args([config, str(trained / "other.pth")]))

"""What a user asks of texts: N best, constraints, scores."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import WORDS, draw_word
from exported import write
from test_checkpoints import checkpoint, saved  # noqa: F401

from aocr_plugin.errors import ConfigError, ImageError
from aocr_plugin.inference.model import with_reading_settings
from aocr_plugin.inference.prediction import Hypothesis, Prediction


@pytest.fixture
def images():
    return [draw_word(word) for word in WORDS]


def test_nbest_begins_with_the_text(saved, images):  # noqa: F811
    from aocr_plugin import Recognizer

    greedy = Recognizer(saved)(images)
    assert all(found.nbest == [] and "nbest" not in found.to_dict() for found in greedy)
    one = Recognizer(saved, beam=1, attention=True)(images)
    for found, expected in zip(one, greedy, strict=True):
        if expected.nbest or found.text == expected.text:
            assert found.score == pytest.approx(expected.score, rel=1e-4)
        assert found.attention.shape[0] == min(10, len(found.text) + 1)
    for found in Recognizer(saved, nbest=4)(images):
        assert len(found.nbest) == 4 and len({text for text, _, _ in found.nbest}) == 4
        assert found.nbest[0][:2] == (found.text, found.score)
        scores = [score for _, score, _ in found.nbest]
        assert scores == sorted(scores, reverse=True) and sum(scores) <= 1 + 1e-6
        assert len(found.char_scores) == len(found.text)


def test_batchnorm_is_folded_into_the_convolutions():
    from aocr_plugin import Recognizer, weights
    from aocr_plugin.engine import checkpoint_file
    from aocr_plugin.inference.model import build_model

    path = Path(weights.__file__).with_name("english.pth")
    loaded = checkpoint_file.load(path)
    described = checkpoint_file.description(loaded, path)
    plain = build_model(described["model"], loaded["state_dict"], str(path)).eval().backbone
    folded = Recognizer(path, device="cpu").model.backbone

    def norms(module):
        return [part for part in module.modules() if isinstance(part, torch.nn.BatchNorm2d)]

    assert len(norms(plain)) == 7 and not norms(folded)
    pixels = torch.randn(2, 1, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(folded(pixels), plain(pixels), atol=1e-4, rtol=1e-4)


def test_constraints_hold(saved, images):  # noqa: F811
    from aocr_plugin import Recognizer

    pattern = "[A-Z]{3}[0-9]{4}"
    for found in Recognizer(saved, pattern=pattern, nbest=2)(images):
        assert all(re.fullmatch(pattern, text) for text, _, _ in found.nbest)
    for asked in (dict(allowed="0123456789"), dict(length=3), dict(length=(2, 4), allowed="ABC")):
        for found in Recognizer(saved, **asked)(images):
            assert set(found.text) <= set(asked.get("allowed", found.text))
            assert len(found.text) in {3: [3], (2, 4): [2, 3, 4]}.get(
                asked.get("length"), range(10)
            )


def test_kinds_of_score(saved, images):  # noqa: F811
    from aocr_plugin import Recognizer

    for beam in (0, 3):
        product, mean, least = (
            Recognizer(saved, beam=beam, score=kind)(images)
            for kind in ("product", "geometric", "minimum")
        )
        for one, two, three in zip(product, mean, least, strict=True):
            steps = min(10, len(one.text) + 1)
            if beam or len(one.text) == 10:
                assert two.score == pytest.approx(one.score ** (1 / steps), rel=1e-4)
            assert one.score <= three.score <= two.score
            assert three.score <= min(one.char_scores, default=1.0) + 1e-9


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (dict(pattern="[a-z]+"), r"pattern='\[a-z\]\+': no text .* not in the charset: \[a-z\]"),
        (dict(pattern="(?=A)"), "lookahead"),
        (dict(allowed="äö"), "allowed='äö': none of these characters is in the charset"),
        (dict(length=20), "length=20: no text of at most 9 characters"),
        (dict(score="mean"), "score is 'mean'"),
        (dict(beam=2, nbest=3), "beam_width is 2; nbest=3"),
        (dict(beam=0, allowed="A"), "beam_width is 0"),
    ],
)
def test_what_cannot_be_is_said_before_any_image_is_read(saved, asked, message):  # noqa: F811
    from aocr_plugin import Recognizer

    with pytest.raises(ConfigError, match=message):
        Recognizer(saved, **asked)


def test_a_checkpoint_of_another_decoder(saved, checkpoint, tmp_path):  # noqa: F811
    from aocr_plugin import Recognizer

    decoder = checkpoint["meta"]["aocr"]["model"]["decoder"]
    decoder["postprocessor"] = {"type": "AttentionPostprocessor"}
    torch.save(checkpoint, tmp_path / "mmocr.pth")
    assert Recognizer(tmp_path / "mmocr.pth")(draw_word("CAT")).nbest == []
    with pytest.raises(ConfigError, match="beam search needs WordScorePostprocessor, not Att"):
        Recognizer(tmp_path / "mmocr.pth", beam=3)
    with pytest.raises(ConfigError, match="AttentionPostprocessor has no choice of score"):
        Recognizer(tmp_path / "mmocr.pth", score="minimum")

    class Model:
        decoder = object()

    from aocr_plugin.inference.model import set_search

    with pytest.raises(ConfigError, match="checkpoint's object has no beam search, which nbest"):
        set_search(Model, {"nbest": 2}, None)


def test_what_the_checkpoints_own_config_asked_counts(checkpoint, tmp_path, images):  # noqa: F811
    from aocr_plugin import Recognizer

    model = checkpoint["meta"]["aocr"]["model"]
    model["decoder"] |= {"pattern": "[0-9]{4}", "nbest": 2, "temperature": 1.5}
    torch.save(checkpoint, tmp_path / "model.pth")
    for found in Recognizer(tmp_path / "model.pth")(images):
        assert len(found.nbest) == 2 and re.fullmatch("[0-9]{4}", found.text)
    for found in Recognizer(tmp_path / "model.pth", pattern="[A-Z]{2}", nbest=1)(images):
        assert len(found.nbest) == 1 and re.fullmatch("[A-Z]{2}", found.text)


def test_a_configs_search_arguments_go_over_the_checkpoints():
    described = {
        "type": "AOCR",
        "decoder": {"cell": "gru", "temperature": 1.4, "postprocessor": {"type": "P"}},
    }
    config = {
        "decoder": {"cell": "lstm", "beam_width": 5, "postprocessor": {"score": "minimum"}},
        "backbone": {},
    }
    expected = {
        "type": "AOCR",
        "decoder": {
            "cell": "gru",
            "temperature": 1.4,
            "beam_width": 5,
            "postprocessor": {"type": "P", "score": "minimum"},
        },
    }
    before = json.dumps(described)
    assert with_reading_settings(described, config) == expected and json.dumps(described) == before
    assert with_reading_settings({"type": "X"}, {}) == {"type": "X"}


def test_json_of_a_prediction():
    others = [Hypothesis("A", 0.5), Hypothesis("AB", 0.1, False)]
    found = Prediction("A", 0.5, [0.6], "a.png", nbest=others)
    assert found.to_dict() == {
        "file": "a.png",
        "text": "A",
        "score": 0.5,
        "char_scores": [0.6],
        "nbest": [{"text": "A", "score": 0.5}, {"text": "AB", "score": 0.1, "finished": False}],
    }


def test_a_files_error_is_an_image_error(saved):  # noqa: F811
    from aocr_plugin import Recognizer

    recognizer = Recognizer(saved)
    for name in ("gone.png", "nosuchscheme://a/b.png"):
        with pytest.raises(ImageError, match=re.escape(name) + ": cannot read the image file"):
            recognizer(name)
    for name in ("tfrecord:///gone.tfrecords#0", "tfrecord:///gone.tfrecords#x"):
        with pytest.raises(ImageError, match=re.escape(name) + ": cannot read the image file"):
            recognizer(name)


def test_tool(saved, tmp_path, capsys):  # noqa: F811
    import cv2

    from aocr_plugin.cli.predict import main

    cv2.imwrite(str(tmp_path / "a.png"), draw_word("CAT"))
    path = str(tmp_path / "a.png")
    asked = ["--beam", "6", "--nbest", "3", "--pattern", "[A-Z]+", "--length", "2-4"]
    assert main([str(saved), path, *asked, "--allowed", "ABCDE", "--format", "jsonl"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert len(line["nbest"]) == 3 and line["nbest"][0]["text"] == line["text"]
    assert all(re.fullmatch("[A-E]{2,4}", entry["text"]) for entry in line["nbest"])
    assert main([str(saved), path, "--nbest", "2", "--length", "3", "--score", "minimum"]) == 0
    cells = capsys.readouterr().out.rstrip("\n").split("\t")
    assert len(cells) == 6 and len(cells[1]) == len(cells[4]) == 3
    assert float(cells[2]) <= min(map(float, cells[3].split())) + 1e-4
    assert main([str(saved), "gone.png", "--length", "30"]) == 2
    error = capsys.readouterr().err
    assert "length=30: no text of at most 9" in error and "gone.png" not in error
    for wrong in ("x", "1-2-3", "-3"):
        with pytest.raises(SystemExit):
            main([str(saved), path, f"--length={wrong}"])
        assert "is neither a number nor a range such as 5-8" in capsys.readouterr().err


def test_scores_are_probabilities(saved, images):  # noqa: F811
    from aocr_plugin import Recognizer

    for found in Recognizer(saved, beam=40, nbest=40)(images):
        assert all(0 <= score <= 1 and math.isfinite(score) for _, score, _ in found.nbest)
        assert np.isclose(found.score, found.nbest[0].score)


@pytest.mark.slow
def test_compiled_reads_the_same(tmp_path, images, monkeypatch):
    from aocr_plugin import Recognizer

    path = write("masked", tmp_path / "a.pth")
    wanted = Recognizer(path)(images)
    recognizer = Recognizer(path, compiled=True)
    assert recognizer.model.backbone._compiled_call_impl is not None
    for found, one in zip(recognizer(images), wanted, strict=True):
        assert found.text == one.text
        assert found.score == pytest.approx(one.score, rel=1e-4)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match="'no-such-compiler' is not on this machine"):
        Recognizer(path, compiled=True)

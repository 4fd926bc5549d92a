"""Texts that are drawn: kinds, case, length and charset by set shares."""

import re
import string

import numpy as np
import pytest

from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis.dice import Dice
from aocr_plugin.synthesis.settings import text_settings
from aocr_plugin.synthesis.text_kinds import KINDS
from aocr_plugin.synthesis.texts import TextSettings, TextSource


def drawn(settings, count=3000):
    source = TextSource(settings)
    return [source.draw(Dice(0, index)) for index in range(count)]


def test_cases_come_by_their_shares():
    shares = {"upper": 0.5, "lower": 0.2, "title": 0.3}
    texts = drawn(TextSettings(kinds={"word": 1}, cases=shares, punctuation=0, min_length=3))
    for name, test in (("upper", str.isupper), ("lower", str.islower), ("title", str.istitle)):
        assert np.mean([test(text) for text in texts]) == pytest.approx(shares[name], abs=0.03)


def test_punctuation_comes_by_its_share():
    texts = drawn(TextSettings(kinds={"word": 1}, punctuation=0.3, min_length=2))
    marked = np.mean([not text.isalnum() for text in texts])
    assert marked == pytest.approx(0.3, abs=0.03)
    assert all(
        text.isalnum() for text in drawn(TextSettings(kinds={"word": 1}, punctuation=0), 500)
    )


@pytest.mark.parametrize("kind", ["word", "number", "code", "random"])
def test_lengths_come_by_mean_and_spread(kind):
    settings = TextSettings(kinds={kind: 1}, punctuation=0, mean_length=6, length_spread=1.5)
    lengths = [len(text) for text in drawn(settings)]
    assert np.mean(lengths) == pytest.approx(6, abs=0.15)
    assert np.std(lengths) == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_limits_and_charset(kind):
    allowed = string.digits + string.ascii_uppercase
    settings = TextSettings(kinds={kind: 1}, min_length=3, max_length=9, charset=allowed)
    for text in drawn(settings, 300):
        assert 3 <= len(text) <= 9
        assert set(text) <= set(allowed)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("number", r"\d{1,7}|\d{1,3}(,\d{3})+"),
        ("price", r"(\$|RM|\+)?\d+(\.\d\d)?|\d+%"),
        ("date", r"\d\d/\d\d/(\d\d)?\d\d|\d{4}-\d\d-\d\d|\d+\.\d+\.\d\d|[A-Z][a-z]{2}-\d+|\d{4}"),
        ("time", r"\d\d:\d\d(:\d\d)?|\d{1,2}(am|pm)"),
        ("plate", r"[A-Z0-9]{4,7}"),
        ("reading", r"\d+(\.\d+)?"),
        ("phone", r"\d{2,3}-\d{6,8}"),
    ],
)
def test_kinds_look_as_they_should(kind, pattern):
    settings = TextSettings(kinds={kind: 1}, cases={"unchanged": 1}, punctuation=0)
    texts = drawn(settings, 500)
    assert all(re.fullmatch(pattern, text) for text in texts), texts[:20]
    assert len(set(texts)) > 50


def test_words_come_from_the_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("Zürich\nÅbo\n\n", encoding="utf-8")
    settings = TextSettings(
        kinds={"word": 1},
        cases={"unchanged": 1},
        punctuation=0,
        words=[str(path)],
        charset=string.ascii_letters + "üÅ",
    )
    assert set(drawn(settings, 50)) == {"Zürich", "Åbo"}


def test_a_charset_of_capitals_gets_capitals():
    texts = drawn(TextSettings(charset=string.ascii_uppercase, cases={"lower": 1}), 300)
    assert all(text.isupper() for text in texts)
    assert len(set(texts)) > 200


def test_settings_that_contradict_each_other(tmp_path):
    with pytest.raises(ConfigError, match="kinds: unknown poem; there are word, number"):
        TextSettings(kinds={"poem": 1})
    with pytest.raises(ConfigError, match="cases: unknown small"):
        TextSettings(cases={"small": 1})
    with pytest.raises(ConfigError, match="cases: shares are 0 or more"):
        TextSettings(cases={"upper": 0})
    with pytest.raises(ConfigError, match="min_length is 5, max_length 3"):
        TextSettings(min_length=5, max_length=3)
    with pytest.raises(ConfigError, match="punctuation is 2"):
        TextSettings(punctuation=2)
    with pytest.raises(ConfigError, match=r"gone\.txt: cannot read the word list"):
        TextSource(TextSettings(words=[str(tmp_path / "gone.txt")]))
    (tmp_path / "long.txt").write_text("internationalisation\n")
    with pytest.raises(ConfigError, match="no word of 1 to 5 characters"):
        TextSource(TextSettings(words=[str(tmp_path / "long.txt")], max_length=5))
    with pytest.raises(ConfigError, match="texts: unknown size; there are kinds"):
        text_settings(TextSettings(), {"size": 3})


def test_a_limit_shortens_what_is_asked_for():
    settings = text_settings(TextSettings(min_length=4), {}, charset="ABC", limit=3)
    assert (settings.min_length, settings.max_length, settings.charset) == (3, 3, "ABC")

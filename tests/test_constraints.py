"""Constrained decoding against Python's own ``re`` and against trying every text."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
from test_beam_search import build, encoded, every_text, read

from aocr_plugin.errors import ConfigError
from aocr_plugin.models.decoders.automaton import compile_pattern
from aocr_plugin.models.decoders.constraints import compile_constraint

ALPHABET = "ABCabc019.-é]Жя \n{}$^&"
PATTERNS = [
    "[A-Z]{3}[0-9]{4}", r"\d{2,4}", "(AB|C)+a?", "[^0-9]{2}", "^AB$", r"A\.B", "(?:AB)*", "",
    "(?i)ab", r"\w+", r"\W", "A{,2}", ".{3}", "A*?B", "[Б-Яж]{2}", "é+", "(?P<x>A)B", "A|",
    r"\AAB\Z", r"[\d.]+", r"\x41", r"\u00e9?A", r"[\]\-a]", "^AB$|^C", "(^A|B)C?", "A$B", "(A$|AB)",
    "$^", "A^B", "{", "a{}", "a{,}", "a{2,}b", "[]a]+", "[^]a]", "(A|B)*?C", "((A|B){2}){3}", "x{",
    "()", r"\N{LATIN SMALL LETTER A}", r"\s", "(?i)É|b{2}", "(A|AB)(C|)", "[a-]", ".*A.{2}",
]  # fmt: skip


def test_patterns_mean_what_they_mean_in_python(seeded):
    random = np.random.default_rng(0)
    texts = ["", "ABC0199", "ABAB", "ABCA", "A\n", "AABBAB", "aab"]
    texts += map("".join, itertools.product(ALPHABET, repeat=2))
    texts += ALPHABET
    letters = list("ABCab19é")
    texts += ["".join(random.choice(letters, size)) for size in range(3, 8) for _ in range(60)]
    for pattern in PATTERNS:
        table, accepting, _ = compile_pattern(pattern, list(ALPHABET), 9)
        matches = re.compile(pattern).fullmatch
        for text in texts:
            state = 0
            for character in text:
                state = table[state, ALPHABET.index(character)]
            assert bool(accepting[state]) == bool(matches(text)), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("A(?=B)", r"'A\(\?=B\)': lookahead \(at position 1\) is not supported .* takes char"),
        ("(?!B)A", "lookahead"),
        ("(?<=A)B", "lookbehind"),
        (r"(A)\1", "a back-reference or octal escape"),
        ("(?P<n>A)(?P=n)", "a back-reference"),
        (r"\bA", "a word boundary"),
        ("A++", "a possessive quantifier"),
        ("(?>A)", "an atomic group"),
        ("(A)?(?(1)B|C)", "a condition"),
        ("(?#c)A", "a comment"),
        ("(?s).", r"a flag \(at position 0\)"),
        ("(?i:a)", "a flag"),
        ("[A-", "is no regular expression: unterminated"),
        (r"\p{L}", "is no regular expression: bad escape"),
        ("((a{100}){100}){100}", "has more than 20000 states"),
        ("((){9999}){9999}", "has more than 20000 states"),
        ("(.*A.{30}|.*B.{31}){2}(.*[AB].{40}){3}" * 40, "has more than 20000 states"),
    ],
)
def test_what_is_not_supported_says_so(pattern, message):
    with pytest.raises(ConfigError, match=message):
        compile_pattern(pattern, list("ABab01"), 60)


SYMBOLS = [None, None, None, *"AB1"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (dict(allowed="xy"), r"allowed='xy': none of these .* \(3 characters 'AB1'\)"),
        (dict(allowed=""), "allowed='': none of these"),
        (dict(pattern="[x-z]B|é"), r"no text of at most 5 .* not in the charset: \[x-z\], é"),
        (dict(pattern="A{6}"), r"pattern='A\{6\}': no text of at most 5 characters"),
        (dict(pattern="(AB)*", length=3), r"pattern='\(AB\)\*', length=3: no text"),
        (dict(pattern="A1", allowed="AB"), "allowed='AB', pattern='A1': no text"),
        (dict(length=6), "length=6: no text of at most 5"),
        (dict(length=(3, 2)), r"length is \(3, 2\); it is a number"),
        (dict(length=-1), "length is -1"),
        (dict(length=(1, 2, 3)), r"length is \(1, 2, 3\)"),
        (dict(length=("1", "2")), "length is"),
        (dict(length=True), "length is True"),
        (dict(length=2.0), r"length is 2\.0"),
        (dict(allowed=123), r"allowed is 123; it is a text .*--cfg-options makes"),
        (dict(allowed=["AB"]), r"allowed is \['AB'\]"),
        (dict(pattern=["A"]), r"pattern is \['A'\]; it is a text .*begin a pattern with \^"),
    ],
)
def test_what_no_text_can_satisfy_is_an_error(asked, message):
    with pytest.raises(ConfigError, match=message):
        compile_constraint(SYMBOLS, 5, **asked)


CASES = [
    dict(allowed="A1"),
    dict(allowed=[1, "B"]),
    dict(length=2),
    dict(length=(1, 2)),
    dict(length=[0, 9]),
    dict(pattern="[AB]1?"),
    dict(pattern="(AB)*"),
    dict(pattern=r"\d*[A-Z]", length=3),
    dict(pattern=".*", allowed="B", length=(2, 3)),
    dict(pattern="(AB|1)+", length=3, allowed="AB1é"),
    dict(pattern="B1A"),
]


def holds(text, allowed=None, pattern=None, length=None):
    low, high = (length, length) if isinstance(length, int) else (length or (0, 99))
    return (
        (allowed is None or set(text) <= set(map(str, allowed)))
        and (pattern is None or re.fullmatch(pattern, text) is not None)
        and low <= len(text) <= high
    )


@pytest.mark.parametrize("asked", CASES, ids=str)
def test_a_wide_beam_finds_exactly_the_allowed_texts_and_their_own_probabilities(asked, seeded):
    decoder, memory = build("chars:AB1", 4, 1.5, beam_width=60, nbest=60, **asked), encoded()
    for image, found in enumerate(read(decoder, memory)):
        every = every_text(decoder, memory, image)
        expected = {
            text: score for text, (score, ended) in every.items() if ended and holds(text, **asked)
        }
        assert {text for text, _, _ in found.nbest} == set(expected)
        for text, score, finished in found.nbest:
            assert finished and np.log(score) == pytest.approx(expected[text], abs=1e-3)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_whatever_the_weights_results_satisfy_the_constraint(width, seeded):
    cases = [
        dict(pattern="[A-Z]{3}[0-9]{4}"),
        dict(pattern="[A-Z]{1,3}-?[0-9]{2}|X+", length=(3, 5)),
        dict(allowed="0123456789"),
        dict(length=9),
        dict(pattern="(AB|CDE)*", length=7),
        dict(pattern=".*7.*7", allowed="A7"),
        dict(pattern=""),
    ]
    for end_bias, scale, asked in itertools.product((-15.0, 0.0, 15.0), (0.5, 3.0), cases):
        decoder, memory = build(scale=scale, beam_width=width, nbest=width, **asked), encoded()
        decoder.output.bias.data[2] = end_bias
        for found in read(decoder, memory):
            assert found.nbest
            for text, score, finished in found.nbest:
                assert finished and 0 <= score <= 1 and holds(text, **asked), (text, asked)


def test_the_unknown_symbol_is_no_character(seeded):
    dictionary = dict(type="AOCRDictionary", charset="digits", with_unknown=True)
    decoder = build(dictionary=dictionary, length=3)
    decoder.output.bias.data[-1] = 9.0
    assert all(re.fullmatch("[0-9]{3}", found.item) for found in read(decoder, encoded()))


def test_mmocrs_own_dictionary(seeded, tmp_path):
    (tmp_path / "digits.txt").write_text("0\n1\n2")
    dictionary = dict(
        type="Dictionary",
        dict_file=str(tmp_path / "digits.txt"),
        with_start=True,
        with_end=True,
        same_start_end=True,
        with_padding=True,
    )
    decoder = build(dictionary=dictionary, pattern="[12]{2}0")
    assert all(re.fullmatch("[12]{2}0", found.item) for found in read(decoder, encoded()))
    decoder.search.set(pattern=None, beam_width=3)
    decoder.output.bias.data[decoder.dictionary.end_idx] = 30.0
    assert [found.item for found in read(decoder, encoded())] == [""] * 3


def test_constraints_need_no_pytorch():
    program = (
        "import sys, aocr_plugin.models.decoders.constraints;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'mmengine', 'mmocr')))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0

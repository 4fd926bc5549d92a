"""Charsets: by name, from a file, spelt out, or collected from labels. Needs no PyTorch."""

import string
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from aocr_plugin.errors import CharsetError

NAMED = {
    "aocr": string.digits + string.ascii_uppercase,
    "ascii": "".join(map(chr, range(32, 127))),
    "digits": string.digits,
    "alphanumeric": string.digits + string.ascii_lowercase + string.ascii_uppercase,
}
"""``aocr``: the original's 36; ``ascii``: its ``--full-ascii``, the characters 32 to 126."""

FROM_LABELS = "labels"
LETTER_CASES = ("unchanged", "upper", "lower")


def check_letter_case(letter_case: str) -> str:
    """Returns ``letter_case`` if it is one of :data:`LETTER_CASES`.

    Raises:
        CharsetError: it is not.
    """
    if letter_case not in LETTER_CASES:
        raise CharsetError(
            f"letter_case is '{letter_case}'; it must be one of {', '.join(LETTER_CASES)}"
        )
    return letter_case


def apply_case(text: str, letter_case: str) -> str:
    """Returns ``text`` in the given case; characters without case stay as they are."""
    check_letter_case(letter_case)
    if letter_case == "upper":
        return text.upper()
    return text.lower() if letter_case == "lower" else text


def collect(labels: Iterable[str]) -> str:
    """Returns every character that occurs in ``labels``, once, in code point order."""
    return "".join(sorted({character for label in labels for character in label}))


def read_file(path: str | Path) -> str:
    """Reads a charset file: UTF-8, one character a line; a line holding one blank is the blank.

    Raises:
        CharsetError: the file is missing, or a line has more than one character.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CharsetError(f"{path}: cannot read the charset file ({error})") from error
    characters = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if len(line) > 1:
            raise CharsetError(
                f"{path}:{number}: a charset file has one character a line, "
                f"here are {len(line)}: {line[:20]!r}"
            )
        characters.append(line)
    return "".join(characters)


def resolve(charset: str | Sequence[str]) -> str:
    """Turns a charset setting into its characters.

    Args:
        charset: a name of :data:`NAMED`, ``"file:PATH"``, ``"chars:…"`` with the characters
            spelt out, or a sequence of single characters.

    Returns:
        The characters, in order, each once.

    Raises:
        CharsetError: unknown name, bad file, a character twice or none at all.
    """
    if not isinstance(charset, str | list | tuple):
        raise CharsetError(f"charset is {charset!r}; give text, such as 'chars:{charset}'")
    if not isinstance(charset, str):
        wrong = [entry for entry in charset if not isinstance(entry, str) or len(entry) != 1]
        if wrong:
            raise CharsetError(f"a charset given as a list has single characters, not {wrong[0]!r}")
        characters = "".join(charset)
    elif charset.startswith("file:"):
        characters = read_file(charset[5:])
    elif charset.startswith("chars:"):
        characters = charset[6:]
    elif charset in NAMED:
        characters = NAMED[charset]
    elif charset == FROM_LABELS:
        raise CharsetError(
            "charset 'labels' means 'collect it from the training annotations', which is done "
            "when a config is run; here give a name, 'file:PATH' or 'chars:…'"
        )
    else:
        raise CharsetError(
            f"unknown charset '{charset}'; it is one of {', '.join(NAMED)}, {FROM_LABELS}, "
            "'file:PATH' (one character a line) or 'chars:ABC' (the characters spelt out)"
        )
    if not characters:
        raise CharsetError(f"charset {charset!r} has no characters")
    twice = sorted({c for c in characters if characters.count(c) > 1})
    if twice:
        raise CharsetError(f"charset {charset!r} has {describe(twice[0])} more than once")
    return characters


def describe(character: str) -> str:
    """Returns a character with its code point and name, for messages."""
    name = unicodedata.name(character, "")
    return f"{character!r} (U+{ord(character):04X}{' ' + name if name else ''})"


def describe_charset(characters: str, limit: int = 40) -> str:
    """Returns a charset on one line, cut after ``limit`` characters."""
    shown = characters if len(characters) <= limit else characters[:limit] + "…"
    return f"{len(characters)} characters '{shown}'"

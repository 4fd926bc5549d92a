"""What is in a font file: which characters it draws, and in what manner."""

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

LOOK_SIZE = 48
"""Pixels an em at which glyphs are looked at."""
_NOT_LETTERS = re.compile(
    r"symbol|emoji|dingbat|icons|iconfont|bar ?code|math|music|braille|blank|redact|last ?resort"
    r"|webding|wingding|ornament|musi|euterpe|phonetic|cmex|cmsy|msam|msbm|cmmi|rsfs|esint|wasy|stmary"
    r"|extra ?sym|standardsym|initials|keyboard|specimen|flags|arrows|chess|signwriting"
    r"|D050000L|ubuntu-title|solothurn|flatline",
    re.IGNORECASE,
)
_UPPER, _LOWER = "ABDEFGHNQRT", "abdefghnqrt"  # whose forms differ
_SAME_FORM = (
    0.66  # likeness of A and a, B and b, ...: 0.68 to 1 in fonts of capitals, else below 0.6
)
_ALPHABETS = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789")
_LOOKED_AT = 0x250  # characters below are rendered once; beyond, the font's own table is believed


@dataclass(frozen=True, slots=True)
class FontFile:
    """A font that draws letters or digits.

    Attributes:
        path: the file.
        digest: of its content; equal files count once, wherever they lie.
        family: as the font calls itself; several files are often one family.
        weight: 400 regular, 700 bold.
        italic: whether it leans.
        mono: whether every character is as wide.
        width: mean advance of digits and capitals in ems; narrow below 0.55.
        form: "plain" (upright, without feet), "serif" (upright, with feet) or "free" (all else:
            leaning, written, drawn).
        caps_only: small letters look as capitals: for texts without small letters only.
        characters: what it draws.
    """

    path: str
    digest: str
    family: str
    weight: int
    italic: bool
    mono: bool
    width: float
    form: str
    caps_only: bool
    characters: frozenset[str]


def read_font(path: Path) -> FontFile | None:
    """Returns the facts on a font, or None if it draws neither an alphabet nor the digits.

    Fonts of symbols, bar codes and the like are left out by their names, damaged files because
    they cannot be read.
    """
    from fontTools.ttLib import TTFont, TTLibError

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    try:
        with TTFont(path, fontNumber=0, lazy=True) as tables:
            names = tables["name"]
            family = names.getDebugName(16) or names.getDebugName(1) or path.stem
            codes = tables.getBestCmap() or {}
            weight = int(tables["OS/2"].usWeightClass) if "OS/2" in tables else 400
            post = tables["post"]
            mono, italic = bool(post.isFixedPitch), bool(post.italicAngle)
        if _NOT_LETTERS.search(f"{family} {path.stem}"):
            return None
        font = ImageFont.truetype(str(path), LOOK_SIZE, layout_engine=ImageFont.Layout.BASIC)
        characters, pictures = _drawn(font, codes)
    except (TTLibError, OSError, KeyError, AttributeError, ValueError, AssertionError, EOFError):
        return None  # not a font that can be used; the others are
    if _boxed(pictures) or not any(map(characters.issuperset, _ALPHABETS)):
        return None
    known = [c for c in _ALPHABETS[0] + _ALPHABETS[2] if c in characters]
    return FontFile(
        path=str(path),
        digest=hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        family=family,
        weight=weight,
        italic=italic,
        mono=mono,
        width=round(sum(map(font.getlength, known)) / len(known) / LOOK_SIZE, 4),
        form=_form(_ink(pictures["H"])) if "H" in pictures else "free",
        caps_only=_caps_only(characters, pictures),
        characters=frozenset(characters),
    )


def _picture(font: ImageFont.FreeTypeFont, character: str) -> tuple[Any, bytes]:
    mask, _ = font.getmask2(character, "L", anchor="ls")
    return mask.size, bytes(mask)


def _drawn(
    font: ImageFont.FreeTypeFont, codes: dict[int, str]
) -> tuple[set[str], dict[str, tuple[Any, bytes]]]:
    """Returns the characters that have a picture of their own, and these pictures."""
    missing = _picture(font, "\uffff")  # the box for what a font lacks
    characters, pictures = {" "}, {}
    for code in codes:
        character = chr(code)
        if not character.isprintable() or character.isspace():
            continue
        if code < _LOOKED_AT:
            picture = _picture(font, character)
            if max(picture[1], default=0) <= 64 or picture == missing:
                continue
            pictures[character] = picture
        characters.add(character)
    return characters, pictures


def _caps_only(characters: set[str], pictures: dict[str, tuple[Any, bytes]]) -> bool:
    """Whether most small letters are their capitals, drawn as large or smaller."""
    if not characters.issuperset(_UPPER + _LOWER):
        return not characters.issuperset(_LOWER)
    pairs = zip(_UPPER, _LOWER, strict=True)
    likeness = [_likeness(pictures[big], pictures[small]) for big, small in pairs]
    return sorted(likeness)[len(likeness) // 2] > _SAME_FORM


def _ink(picture: tuple[Any, bytes]) -> NDArray[np.uint8]:
    """Returns a glyph's picture, cut to what is inked; no glyph here is empty."""
    size, data = picture
    mask = np.frombuffer(data, np.uint8).reshape(size[::-1])
    inked = np.argwhere(mask > 64)
    (top, left), (bottom, right) = inked.min(0), inked.max(0) + 1
    return mask[top:bottom, left:right]


def _form(mask: NDArray[np.uint8]) -> str:
    """Returns the form of a font by the stem at the left of its H."""
    rows = mask > 100
    height = len(rows)
    if height < 10 or not rows.any(1).all():
        return "free"
    edges = [int(rows[int(share * height)].argmax()) for share in (0.12, 0.3, 0.7, 0.88)]
    widths = rows.sum(1)
    feet = widths[height - 2] > 1.35 * widths[int(0.3 * height)]
    if feet and abs(edges[1] - edges[2]) <= 1:
        return "serif"
    return "plain" if not feet and max(edges) - min(edges) <= 1 else "free"


def _likeness(first: tuple[Any, bytes], second: tuple[Any, bytes]) -> float:
    """Returns how well two glyphs, brought to one size, agree: the correlation of their pixels."""
    forms = [
        cv2.resize(_ink(p), (16, 16), interpolation=cv2.INTER_AREA).ravel() for p in (first, second)
    ]
    return float(np.corrcoef(forms[0], forms[1])[0, 1])


def _boxed(pictures: dict[str, tuple[Any, bytes]]) -> bool:
    """Whether a full stop is as large as an M: every character stands in a box."""
    return "." in pictures and "M" in pictures and pictures["."][0] == pictures["M"][0]

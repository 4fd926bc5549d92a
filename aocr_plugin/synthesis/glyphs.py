"""Pictures of characters, kept, and lines of text set from them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from aocr_plugin.errors import FontError
from aocr_plugin.synthesis.font_file import FontFile
from aocr_plugin.synthesis.pictures import Mask

SIZES = (14, 22, 34, 52, 80, 120)
"""Pixels an em that glyphs are drawn at; what is between is scaled down from the next."""
_ROOM = 96 << 20  # bytes of pictures that are kept
_OPEN = 4096  # fonts at a size that are kept open


@dataclass(slots=True)
class Glyph:
    """A character's picture.

    Attributes:
        mask: coverage [h, w], 0 to 255; None for a blank.
        left: columns from the pen to the mask.
        top: rows from the baseline to the mask; above is negative.
        advance: pixels that the pen moves on.
    """

    mask: Mask | None
    left: int
    top: int
    advance: float


@dataclass(slots=True)
class Line:
    """A line of text.

    Attributes:
        mask: coverage [h, w], cut to what is inked.
        baseline: row of the baseline in ``mask``; may lie outside.
        pens: column of ``mask`` where each character begins, and where the last one ends.
    """

    mask: Mask
    baseline: int
    pens: list[float]


class GlyphStore:
    """Draws characters with FreeType and keeps their pictures; which are kept changes nothing."""

    def __init__(self) -> None:
        self._fonts: dict[tuple[str, int], ImageFont.FreeTypeFont] = {}
        self._glyphs: dict[tuple[str, int], dict[str, Glyph]] = {}
        self._bytes = 0

    def get(self, file: FontFile, size: int, text: str) -> list[Glyph]:
        """Returns the picture of each character, at one of :data:`SIZES`."""
        key = (file.digest, size)
        known = self._glyphs.get(key)
        if known is None:
            known = self._glyphs[key] = {}
        try:
            return [known[character] for character in text]
        except KeyError:
            for character in set(text).difference(known):
                known[character] = self._draw(file, size, character)
            glyphs = [known[character] for character in text]
        if self._bytes > _ROOM:
            self._glyphs.clear()
            self._fonts.clear()
            self._bytes = 0
        return glyphs

    def _draw(self, file: FontFile, size: int, character: str) -> Glyph:
        font = self._fonts.get((file.digest, size))
        if font is None:
            if len(self._fonts) >= _OPEN:
                self._fonts.clear()
            font = _opened(file.path, size)
            self._fonts[(file.digest, size)] = font
        picture, (left, top) = font.getmask2(character, "L", anchor="ls")
        self._bytes += picture.size[0] * picture.size[1] + 400
        inked = picture.getbbox()
        if inked is None:
            return Glyph(None, 0, 0, font.getlength(character))
        x0, y0, x1, y1 = inked  # Pillow's picture is as wide as the advance
        whole = np.frombuffer(bytes(picture), np.uint8).reshape(picture.size[::-1])
        mask = np.ascontiguousarray(whole[y0:y1, x0:x1])
        return Glyph(mask, left + x0, top + y0, font.getlength(character))

    def __reduce__(self) -> tuple[type["GlyphStore"], tuple[()]]:
        """Goes to another process empty."""
        return GlyphStore, ()


def _opened(path: str, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise FontError(
            f"{path}: cannot be read any more ({error}); start again with the fonts that are left"
        ) from error


def size_for(pixels: float) -> int:
    """Returns the smallest of :data:`SIZES` that need not be enlarged, or the largest."""
    return next((size for size in SIZES if size >= pixels), SIZES[-1])


def set_line(
    glyphs: Sequence[Glyph],
    spacing: float = 0.0,
    bounce: Sequence[float] = (),
    turns: Sequence[float] = (),
) -> Line:
    """Sets characters side by side on a straight baseline.

    Args:
        glyphs: at least one that is no blank.
        spacing: pixels added between characters; may be negative.
        bounce: rows that each character is moved down, or nothing.
        turns: degrees that each character is turned by, or nothing.
    """
    places: list[tuple[Mask, int, int]] = []
    pens, pen = [], 0.0
    for number, glyph in enumerate(glyphs):
        pens.append(pen)
        if glyph.mask is not None:
            mask, left, top = glyph.mask, glyph.left, glyph.top
            if turns:
                mask, left, top = _turned(glyph, turns[number])
            down = bounce[number] if bounce else 0.0
            places.append((mask, round(pen + left), round(top + down)))
        pen += glyph.advance + spacing
    pens.append(pen - spacing)
    return _composed(places, pens)


def set_arc(glyphs: Sequence[Glyph], spacing: float, bend: float) -> Line:
    """Sets characters along an arc of a circle, each turned with it.

    Args:
        glyphs: at least one that is no blank.
        spacing: pixels added between characters.
        bend: angle of the whole line in radians; positive: the middle is highest.
    """
    length = sum(glyph.advance + spacing for glyph in glyphs)
    radius = length / bend
    places, pens, pen = [], [], 0.0
    for glyph in glyphs:
        angle = (pen + glyph.advance / 2 - length / 2) / radius
        middle = length / 2 + radius * math.sin(angle)
        down = radius * (1 - math.cos(angle))
        pens.append(middle - glyph.advance / 2)
        if glyph.mask is not None:
            mask, left, top = _turned(glyph, math.degrees(-angle))
            places.append((mask, round(middle - glyph.advance / 2 + left), round(top + down)))
        pen += glyph.advance + spacing
    pens.append(pens[-1] + glyphs[-1].advance)
    return _composed(places, pens)


def _turned(glyph: Glyph, degrees: float) -> tuple[Mask, int, int]:
    """Turns a glyph about the middle of its advance on the baseline; counter-clockwise."""
    mask = glyph.mask
    if mask is None:
        raise ValueError("a blank has no picture to turn")
    height, width = mask.shape
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x0, y0 = glyph.advance / 2 - glyph.left, float(-glyph.top)  # the fixed point in the mask
    corners = [(x - x0, y - y0) for x in (0, width) for y in (0, height)]
    across = [cos * x + sin * y for x, y in corners]
    down = [cos * y - sin * x for x, y in corners]
    left, top = math.floor(min(across)), math.floor(min(down))
    size = (math.ceil(max(across)) - left + 1, math.ceil(max(down)) - top + 1)
    matrix: NDArray[Any] = np.array(
        [[cos, sin, -left - cos * x0 - sin * y0], [-sin, cos, -top + sin * x0 - cos * y0]]
    )
    turned = cv2.warpAffine(mask, matrix, size)
    return turned, round(left + glyph.advance / 2), top


def _composed(places: Sequence[tuple[Mask, int, int]], pens: Sequence[float]) -> Line:
    left = min(x for _, x, _ in places)
    top = min(y for _, _, y in places)
    right = max(x + mask.shape[1] for mask, x, _ in places)
    bottom = max(y + mask.shape[0] for mask, _, y in places)
    canvas = np.zeros((bottom - top, right - left), np.uint8)
    for mask, x, y in places:
        paste(canvas, mask, x - left, y - top)
    return Line(canvas, -top, [pen - left for pen in pens])


def paste(canvas: Mask, mask: Mask, x: int, y: int) -> None:
    """Adds a mask to a canvas at column ``x``, row ``y``; what is outside is cut off."""
    height, width = mask.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, canvas.shape[1]), min(y + height, canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    part = canvas[y0:y1, x0:x1]
    np.maximum(part, mask[y0 - y : y1 - y, x0 - x : x1 - x], out=part)

"""Text of any script on pictures; characters that the font lacks appear as their code point."""

import functools
import unicodedata

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]
INK: Colour = (20, 24, 32)
FAINT: Colour = (120, 126, 138)
_BLANK, _CIRCLE = "\N{OPEN BOX}", "\N{DOTTED CIRCLE}"


@functools.cache
def _font_file(bold: bool) -> str:
    import matplotlib

    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf"


@functools.cache
def _known(bold: bool) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(_font_file(bold)).get_charmap())


@functools.lru_cache(maxsize=64)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Returns DejaVu Sans, which matplotlib brings along."""
    return ImageFont.truetype(_font_file(bold), size, layout_engine=ImageFont.Layout.BASIC)


def _shown(character: str, bold: bool) -> str | None:
    """Returns what is drawn for a character; None where it takes a box."""
    if character.isspace():
        return _BLANK
    if any(ord(c) not in _known(bold) or unicodedata.category(c)[0] == "C" for c in character):
        return None
    return _CIRCLE + character if unicodedata.combining(character[0]) else character


def _box(character: str) -> str:
    """Returns the code point as hexadecimal digits in two rows."""
    digits = f"{ord(character[0]):04X}"
    half = (len(digits) + 1) // 2
    return f"{digits[:half]}\n{digits[half:]}"


def symbol_width(character: str, size: int, bold: bool = False) -> int:
    """Returns the pixels that :func:`draw_symbol` takes."""
    shown = _shown(character, bold)
    if shown is None:
        return round(size * (0.8 if ord(character[0]) < 0x10000 else 1.05)) + 3
    return round(font(size, bold).getlength(shown)) + 1


def draw_symbol(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    character: str,
    size: int,
    colour: Colour = INK,
    bold: bool = False,
) -> int:
    """Draws one character with its top left at ``place``; returns its width in pixels."""
    width = symbol_width(character, size, bold)
    shown = _shown(character, bold)
    if shown is not None:
        draw.text(place, shown, colour, font(size, bold))
        return width
    x, y = place
    draw.rectangle((x, y + 1, x + width - 3, y + size + 2), outline=colour)
    small = max(6, round(size * 0.42))
    draw.multiline_text((x + 2, y + 2), _box(character), colour, font(small), spacing=0)
    return width


def draw_text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    colour: Colour = INK,
    bold: bool = False,
) -> int:
    """Draws a text in the order of its characters; returns its width in pixels."""
    x, y = place
    for character in text:
        if character == " ":
            x += round(font(size, bold).getlength(" "))
        else:
            x += draw_symbol(draw, (x, y), character, size, colour, bold)
    return round(x - place[0])

"""Draws what was read into a page, with Pillow. Needs no PyTorch."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from aocr_plugin.errors import ConfigError
from aocr_plugin.reading.crops import corners, size
from aocr_plugin.reading.page import PageText

_OUTLINE, _INK, _GROUND = (0, 140, 60), (160, 0, 0), (255, 255, 255)
_SYSTEM_FONT = "DejaVuSans.ttf"
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def _font(path: str | None, pixels: int) -> Font:
    """Returns a font: the given one, DejaVu Sans of the system, or Pillow's own.

    Raises:
        ConfigError: the given one cannot be used.
    """
    try:
        return ImageFont.truetype(path or _SYSTEM_FONT, pixels)
    except OSError as error:
        if path is None:
            return ImageFont.load_default(pixels)
        raise ConfigError(f"{path}: not a font that can be used ({error})") from error


def _glyph(font: Font, character: str) -> tuple[bytes, tuple[int, int]]:
    mask = font.getmask(character)
    return bytes(mask), mask.size


@cache
def _drawable(font: Font, character: str) -> bool:
    """Whether a font has a character: it looks unlike one that no font has."""
    try:
        return character == " " or _glyph(font, character) != _glyph(font, "\U0010fffe")
    except UnicodeEncodeError:  # Pillow's bitmap font: Latin-1 alone
        return False


def annotate(
    pixels: NDArray[np.uint8], page: PageText, font: str | None = None
) -> NDArray[np.uint8]:
    """Returns the page with every region's outline, and above it its place in order and text.

    A text that the font cannot draw rightly is left out: right-to-left and joined scripts, and
    characters that it lacks; the number is there, and the text in the JSON file.

    Args:
        pixels: uint8 [H, W, 3] in BGR; it is not changed.
        page: what was read in it.
        font: a TrueType file; None is DejaVu Sans where the system has it, or Pillow's own font.

    Returns:
        uint8 [H, W, 3] in BGR.

    Raises:
        ConfigError: the font cannot be used.
    """
    image = Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    draw = ImageDraw.Draw(image)
    for region in page.regions:
        draw.polygon(region.polygon, outline=_OUTLINE, width=2)
    for order, region in enumerate(page.regions):
        height = min(size(corners(region.polygon)))
        writing = _font(font, int(min(max(height * 0.5, 10), 40)))
        label = str(order + 1)
        if region.text and all(_simple(c) and _drawable(writing, c) for c in region.text):
            label += f" {region.text}"
        left, top, right, bottom = draw.textbbox((0, 0), label, font=writing)
        x = min(point[0] for point in region.polygon)
        y = min(point[1] for point in region.polygon) - (bottom - top) - 2
        x, y = max(0, min(x, image.width - (right - left))), max(0, y)
        draw.rectangle((x, y, x + right - left, y + bottom - top), fill=_GROUND)
        draw.text((x - left, y - top), label, fill=_INK, font=writing)
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])


def _simple(character: str) -> bool:
    """Whether a character can be drawn alone: no script that is joined or runs to the left."""
    code = ord(character)
    return character.isprintable() and not (0x0590 <= code < 0x1100 or 0xFB1D <= code < 0xFE00)

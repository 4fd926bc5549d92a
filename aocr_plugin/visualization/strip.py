"""A strip: what was read in an image, with a panel for each character where it was seen."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from aocr_plugin.visualization.attention import DIMMED, fit, resized
from aocr_plugin.visualization.lettering import (
    FAINT,
    INK,
    Colour,
    draw_symbol,
    draw_text,
    symbol_width,
)
from aocr_plugin.visualization.reading import (
    Pixels,
    Reading,
    centre,
    share_on_padding,
    weights_on_pixels,
)

_GLOW = np.array([1.0, 0.86, 0.42])  # what full attention leaves of red, green and blue
_BAR: Colour = (226, 112, 0)
_RIGHT: Colour = (0, 118, 60)
_WRONG: Colour = (200, 24, 32)
_WIDEST, _MARGIN, _GAP, _HEAD = 1000, 14, 10, 56  # pixels
_SIZE, _BARS = 18, 9
_MANY = 24  # characters with a panel each
_ROW, _GUTTER = 22, 58
_EDGE: Colour = (200, 204, 212)


def _colour(image: Pixels) -> Pixels:
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


def _heat(image: Pixels, brightness: NDArray[Any]) -> Pixels:
    """Returns the image in colour, dimmed but for a warm glow where the attention is."""
    share = np.clip(DIMMED + (1 - DIMMED) * brightness, 0, 1)[:, None]
    tint = 1 - brightness[:, None] * (1 - _GLOW)
    return np.rint(_colour(image) * (share * tint)[None]).astype(np.uint8)


def _spread(middles: list[float], widths: list[int], room: int) -> list[float]:
    """Returns left edges near the wanted middles, without overlaps, in the order of place."""
    places = [0.0] * len(middles)
    order = sorted(range(len(middles)), key=lambda index: middles[index])
    end = 0.0
    for index in order:
        places[index] = max(end, middles[index] - widths[index] / 2)
        end = places[index] + widths[index]
    limit = float(room)
    for index in reversed(order):
        places[index] = min(places[index], limit - widths[index])
        limit = places[index]
    return places


def _panel_columns(count: int, room: int, shape: tuple[int, ...], lane: int) -> tuple[int, int]:
    """Returns how many panels stand side by side, and a panel's width."""
    height, width = shape[:2]
    columns, chosen = 1, min(room, width * 4)
    while columns < min(count, 12):
        rows = math.ceil(count / columns)
        if rows * (chosen * height / width + lane) <= 560 and columns * chosen <= room:
            break
        narrower = (room - columns * _GAP) // (columns + 1)
        if narrower * height / width < 18 or narrower < 60:
            break
        columns, chosen = columns + 1, min(narrower, width * 4)
    return columns, chosen


def _panel(picture: Pixels, reading: Reading, step: int) -> Image.Image:
    """Draws a character above where the network looked for it, and the weights below."""
    size = _SIZE
    height, width = picture.shape[:2]
    lane = size + 6
    panel = Image.new("RGB", (width, lane + height + _BARS), "white")
    draw = ImageDraw.Draw(panel)
    weights, edges = reading.looks()[step], reading.edges
    if edges is None:
        return panel
    panel.paste(
        Image.fromarray(_heat(picture, weights_on_pixels(weights, edges, width))), (0, lane)
    )
    for left, right, weight in zip(edges[:-1] * width, edges[1:] * width, weights, strict=True):
        if left < width and weight * (_BARS - 1) >= 0.5:
            top = lane + height + 1
            draw.rectangle((left, top, min(right, width) - 1, top + weight * (_BARS - 2)), _BAR)
    symbol, score = reading.symbols[step], reading.char_scores[step]
    wide = symbol_width(symbol, size, bold=True)
    middle = centre(weights, edges) * width
    place = min(max(0.0, middle - wide / 2), max(0.0, width - wide))
    draw_symbol(draw, (place, 0), symbol, size, INK, bold=True)
    note, small = f"{score:.2f}", max(9, round(size * 0.62))
    outside = share_on_padding(weights, edges)
    if outside >= 0.1:
        note += f" ({outside:.0%} on padding)"
    needed = sum(symbol_width(c, small) for c in note)
    beside = place + wide + 4
    if beside + needed > width:
        beside = place - needed - 4
    if beside >= 0:
        draw_text(draw, (beside, round((size - small) * 0.8)), note, small, FAINT)
    return panel


def _overview(picture: Pixels, reading: Reading, size: int) -> Image.Image:
    """Draws the image with all characters above it, each joined to where it was seen."""
    height, width = picture.shape[:2]
    looks, edges = reading.looks(), reading.edges
    lane = size + 14
    overview = Image.new("RGB", (width, lane + height), "white")
    overview.paste(Image.fromarray(_colour(picture)), (0, lane))
    draw = ImageDraw.Draw(overview)
    draw.rectangle((0, lane, width - 1, lane + height - 1), outline=_EDGE)
    if edges is None or not len(looks):
        return overview
    middles = [centre(row, edges) * width for row in looks]
    widths = [symbol_width(symbol, size) + 1 for symbol in reading.symbols]
    for symbol, wide, middle, left in zip(
        reading.symbols, widths, middles, _spread(middles, widths, width), strict=True
    ):
        draw_symbol(draw, (left, 0), symbol, size)
        foot = (left + (wide - 1) / 2, size + 4)
        draw.line([foot, (middle, lane - 1)], fill=_BAR, width=1)
    return overview


def strip(image: Pixels, reading: Reading) -> Pixels:
    """Draws text, label, the image with its characters, and a panel for each character.

    In a panel the image glows where the network looked and is dimmed elsewhere; the bars below
    are the weights of the encoder's columns, a full bar being all of it. Of a long text each
    character has a low row instead.

    Args:
        image: the original.
        reading: what was read in it, with attention.

    Returns:
        [H, W, 3] RGB, up to 1,028 pixels wide.
    """
    count = len(reading.symbols)
    if count > _MANY:
        return _compact(image, reading)
    large = fit(image, 130, _WIDEST)
    room = max(large.shape[1], min(_WIDEST, 250 * max(1, count)), 420)
    columns, width = _panel_columns(count, room, image.shape, _SIZE + 6 + _BARS + _GAP)
    small = resized(image, max(1, round(image.shape[0] * width / image.shape[1])), width)
    panels = [_panel(small, reading, step) for step in range(count)]
    overview = _overview(large, reading, _SIZE if count * 16 < large.shape[1] else 12)
    tall = small.shape[0] + _SIZE + 6 + _BARS + _GAP
    top = _HEAD + overview.height + 16
    used = max(columns * width + (columns - 1) * _GAP, large.shape[1], 420)
    canvas = Image.new(
        "RGB",
        (used + 2 * _MARGIN, top + math.ceil(count / columns) * tall + _MARGIN // 2),
        "white",
    )
    draw = ImageDraw.Draw(canvas)
    _heading(draw, reading, canvas.width)
    canvas.paste(overview, (_MARGIN, _HEAD))
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        canvas.paste(panel, (_MARGIN + column * (width + _GAP), top + row * tall))
    return np.asarray(canvas)


def _compact(image: Pixels, reading: Reading) -> Pixels:
    """Draws the image with its characters, then a low row a character, all in line."""
    wide = _WIDEST - _GUTTER
    large = fit(image, 130, wide)
    overview = _overview(large, reading, 12)
    row = resized(image, _ROW - 3, large.shape[1])
    top = _HEAD + overview.height + 8
    canvas = Image.new(
        "RGB",
        (
            max(_GUTTER + large.shape[1], 420) + 2 * _MARGIN,
            top + _ROW * len(reading.symbols) + _MARGIN,
        ),
        "white",
    )
    draw = ImageDraw.Draw(canvas)
    _heading(draw, reading, canvas.width)
    canvas.paste(overview, (_MARGIN + _GUTTER, _HEAD))
    for step, symbol in enumerate(reading.symbols):
        y = top + step * _ROW
        draw_symbol(draw, (_MARGIN, y), symbol, 14, INK, bold=True)
        draw_text(draw, (_MARGIN + 28, y + 4), f"{reading.char_scores[step]:.2f}", 10, FAINT)
        if reading.edges is not None:
            light = weights_on_pixels(reading.looks()[step], reading.edges, row.shape[1])
            canvas.paste(Image.fromarray(_heat(row, light)), (_MARGIN + _GUTTER, y))
    return np.asarray(canvas)


def _heading(draw: ImageDraw.ImageDraw, reading: Reading, width: int) -> None:
    """Writes what was read, the score, and the label."""
    for top, name, text, colour in (
        (8, "read", reading.text, _RIGHT if reading.correct else _WRONG),
        (30, "label", reading.label, INK),
    ):
        draw_text(draw, (_MARGIN, top + 3), name, 12, FAINT)
        tail = ""
        if name == "read" and reading.score is not None:
            tail = f"{reading.score:.3f}" + ("" if reading.correct else "  wrong")
        space = width - 2 * _MARGIN - 50 - sum(symbol_width(c, 12) for c in tail) - 14
        size = 17
        while size > 8 and sum(symbol_width(c, size, True) for c in text) > space:
            size -= 1
        used = draw_text(draw, (_MARGIN + 42, top), text, size, colour, bold=True)
        draw_text(draw, (_MARGIN + 42 + used + 14, top + 3), tail, 12, FAINT)

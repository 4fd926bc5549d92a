"""Gray patterns for grounds and noise, made once a process from fixed seeds."""

import functools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin.synthesis.dice import Dice

COUNT = 48
"""Patterns that there are."""
_HEIGHT, _WIDTH = 192, 640

Gray = NDArray[Any]
Picture = NDArray[Any]


def cut(dice: Dice, width: int, height: int, zoom: float | None = None) -> Gray:
    """Returns a piece of a pattern [height, width], gray 128 in the mean.

    Args:
        dice: chance.
        width: pixels.
        height: pixels.
        zoom: pixels of the pattern to one of the piece; None draws it.
    """
    tile = _tile(dice.whole(0, COUNT - 1))
    zoom = dice.between(0.4, 2.2) if zoom is None else zoom
    across = min(max(4, round(width * zoom)), _WIDTH)
    down = min(max(4, round(height * zoom)), _HEIGHT)
    x, y = dice.whole(0, _WIDTH - across), dice.whole(0, _HEIGHT - down)
    piece = tile[y : y + down, x : x + across]
    return cv2.resize(piece, (width, height), interpolation=cv2.INTER_LINEAR)


def noise(dice: Dice, width: int, height: int) -> Picture:
    """Returns coloured noise [height, width, 3], gray 128 in the mean."""
    sheet = _noise_sheet()
    if width > sheet.shape[1] or height > sheet.shape[0]:
        sheet = np.tile(sheet, (-(-height // sheet.shape[0]), -(-width // sheet.shape[1]), 1))
    x, y = dice.whole(0, sheet.shape[1] - width), dice.whole(0, sheet.shape[0] - height)
    return sheet[y : y + height, x : x + width]


@functools.cache
def _noise_sheet() -> Picture:
    draw = np.random.Generator(np.random.PCG64(7))
    bell = draw.integers(0, 256, (6, 160, 1024, 3), np.uint8).astype(np.int32).sum(0)
    levels = (bell - 6 * 127) * 40 // 181 + 128  # a standard deviation of 40
    return np.clip(levels, 0, 255).astype(np.uint8)


@functools.cache
def _tile(number: int) -> Gray:
    """Makes a pattern; whole numbers only, so that every processor makes the same."""
    draw = np.random.Generator(np.random.PCG64(1000 + number))
    manner = number % 6
    if manner == 0:
        tile = _octaves(draw, 5, (1, 2, 4, 8, 16))
    elif manner == 1:
        tile = _octaves(draw, 6, (8, 8, 4, 2, 1, 1))
    elif manner == 2:
        tile = _brushed(draw)
    elif manner == 3:
        tile = _blocks(draw)
    elif manner == 4:
        tile = _shapes(draw)
    else:
        tile = _octaves(draw, 7, (2, 2, 3, 3, 4, 5, 6))
    return _levelled(tile)


def _octaves(draw: np.random.Generator, count: int, weights: tuple[int, ...]) -> NDArray[np.int32]:
    """Adds noise of halved detail each time, as clouds, stone and plaster look."""
    total = np.zeros((_HEIGHT, _WIDTH), np.int32)
    for octave, weight in zip(range(count), weights, strict=True):
        shape = (2 + (_HEIGHT >> octave), 2 + (_WIDTH >> octave))
        coarse = draw.integers(0, 256, shape, np.uint8)
        total += weight * cv2.resize(coarse, (_WIDTH, _HEIGHT)).astype(np.int32)
    return total


def _brushed(draw: np.random.Generator) -> NDArray[np.int32]:
    """Draws noise out in one direction, as brushed metal, cloth and wood look."""
    long, fine = int(draw.integers(20, 120)), int(draw.integers(1, 4))
    coarse = draw.integers(0, 256, (_HEIGHT // fine, 2 + _WIDTH // long), np.uint8)
    total = cv2.resize(coarse, (_WIDTH, _HEIGHT)).astype(np.int32)
    return total * 2 + draw.integers(0, 128, total.shape)


def _blocks(draw: np.random.Generator) -> NDArray[np.int32]:
    """Lays bricks, tiles or slats with joints."""
    high, wide = int(draw.integers(10, 40)), int(draw.integers(16, 120))
    canvas = _octaves(draw, 3, (2, 2, 1)) // 5
    for row, y in enumerate(range(0, _HEIGHT, high)):
        for x in range(-(row % 2) * wide // 2, _WIDTH, wide):
            part = canvas[y + 2 : y + high, max(x, 0) + 2 : max(x + wide, 0)]
            part += int(draw.integers(40, 160))
    return canvas


def _shapes(draw: np.random.Generator) -> NDArray[np.int32]:
    """Throws shapes of all sizes over each other, as what stands behind a sign."""
    canvas = (_octaves(draw, 6, (0, 0, 1, 1, 2, 4)) // 8).astype(np.uint8)
    for _ in range(int(draw.integers(30, 90))):
        x, y = int(draw.integers(0, _WIDTH)), int(draw.integers(0, _HEIGHT))
        size, shade = int(draw.integers(4, 90)), int(draw.integers(0, 256))
        form = int(draw.integers(0, 4))
        if form == 0:
            cv2.circle(canvas, (x, y), size // 2, (shade,), -1, cv2.LINE_AA)
        elif form == 1:
            cv2.rectangle(canvas, (x, y), (x + size, y + int(draw.integers(4, 90))), (shade,), -1)
        elif form == 2:
            end = (int(draw.integers(0, _WIDTH)), int(draw.integers(0, _HEIGHT)))
            cv2.line(canvas, (x, y), end, (shade,), 1 + size // 12, cv2.LINE_AA)
        else:
            corners = np.array((x, y)) + draw.integers(-size, size, (3, 2))
            cv2.fillConvexPoly(canvas, corners.astype(np.int32), (shade,), cv2.LINE_AA)
    return canvas.astype(np.int32)


def _levelled(tile: NDArray[np.int32]) -> Gray:
    """Brings a pattern to a mean of 128 and a mean difference from it of 36."""
    offset = tile - int(tile.sum(dtype=np.int64)) // tile.size
    spread = max(1, int(np.abs(offset).sum(dtype=np.int64)) // tile.size)
    return np.clip(offset * 36 // spread + 128, 0, 255).astype(np.uint8)

"""What grounds, inks and effects are put together from; all in 8 bits, for speed."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin.synthesis import textures
from aocr_plugin.synthesis.colours import Colour
from aocr_plugin.synthesis.dice import Dice

Picture = NDArray[Any]
"""8 bits: [H, W, 3] blue, green and red, or [H, W] gray."""
Mask = NDArray[Any]
"""8 bits: how far each pixel [H, W] is covered."""
_STEPS = np.arange(256) - 128.0


def flat(width: int, height: int, colour: Colour) -> Picture:
    """Returns one colour [height, width, 3], not to be written to."""
    pixels = bytes(colour) * (width * height)  # faster than filling an array
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)


def empty(width: int, height: int) -> Mask:
    """Returns a mask [height, width] of nothing."""
    return np.zeros((height, width), np.uint8)


def points(corners: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """Returns corners as OpenCV's drawing takes them."""
    return np.array(corners, np.int32)


def gradient(width: int, height: int, corners: Sequence[Colour]) -> Picture:
    """Returns the colours of four corners, blended: top left, top right, bottom left and right."""
    small = np.array(corners, np.uint8).reshape(2, 2, 3)
    return cv2.resize(small, (width, height))


def textured(
    width: int, height: int, colour: Colour, strength: float, tint: float, dice: Dice
) -> Picture:
    """Returns a pattern around a colour.

    Args:
        width: pixels.
        height: pixels.
        colour: in the mean.
        strength: how far its brightness differs, in the mean; of 255.
        tint: the same of its hue.
        dice: chance.
    """
    picture = _coloured(textures.cut(dice, width, height), [strength / 36.0] * 3, colour)
    if tint <= 0:
        return picture
    gains = [tint / 36.0 * dice.between(-1, 1) for _ in range(3)]
    tints = _coloured(textures.cut(dice, width, height), gains, (128, 128, 128))
    return cv2.addWeighted(picture, 1, tints, 1, -128)


def _coloured(gray: Mask, gains: Sequence[float], colour: Colour) -> Picture:
    """Turns gray around 128 into a colour and what is lighter and darker.

    By a table: OpenCV's ``transform`` rounds differently on different processors.
    """
    table = np.multiply.outer(_STEPS, gains) + colour
    levels = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge((gray, gray, gray)), levels.reshape(1, 256, 3))


def laid(ground: Picture, ink: Picture | Colour, mask: Mask) -> Picture:
    """Returns ``ground`` with ``ink`` where the mask is."""
    cover = cv2.merge((mask, mask, mask))
    below = cv2.multiply(ground, cv2.bitwise_not(cover), scale=1 / 255)
    if isinstance(ink, tuple):
        ink = flat(mask.shape[1], mask.shape[0], ink)
    return cv2.add(below, cv2.multiply(ink, cover, scale=1 / 255))


def moved(mask: Mask, right: int, down: int) -> Mask:
    """Returns a mask shifted by whole pixels; what comes in is empty."""
    height, width = mask.shape
    result = np.zeros_like(mask)
    x0, x1 = max(right, 0), min(width + right, width)
    y0, y1 = max(down, 0), min(height + down, height)
    if x0 < x1 and y0 < y1:
        result[y0:y1, x0:x1] = mask[y0 - down : y1 - down, x0 - right : x1 - right]
    return result


def faded(mask: Mask, share: float) -> Mask:
    """Returns a mask that covers ``share`` of what it did."""
    return cv2.convertScaleAbs(mask, alpha=share)

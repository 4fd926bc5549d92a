"""What grounds, inks and effects are put together from; all in 8 bits, for speed."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aocr_plugin.synthesis import textures
from aocr_plugin.synthesis.colours import Colour
from aocr_plugin.synthesis.dice import Dice

Picture = NDArray[np.uint8]
Mask = NDArray[np.uint8]


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
    return cv2.resize(small, (width, height))  # type: ignore[return-value]


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
    first = textures.cut(dice, width, height)
    gain = strength / 36.0
    if tint <= 0:
        matrix: NDArray[Any] = np.array([[gain, c - 128 * gain] for c in colour])
        return cv2.transform(first, matrix)  # type: ignore[return-value]
    second = textures.cut(dice, width, height)
    turn = [tint / 36.0 * dice.between(-1, 1) for _ in range(3)]
    matrix = np.array(
        [[gain, t, c - 128 * (gain + t)] for c, t in zip(colour, turn, strict=True)]
    )
    return cv2.transform(cv2.merge((first, second)), matrix)  # type: ignore[return-value]


def laid(ground: Picture, ink: Picture | Colour, mask: Mask) -> Picture:
    """Returns ``ground`` with ``ink`` where the mask is."""
    cover = cv2.merge((mask, mask, mask))
    below = cv2.multiply(ground, cv2.bitwise_not(cover), scale=1 / 255)
    if isinstance(ink, tuple):
        above = cv2.transform(mask, np.array(ink).reshape(3, 1) / 255)
    else:
        above = cv2.multiply(ink, cover, scale=1 / 255)
    return cv2.add(below, above)  # type: ignore[return-value]


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
    return cv2.multiply(mask, share)  # type: ignore[call-overload, no-any-return]

"""How letters are put on a ground: plain, outlined, with a shadow, raised, worn, in a box."""

import cv2
import numpy as np

from aocr_plugin.synthesis import pictures, textures
from aocr_plugin.synthesis.colours import Colour, luma, with_luma
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.pictures import Mask, Picture

_MANNERS = Shares(
    {"plain": 0.6, "outline": 0.09, "shadow": 0.12, "raised": 0.09, "worn": 0.06, "glow": 0.04}
)


def lettered(
    ground: Picture, mask: Mask, ink: Colour, around: Colour, tall: float, dice: Dice
) -> Picture:
    """Returns a ground with letters on it.

    Args:
        ground: [H, W, 3].
        mask: of the letters [H, W].
        ink: colour of the letters.
        around: colour of the ground in the mean.
        tall: height of the letters in pixels.
        dice: chance.
    """
    manner = _MANNERS.draw(dice)
    step = max(1, round(tall * dice.between(0.02, 0.07)))
    if manner == "outline" and tall > 14:
        edge = _edge(ink, around, dice)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * step + 1, 2 * step + 1))
        ground = pictures.laid(ground, edge, cv2.dilate(mask, kernel))
    elif manner in ("shadow", "raised"):
        right, down = dice.pick(((1, 1), (1, 0), (0, 1), (-1, 1), (1, 1)))
        dark = with_luma(around, luma(around) * dice.between(0.15, 0.6))
        shadow = pictures.moved(mask, right * step, down * step)
        if manner == "shadow" and dice.chance(0.5):
            shadow = cv2.GaussianBlur(shadow, (5, 5), 0)
        ground = pictures.laid(ground, dark, pictures.faded(shadow, dice.between(0.5, 1)))
        if manner == "raised":
            light = with_luma(around, luma(around) + 60)
            rim = pictures.moved(mask, -right, -down)
            ground = pictures.laid(ground, light, pictures.faded(rim, 0.7))
    elif manner == "glow":
        halo = cv2.GaussianBlur(mask, (9, 9), 0)
        ground = pictures.laid(ground, ink, pictures.faded(halo, 0.6))
    elif manner == "worn":
        mask = _worn(mask, dice)
    height, width = mask.shape
    if dice.chance(0.15):
        change = dice.between(-25, 25)  # one end of the letters is darker
        other = with_luma(ink, luma(ink) + change)
        if abs(luma(other) - luma(around)) >= abs(luma(ink) - luma(around)):
            corners = (ink, ink, other, other) if dice.chance(0.6) else (ink, other, ink, other)
            return pictures.laid(ground, pictures.gradient(width, height, corners), mask)
    return pictures.laid(ground, ink, mask)


def _edge(ink: Colour, around: Colour, dice: Dice) -> Colour:
    """Returns a colour for outlines, far from the ink's brightness."""
    if dice.chance(0.6):
        return (255, 255, 255) if luma(ink) < 110 else (0, 0, 0)
    target = luma(ink) + (110 if luma(ink) < 128 else -110)
    return with_luma(around, target)


def _worn(mask: Mask, dice: Dice) -> Mask:
    """Returns a mask with flakes and thin places."""
    height, width = mask.shape
    pattern = textures.cut(dice, width, height)
    least = dice.between(70, 105)
    kept = np.where(pattern > least, 255, 90).astype(np.uint8)
    return cv2.multiply(mask, kept, scale=1 / 255)

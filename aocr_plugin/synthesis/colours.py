"""Colours of ground and ink that can be told apart."""

import colorsys

from aocr_plugin.synthesis.dice import Dice, Shares

Colour = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""

_HUES = (0.0, 0.0, 0.02, 0.07, 0.12, 0.15, 0.37, 0.42, 0.52, 0.58, 0.6, 0.64, 0.66, 0.95, 0.99)
_MANNERS = Shares({"neutral": 0.46, "strong": 0.36, "earthy": 0.18})


def luma(colour: Colour) -> float:
    """Returns how bright a colour is, 0 to 255, as OpenCV turns colours to gray."""
    return 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]


def with_luma(colour: Colour, target: float) -> Colour:
    """Returns a colour of that hue with a luma of ``target``, as far as there is one."""
    target = min(max(target, 0.0), 255.0)
    now = luma(colour)
    if target <= now:
        share = target / now if now else 0.0
        return _rounded([c * share for c in colour])
    share = (target - now) / (255.0 - now)
    return _rounded([c + (255.0 - c) * share for c in colour])


def contrasting(colour: Colour, ground: Colour, least: float) -> Colour:
    """Returns a colour of that hue whose luma differs from the ground's by ``least``, or more."""
    bright = luma(ground)
    if abs(luma(colour) - bright) >= least:
        return colour
    return with_luma(colour, bright + least if bright < 128 else bright - least)


def any_colour(dice: Dice) -> Colour:
    """Returns a colour as grounds and letters have it: gray, of a sign, or of stone and wood."""
    manner = _MANNERS.draw(dice)
    if manner == "neutral":
        hue, saturation, value = dice.random(), dice.between(0, 0.16), dice.between(0.05, 1)
    elif manner == "strong":
        hue = dice.pick(_HUES) + dice.near(0, 0.012)
        saturation, value = dice.between(0.5, 1), dice.between(0.3, 1)
        if 0.3 < hue < 0.5:
            value *= 0.7  # greens of signs are dark
    else:
        hue, saturation = dice.between(0.04, 0.16), dice.between(0.15, 0.55)
        value = dice.between(0.15, 0.9)
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return _rounded([255 * blue, 255 * green, 255 * red])


def pair(dice: Dice, least: float, low_share: float = 0.25) -> tuple[Colour, Colour]:
    """Returns the colours of ground and ink.

    Args:
        dice: chance.
        least: by how much their lumas differ at least.
        low_share: share of pairs that differ by little more than that.
    """
    ground = any_colour(dice)
    bright = luma(ground)
    if dice.chance(low_share):
        wished = dice.between(least, least + 45)
    else:
        wished = dice.between(least + 30, 250)
    room_up, room_down = 255 - bright, bright
    lighter = room_up > room_down if wished > min(room_up, room_down) else dice.chance(0.55)
    target = bright + wished if lighter else bright - wished
    form = dice.random()
    if form < 0.5:  # white or black, or close to it
        ink = with_luma((255, 255, 255) if lighter else (0, 0, 0), target)
        if dice.chance(0.6):
            ink = (255, 255, 255) if lighter else with_luma(ink, min(target, 40.0))
    elif form < 0.7:
        ink = with_luma(ground, target)
    else:
        ink = with_luma(any_colour(dice), target)
    if abs(luma(ink) - bright) < least:  # the ground was too near both ends of its hue
        ink = (255, 255, 255) if bright < 128 else (0, 0, 0)
    return ground, ink


def _rounded(channels: list[float]) -> Colour:
    blue, green, red = (min(max(round(c), 0), 255) for c in channels)
    return blue, green, red

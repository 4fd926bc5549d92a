"""Parts of other texts that a crop cuts into."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aocr_plugin.synthesis.dice import Dice
from aocr_plugin.synthesis.geometry import Box
from aocr_plugin.synthesis.glyphs import Line, paste
from aocr_plugin.synthesis.pictures import Mask


@dataclass(frozen=True, slots=True)
class Sides:
    """At which sides other text stands."""

    left: bool
    top: bool
    right: bool
    bottom: bool


Neighbour = Callable[[int], Line]
"""Sets another text in about as many characters as it is told."""


def add(
    line: Line, margins: Box, sides: Sides, neighbour: Neighbour, dice: Dice
) -> tuple[Mask, Box, Box]:
    """Puts other text around a line, so far away that the crop shows a part of it.

    Args:
        line: what is read.
        margins: of the crop, in heights of the line: left, top, right, bottom.
        sides: where other text goes.
        neighbour: makes it.
        dice: chance.

    Returns:
        Coverage of all, the place of the line in it, and margins that show some of the others,
        never more than half a character at the ends or half a line above and below.
    """
    tall, wide = line.mask.shape
    room = round(1.2 * tall) + 2
    plane = np.zeros((tall + 2 * room, wide + 2 * room), np.uint8)
    shown = list(margins)
    for side, (wanted, outwards) in enumerate(
        ((sides.left, -1), (sides.top, -1), (sides.right, 1), (sides.bottom, 1))
    ):
        if not wanted:
            continue
        gap = dice.between(0.14, 0.4) * tall
        along = side % 2 == 1
        other = neighbour(max(3, len(line.pens)) if along else 2).mask
        if along:
            part = dice.between(0.08, 0.4) * other.shape[0]
            x = room + (wide - other.shape[1]) // 2 + round(dice.near(0, 0.15 * wide))
            y = room - round(gap) - other.shape[0] if outwards < 0 else room + tall + round(gap)
        else:
            gap += 0.1 * tall
            part = dice.between(0.05, 0.25) * min(tall, other.shape[1] / 2)
            y = room + (tall - other.shape[0]) // 2
            x = room - round(gap) - other.shape[1] if outwards < 0 else room + wide + round(gap)
        paste(plane, other, x, y)
        shown[side] = min((gap + part) / tall, 1.0)
    paste(plane, line.mask, room, room)
    box = (float(room), float(room), float(room + wide), float(room + tall))
    return plane, box, (shown[0], shown[1], shown[2], shown[3])

"""Words as they are cut out of photographs and screens: signs, covers, shop fronts."""

import math
from collections.abc import Callable

from aocr_plugin.synthesis import colours, pictures, surroundings
from aocr_plugin.synthesis.camera import QUALITIES, photographed
from aocr_plugin.synthesis.colours import Colour
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.font_file import FontFile
from aocr_plugin.synthesis.geometry import Box, View, seen
from aocr_plugin.synthesis.glyphs import Line, set_arc, set_line, size_for
from aocr_plugin.synthesis.ink import lettered
from aocr_plugin.synthesis.pictures import Picture
from aocr_plugin.synthesis.styles.base import Style
from aocr_plugin.synthesis.surroundings import Neighbour
from aocr_plugin.synthesis.texts import TextSettings

_GROUNDS = Shares({"flat": 0.34, "gradient": 0.18, "textured": 0.3, "photo": 0.18})
_LETTERS = Shares({"bold": 0.34, "sans": 0.24, "serif": 0.18, "any": 0.24})
_WANTED: dict[str, Callable[[FontFile], bool]] = {
    "bold": lambda file: file.weight >= 600 and file.form == "plain",
    "sans": lambda file: file.form == "plain" and not file.mono,
    "serif": lambda file: file.form == "serif" and not file.mono,
    "any": lambda file: not file.mono,
}


class Scene(Style):
    """Scene text."""

    texts = TextSettings(mean_length=5.2, length_spread=2.4, punctuation=0.05)

    def draw(self, text: str, dice: Dice) -> Picture:
        """Returns a picture of a text [H, W, 3]."""
        height = self.height(dice, 36, 0.42, (12, 128))
        quality = QUALITIES.draw(dice)
        margins = self._margins(dice)
        tall = height / (1 + margins[1] + margins[3])
        manner = _LETTERS.draw(dice)
        file = self.studio.fonts.choose(text, dice, manner, _WANTED[manner])
        size = size_for(tall * (1.0 if tall > 80 else 1.25))
        line = self._line(file, size, text, dice)
        plane, box = line.mask, (0.0, 0.0, float(line.mask.shape[1]), float(line.mask.shape[0]))
        if dice.chance(0.22):
            sides = surroundings.Sides(*[dice.chance(s) for s in (0.3, 0.45, 0.3, 0.4)])
            beside = self._beside(file, size, text, dice)
            plane, box, margins = surroundings.add(line, margins, sides, beside, dice)
        view = self._view(quality, (box[2] - box[0]) / (box[3] - box[1]), dice)
        mask, _ = seen(plane, box, view, height, margins, self.studio.max_width)
        ground_colour, ink = colours.pair(dice, self.studio.contrast + 8)
        room = abs(colours.luma(ink) - colours.luma(ground_colour))
        ground = self._ground(mask.shape[1], height, ground_colour, room, dice)
        picture = lettered(ground, mask, ink, ground_colour, tall, dice)
        return photographed(picture, quality, dice)

    def _margins(self, dice: Dice) -> Box:
        """Returns the crop's margins in heights of the ink: tight, cutting in, or loose."""
        if dice.chance(0.12):
            side, above = dice.between(0.2, 0.6), dice.between(0.2, 0.5)
            return side, above, dice.between(0.2, 0.6), dice.between(0.2, 0.5)
        least = -0.05 if dice.chance(0.08) else 0.02
        left, top, right, bottom = (dice.between(least, 0.26) for _ in range(4))
        return left, top, right, bottom

    def _line(self, file: FontFile, size: int, text: str, dice: Dice) -> Line:
        """Sets the text: straight, spaced out, along an arc or dancing."""
        glyphs = self.studio.glyphs.get(file, size, text)
        spacing = 0.0
        if dice.chance(0.3):
            spacing = dice.between(-0.03, 0.22) * size
        if len(text) > 2 and text.isupper() and dice.chance(0.06):
            spacing = dice.between(0.25, 0.7) * size
        form = dice.random()
        if form < 0.12 and len(text) > 3:
            bend = dice.between(0.25, 0.9) * (1 if dice.chance(0.75) else -1)
            return set_arc(glyphs, spacing + 0.04 * size, bend)
        if form < 0.15:
            bounce = [dice.near(0, 0.05) * size for _ in text]
            turns = [dice.near(0, 5) for _ in text]
            return set_line(glyphs, spacing + 0.04 * size, bounce, turns)
        return set_line(glyphs, spacing)

    def _beside(self, file: FontFile, size: int, text: str, dice: Dice) -> Neighbour:
        """Returns what sets other texts of the same letters in the same case."""

        def neighbour(length: int) -> Line:
            other = self.others.draw(dice)[:length]
            other = other.upper() if text.isupper() else other
            if not file.characters.issuperset(other) or file.caps_only:
                other = text[::-1]
            return set_line(self.studio.glyphs.get(file, size, other))

        return neighbour

    def _view(self, quality: str, aspect: float, dice: Dice) -> View:
        """Returns how a line, ``aspect`` times as wide as high, is seen."""
        squeeze = math.exp(dice.near(0.0, 0.13))
        if aspect > 1 and dice.chance(0.08):
            return self._steep(squeeze * 0.85, aspect, dice)
        if quality == "clean" and dice.chance(0.6):
            return View(squeeze=squeeze)
        strong = dice.chance(0.35)
        return View(
            turn=dice.near(0.0, 0.14 if strong else 0.025),
            slant=dice.near(0.0, 0.2 if strong else 0.05),
            squeeze=squeeze * (0.8 if strong else 1.0),
            left_right=dice.near(0.0, 0.17) if strong else 0.0,
            up_down=dice.near(0.0, 0.08) if strong else 0.0,
        )

    def _steep(self, squeeze: float, aspect: float, dice: Dice) -> View:
        """Returns a view of a line that climbs or falls.

        It turns by 44 degrees at most, a long one by less, so that letters stay about a third as
        high as the crop without its margins.
        """
        most = math.asin(min(2.2 / (squeeze * aspect), 0.7))
        turn = dice.between(0.6, 1.0) * most * (1 if dice.chance(0.5) else -1)
        slant = dice.between(-0.3, 1.0) * turn
        return View(turn=turn, slant=slant, squeeze=squeeze, left_right=dice.near(0.0, 0.1))

    def _ground(self, width: int, height: int, colour: Colour, room: float, dice: Dice) -> Picture:
        """Returns a ground that differs less from its colour than the ink does by half."""
        manner = _GROUNDS.draw(dice)
        if manner == "flat":
            return pictures.flat(width, height, colour)
        most = room / 2 - 8
        if manner == "gradient":
            bright = colours.luma(colour)
            corners = [
                colours.with_luma(colour, bright + dice.between(-most, most)) for _ in range(4)
            ]
            return pictures.gradient(width, height, corners)
        strength = dice.between(2, 9) if manner == "textured" else dice.between(9, 26)
        tint = 0.0 if manner == "textured" else dice.between(0, 14)
        return pictures.textured(width, height, colour, min(strength, most / 2.5), tint, dice)

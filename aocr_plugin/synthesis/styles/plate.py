"""Licence plates: whole with all that is written on them, or cut to their characters.

The label is the plate's characters; the dash, dot or emblem between their groups is not in it.
"""

import cv2

from aocr_plugin.synthesis import colours, pictures
from aocr_plugin.synthesis.camera import photographed
from aocr_plugin.synthesis.colours import Colour
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.font_file import FontFile
from aocr_plugin.synthesis.geometry import View, tilted
from aocr_plugin.synthesis.glyphs import paste, set_line, size_for
from aocr_plugin.synthesis.pictures import Mask, Picture
from aocr_plugin.synthesis.styles.base import Style
from aocr_plugin.synthesis.texts import TextSettings

_FORMATS = Shares({"high": 0.6, "long": 0.2, "cut": 0.2})
_QUALITIES = Shares({"clean": 0.55, "fair": 0.35, "poor": 0.1})
_SEPARATORS = Shares({"gap": 0.4, "dash": 0.2, "dot": 0.2, "emblem": 0.2})
_INKS = ((90, 30, 20), (110, 50, 10), (20, 20, 20), (30, 20, 150), (20, 80, 20), (0, 0, 0))


def _narrow(file: FontFile) -> bool:
    return file.form == "plain" and file.weight >= 400 and file.width < 0.68


class Plate(Style):
    """Licence plates."""

    texts = TextSettings(kinds={"plate": 1.0}, cases={"upper": 1.0}, punctuation=0.0)

    def draw(self, text: str, dice: Dice) -> Picture:
        """Returns a picture of a plate [H, W, 3]."""
        height = self.height(dice, 60, 0.2, (24, 110))
        form = _FORMATS.draw(dice)
        file = self.studio.fonts.choose(text, dice, "narrow", _narrow)
        share = {"high": dice.between(0.42, 0.56), "long": 0.74, "cut": 0.86}[form]
        characters = self._characters(text, file, height * share, dice)
        if form == "high":
            width = round(height * dice.between(1.85, 2.15))
        else:
            width = characters.shape[1] + round(height * (0.12 if form == "cut" else 0.7))
        width = min(width, self.studio.max_width)
        ground, ink, around = self._sheet(width, height, dice)
        fits = min(characters.shape[1], round(width * (0.9 if form == "high" else 0.96)))
        characters = cv2.resize(characters, (fits, characters.shape[0]))
        mask = pictures.empty(width, height)
        down = round((height - characters.shape[0]) * (0.55 if form == "high" else 0.5))
        paste(mask, characters, (width - fits) // 2, down)
        if form == "high":
            ground = self._written(ground, down, down + characters.shape[0], around, dice)
        if dice.chance(0.6):  # the characters are raised
            light = colours.with_luma(around, colours.luma(around) + 70)
            ground = pictures.laid(ground, light, pictures.moved(mask, -1, -1))
            shadow = pictures.faded(pictures.moved(mask, 1, 1), 0.5)
            ground = pictures.laid(ground, (40, 40, 40), shadow)
        picture = pictures.laid(ground, ink, mask)
        if form != "cut" and dice.chance(0.8):
            picture = self._framed(picture, ink, dice)
        picture = tilted(picture, self._view(dice))
        return photographed(picture, _QUALITIES.draw(dice), dice)

    def _view(self, dice: Dice) -> View:
        if dice.chance(0.4):
            return View()
        return View(
            turn=dice.near(0, 0.025),
            slant=dice.near(0, 0.04),
            left_right=dice.near(0, 0.03),
            up_down=dice.near(0, 0.03),
        )

    def _characters(self, text: str, file: FontFile, tall: float, dice: Dice) -> Mask:
        """Returns the characters as high as is told, with what stands between the groups."""
        groups, last = [text[0]], text[0]
        for character in text[1:]:
            if character.isdigit() != last.isdigit() and len(groups) < 3:
                groups.append("")
            groups[-1] += character
            last = character
        if len(groups) == 1 and len(text) > 5:
            half = len(text) // 2
            groups = [text[:half], text[half:]]
        size = size_for(tall * 1.35)
        glyphs = [self.studio.glyphs.get(file, size, group) for group in groups]
        lines = [set_line(row, size * 0.05) for row in glyphs]
        top = max(line.baseline for line in lines)
        bottom = max(line.mask.shape[0] - line.baseline for line in lines)
        gap = round(size * dice.between(0.14, 0.45))
        separator = _SEPARATORS.draw(dice)
        wide = sum(line.mask.shape[1] for line in lines) + gap * (len(lines) - 1)
        plane = pictures.empty(wide, top + bottom)
        pen = 0
        for number, line in enumerate(lines):
            paste(plane, line.mask, pen, top - line.baseline)
            pen += line.mask.shape[1]
            if number < len(lines) - 1:
                _separate(plane, separator, pen, gap, dice)
                pen += gap
        scale = tall / plane.shape[0]
        squeeze = dice.between(0.8, 1.05)
        target = (max(4, round(wide * scale * squeeze)), max(4, round(tall)))
        return cv2.resize(plane, target, interpolation=cv2.INTER_AREA)

    def _sheet(self, width: int, height: int, dice: Dice) -> tuple[Picture, Colour, Colour]:
        """Returns a plate's ground, its characters' colour, and its colour in the mean."""
        if dice.chance(0.18):  # light on dark
            around = dice.pick(((110, 60, 20), (40, 90, 30), (60, 40, 40), (20, 20, 20)))
            ink: Colour = dice.pick(((255, 255, 255), (90, 220, 250)))
        else:
            around = dice.pick(
                ((235, 235, 235), (215, 225, 225), (250, 235, 215), (90, 210, 250), (190, 230, 240))
            )
            ink = dice.pick(_INKS)
        if dice.chance(0.5):
            top, bottom = (
                colours.with_luma(colours.any_colour(dice), colours.luma(around) + dice.near(0, 18))
                for _ in range(2)
            )
            ground = pictures.gradient(width, height, (top, top, bottom, bottom))
        else:
            ground = pictures.flat(width, height, around)
        if dice.chance(0.35):
            scenery = pictures.textured(width, height, around, dice.between(4, 18), 12, dice)
            ground = cv2.addWeighted(ground, 0.5, scenery, 0.5, 0)
        return ground, ink, around

    def _written(
        self, ground: Picture, top: int, bottom: int, around: Colour, dice: Dice
    ) -> Picture:
        """Adds the state's name above, a slogan below, and stickers."""
        height, width = ground.shape[:2]
        for first, last, share in ((0.04 * height, top, 0.95), (bottom, 0.97 * height, 0.6)):
            room = last - first
            if room < 5 or not dice.chance(share):
                continue
            text = self.others.draw(dice)
            text = text.upper() if dice.chance(0.5) else text.title()
            file = self.studio.fonts.choose(text, dice, "no mono", lambda f: not f.mono)
            size = size_for(room * 1.1)
            line = set_line(self.studio.glyphs.get(file, size, text), size * 0.06).mask
            tall = max(4, round(room * dice.between(0.6, 0.85)))
            wide = max(4, min(round(line.shape[1] * tall / line.shape[0]), round(0.75 * width)))
            small = cv2.resize(line, (wide, tall), interpolation=cv2.INTER_AREA)
            mask = pictures.empty(width, height)
            paste(mask, small, (width - wide) // 2, round(first + (room - tall) / 2))
            colour = colours.contrasting(colours.any_colour(dice), around, 60)
            ground = pictures.laid(ground, colour, mask)
        ground = ground.copy()
        for side in (0, 1):
            if dice.chance(0.4):
                wide, tall = round(0.09 * width), round(0.15 * height)
                x = round(0.05 * width) if side == 0 else round(0.95 * width) - wide
                y = round((0.05 if dice.chance(0.7) else 0.8) * height)
                colour = colours.any_colour(dice)
                cv2.rectangle(ground, (x, y), (x + wide, y + tall), colour, -1)
                dark = colours.contrasting(colour, colour, 80)
                cv2.rectangle(ground, (x + 2, y + 2), (x + wide - 2, y + tall - 2), dark, 1)
        return ground

    def _framed(self, picture: Picture, ink: Colour, dice: Dice) -> Picture:
        """Adds the rim and the screws."""
        height, width = picture.shape[:2]
        picture = picture.copy()
        thick = max(1, height // 40)
        rim = ink if dice.chance(0.6) else (30, 30, 30)
        cv2.rectangle(picture, (0, 0), (width - 1, height - 1), rim, thick)
        if dice.chance(0.5):
            for x in (round(0.2 * width), round(0.8 * width)):
                cv2.circle(
                    picture, (x, round(0.09 * height)), max(1, height // 30), (90, 90, 90), -1
                )
        return picture


def _separate(plane: Mask, separator: str, pen: int, gap: int, dice: Dice) -> None:
    """Draws what stands between two groups."""
    middle, height = pen + gap // 2, plane.shape[0]
    size = max(1, gap // 4)
    if separator == "dash":
        cv2.rectangle(
            plane,
            (pen + size, height // 2 - size // 2),
            (pen + gap - size, height // 2 + size // 2),
            255,
            -1,
        )
    elif separator == "dot":
        cv2.circle(plane, (middle, height // 2), size, (255,), -1, cv2.LINE_AA)
    elif separator == "emblem":
        corners = [
            (pen + dice.whole(0, gap), round(height * dice.between(0.3, 0.7))) for _ in range(5)
        ]
        cv2.fillPoly(plane, [cv2.convexHull(pictures.points(corners))], (160,), cv2.LINE_AA)

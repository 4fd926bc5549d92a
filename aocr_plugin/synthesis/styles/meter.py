"""Displays of meters: counting wheels behind windows, and seven segments lit or dark."""

import cv2

from aocr_plugin.synthesis import colours, effects, pictures
from aocr_plugin.synthesis.camera import QUALITIES, photographed
from aocr_plugin.synthesis.colours import Colour
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.font_file import FontFile
from aocr_plugin.synthesis.geometry import View, tilted
from aocr_plugin.synthesis.glyphs import paste, size_for
from aocr_plugin.synthesis.pictures import Mask, Picture
from aocr_plugin.synthesis.styles.base import Style
from aocr_plugin.synthesis.texts import TextSettings

_DISPLAYS = Shares({"wheels": 0.45, "dark": 0.3, "lit": 0.25})
_SEGMENTS = {
    "0": "abcdef",
    "1": "bc",
    "2": "abged",
    "3": "abgcd",
    "4": "fgbc",
    "5": "afgcd",
    "6": "afgedc",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcdfg",
}
"""The segments that are on: a at the top, then clockwise to f, g in the middle."""


class Meter(Style):
    """Displays of meters."""

    texts = TextSettings(
        kinds={"reading": 1.0}, cases={"unchanged": 1.0}, punctuation=0.0, max_length=10
    )
    only = "0123456789."

    def draw(self, text: str, dice: Dice) -> Picture:
        """Returns a picture of a display [H, W, 3]."""
        height = self.height(dice, 40, 0.3, (18, 96))
        display = _DISPLAYS.draw(dice)
        picture = (
            self._wheels(text, height, dice)
            if display == "wheels"
            else self._digits(text, height, display == "lit", dice)
        )
        if picture.shape[1] > self.studio.max_width:
            size = (self.studio.max_width, height)
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        if dice.chance(0.6):
            picture = tilted(
                picture,
                View(
                    turn=dice.near(0, 0.02),
                    slant=dice.near(0, 0.04),
                    left_right=dice.near(0, 0.03),
                    up_down=dice.near(0, 0.03),
                ),
            )
        return photographed(picture, QUALITIES.draw(dice), dice)

    def _wheels(self, text: str, height: int, dice: Dice) -> Picture:
        """Returns digits on drums; the last may be turning, those after the point are red."""
        text_height = height * dice.between(0.5, 0.72)
        file = self.studio.fonts.choose(
            "0123456789", dice, "plain", lambda f: f.form == "plain" and f.weight >= 400
        )
        pitch = round(text_height * dice.between(0.8, 1.25))
        digits = [c for c in text if c in "0123456789"]
        pad = round(height * dice.between(0.05, 0.25))
        width = pitch * len(digits) + 2 * pad + pitch // 3 * (len(text) - len(digits))
        board: Colour = dice.pick(((30, 30, 30), (190, 195, 195), (140, 150, 155), (225, 225, 225)))
        canvas = pictures.textured(width, height, board, 3, 0, dice)
        wheel, ink = (
            ((25, 25, 25), (235, 240, 240))
            if dice.chance(0.75)
            else (
                (228, 232, 232),
                (20, 20, 20),
            )
        )
        inset, top = max(1, pitch // 12), round(height * dice.between(0.04, 0.12))
        pen, after_point = pad, False
        turning = dice.between(-0.28, 0.28) if dice.chance(0.35) else 0.0
        for number, character in enumerate(text):
            if character not in "0123456789":
                x, y = pen + pitch // 6, height * 3 // 4
                mark = colours.contrasting((20, 20, 20), board, 60)
                cv2.circle(canvas, (x, y), max(1, pitch // 9), mark, -1, cv2.LINE_AA)
                pen += pitch // 3
                after_point = True
                continue
            back = (40, 30, 170) if after_point and dice.chance(0.9) else wheel
            front = ink if back == wheel else (240, 240, 240)
            window = (pitch - 2 * inset, height - 2 * top)
            drum = pictures.flat(*window, back)
            shift = turning if number == len(text) - 1 else dice.near(0, 0.012)
            mask = pictures.empty(*window)
            for step in (-1, 0, 1):
                digit = str((int(character) + step) % 10)
                glyph = self._digit(digit, file, text_height, window[0])
                down = (window[1] - glyph.shape[0]) / 2 + (step + shift) * text_height * 1.35
                paste(mask, glyph, (window[0] - glyph.shape[1]) // 2, round(down))
            drum = pictures.laid(drum, front, mask)
            drum = effects.lit(drum, (0.75, 0.75, 1.0, 1.0))
            canvas[top : top + window[1], pen + inset : pen + inset + window[0]] = drum
            pen += pitch
        return canvas

    def _digit(self, digit: str, file: FontFile, tall: float, widest: int) -> Mask:
        glyph = self.studio.glyphs.get(file, size_for(tall * 1.35), digit)[0].mask
        if glyph is None:
            return pictures.empty(4, round(tall))
        wide = min(round(glyph.shape[1] * tall / glyph.shape[0]), round(0.9 * widest))
        size = (max(2, wide), max(2, round(tall)))
        return cv2.resize(glyph, size, interpolation=cv2.INTER_AREA)

    def _digits(self, text: str, height: int, lit: bool, dice: Dice) -> Picture:
        """Returns seven-segment digits: dark on a gray-green ground, or glowing on black."""
        tall = height * dice.between(0.62, 0.86)
        wide = tall * dice.between(0.45, 0.62)
        pitch = wide * dice.between(1.22, 1.5)
        thick = wide * dice.between(0.14, 0.24)
        slant = dice.pick((0.0, 0.0, 0.08, 0.14))
        pad = height * dice.between(0.08, 0.4) + slant * tall
        dot = thick * 1.6 if dice.chance(0.5) else 0.0
        advance = [dot if c == "." else pitch for c in text]
        width = max(8, round(sum(advance) - (pitch - wide) + 2 * pad + dot))
        mask, ghost = pictures.empty(width, height), pictures.empty(width, height)
        pen, top = pad, (height - tall) / 2
        for character, step in zip(text, advance, strict=True):
            if character == ".":
                x = pen - (pitch - wide) * 0.5 - slant * tall / 2
                spot = (round(x), round(top + tall - thick * 0.3))
                cv2.circle(mask, spot, max(1, round(thick * 0.62)), (255,), -1, cv2.LINE_AA)
            else:
                for name in "abcdefg":
                    on = name in _SEGMENTS[character]
                    corners = _segment(name, wide, tall, thick)
                    placed = [
                        (round(4 * (pen + x + slant * (tall / 2 - y))), round(4 * (top + y)))
                        for x, y in corners
                    ]
                    area = pictures.points(placed)
                    cv2.fillConvexPoly(mask if on else ghost, area, (255,), cv2.LINE_AA, 2)
            pen += step
        if lit:
            ground = pictures.flat(
                width, height, dice.pick(((10, 10, 14), (24, 20, 26), (8, 8, 8)))
            )
            ink = dice.pick(((40, 40, 255), (70, 255, 60), (30, 140, 255), (255, 200, 80)))
            glow = cv2.GaussianBlur(mask, (0, 0), max(1.0, thick * 0.9))
            ground = pictures.laid(ground, ink, pictures.faded(glow, dice.between(0.3, 0.8)))
        else:
            colour = dice.pick(((150, 175, 165), (165, 185, 170), (190, 190, 185), (120, 160, 150)))
            ground = pictures.textured(width, height, colour, dice.between(1, 5), 0, dice)
            ink = (45, 45, 40)
            shadow = pictures.moved(mask, 2, 2)
            ground = pictures.laid(ground, ink, pictures.faded(shadow, dice.between(0, 0.25)))
        ground = pictures.laid(ground, ink, pictures.faded(ghost, dice.between(0, 0.09)))
        return pictures.laid(ground, ink, mask)


def _segment(name: str, wide: float, tall: float, thick: float) -> list[tuple[float, float]]:
    """Returns the corners of a segment in a box of that width and height."""
    half, gap = thick / 2, thick * 0.12
    if name in "agd":
        y = {"a": half, "g": tall / 2, "d": tall - half}[name]
        x0, x1 = half + gap, wide - half - gap
        return [
            (x0, y),
            (x0 + half, y - half),
            (x1 - half, y - half),
            (x1, y),
            (x1 - half, y + half),
            (x0 + half, y + half),
        ]
    x = half if name in "ef" else wide - half
    y0, y1 = (half, tall / 2) if name in "bf" else (tall / 2, tall - half)
    y0, y1 = y0 + gap, y1 - gap
    return [
        (x, y0),
        (x + half, y0 + half),
        (x + half, y1 - half),
        (x, y1),
        (x - half, y1 - half),
        (x - half, y0 + half),
    ]

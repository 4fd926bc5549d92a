"""Lines of receipts: thermal and dot-matrix printing on paper, scanned."""

import cv2
import numpy as np

from aocr_plugin.synthesis import effects, pictures, surroundings, textures
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.geometry import View, seen
from aocr_plugin.synthesis.glyphs import Line, set_line, size_for
from aocr_plugin.synthesis.pictures import Mask, Picture
from aocr_plugin.synthesis.styles.base import Style
from aocr_plugin.synthesis.texts import TextSettings

_PRINTERS = Shares({"laser": 0.34, "thermal": 0.34, "faint": 0.17, "dots": 0.15})


class Receipt(Style):
    """Lines of receipts."""

    texts = TextSettings(
        kinds={
            "word": 0.14,
            "phrase": 0.16,
            "entry": 0.34,
            "price": 0.14,
            "number": 0.06,
            "date": 0.06,
            "time": 0.03,
            "code": 0.05,
            "phone": 0.02,
        },
        cases={"upper": 0.5, "unchanged": 0.4, "title": 0.1},
        punctuation=0.1,
        max_length=40,
    )

    def draw(self, text: str, dice: Dice) -> Picture:
        """Returns a picture of a line [H, W, 3], gray in all channels."""
        height = self.height(dice, 30, 0.28, (16, 64))
        above, below = dice.between(0.02, 0.35), dice.between(0.02, 0.35)
        margins = (dice.between(0.02, 0.5), above, dice.between(0.02, 0.5), below)
        manner = "mono" if dice.chance(0.5) else "upright sans"
        file = self.studio.fonts.choose(
            text,
            dice,
            manner,
            (lambda f: f.mono and f.form != "free")
            if manner == "mono"
            else (lambda f: f.form == "plain"),
        )
        size = size_for(height / (1 + above + below) * 1.3)
        glyphs = self.studio.glyphs.get(file, size, text)
        line = set_line(glyphs, dice.between(0, 0.06) * size)
        plane = line.mask
        box = (0.0, 0.0, float(plane.shape[1]), float(plane.shape[0]))
        if dice.chance(0.25):
            sides = surroundings.Sides(False, dice.chance(0.6), False, dice.chance(0.6))
            fitting = text[::-1]  # has no other characters

            def beside(length: int) -> Line:
                return set_line(self.studio.glyphs.get(file, size, fitting))

            plane, box, margins = surroundings.add(line, margins, sides, beside, dice)
        view = View(
            squeeze=dice.pick((0.62, 0.8, 0.9, 1.0, 1.0, 1.0, 1.12, 1.5)),
            turn=dice.near(0, 0.006) if dice.chance(0.4) else 0.0,
        )
        mask, _ = seen(plane, box, view, height, margins, self.studio.max_width)
        return self._printed(mask, dice)

    def _printed(self, mask: Mask, dice: Dice) -> Picture:
        """Returns what a printer makes of a mask and a scanner of that."""
        height, width = mask.shape
        printer = _PRINTERS.draw(dice)
        ink = {
            "laser": dice.between(0, 50),
            "thermal": dice.between(20, 110),
            "faint": dice.between(115, 175),
            "dots": dice.between(10, 110),
        }[printer]
        if printer == "dots" and height > 15:
            mask = _dotted(mask, dice)
        elif printer != "laser" and dice.chance(0.5):
            pattern = textures.cut(dice, width, height)
            kept = np.where(pattern > dice.between(60, 110), 255, 120).astype(np.uint8)
            mask = cv2.multiply(mask, kept, scale=1 / 255)
        paper = 255 if dice.chance(0.55) else round(dice.between(212, 255))
        paper = max(paper, round(ink + self.studio.contrast + 20))
        ground = pictures.flat(width, height, (min(paper, 255),) * 3)
        if dice.chance(0.14):  # a scanner's raster in place of gray
            ground = _rastered(width, height, dice)
        elif dice.chance(0.2):
            ground = pictures.textured(width, height, (paper - 8,) * 3, dice.between(1, 7), 0, dice)
        picture = pictures.laid(ground, (round(ink),) * 3, mask)
        if dice.chance(0.3):
            picture = effects.coarsened(
                picture, dice.between(max(0.45, min(12 / height, 0.9)), 0.95)
            )
        elif dice.chance(0.45):
            picture = effects.blurred(picture, dice.between(0.3, 0.9))
        if dice.chance(0.2):
            picture = effects.exposed(picture, dice.between(1.1, 1.8), dice.between(0, 25))
        if dice.chance(0.5):
            picture = effects.jpeg(picture, dice.whole(40, 90))
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        return cv2.merge((gray, gray, gray))


def _dotted(mask: Mask, dice: Dice) -> Mask:
    """Returns a mask as a needle printer's dots."""
    height, width = mask.shape
    rows = min(dice.whole(11, 16), height // 2 + 4)
    small = cv2.resize(mask, (max(4, width * rows // height), rows), interpolation=cv2.INTER_AREA)
    dots = np.where(small > 110, 255, 0).astype(np.uint8)
    large = np.zeros((3 * rows, 3 * small.shape[1]), np.uint8)
    large[1::3, 1::3] = large[1::3, ::3] = large[::3, 1::3] = dots
    if dice.chance(0.5):
        large[::3, ::3] = dots
    else:
        large[1::3, 2::3] = large[2::3, 1::3] = dots
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)


def _rastered(width: int, height: int, dice: Dice) -> Picture:
    """Returns paper as a scanner's black and white dots show gray."""
    pattern = np.full((height, width), 255, np.uint8)
    pattern[:: dice.whole(2, 3), :: dice.whole(2, 3)] = dice.whole(120, 200)
    pattern[1::3, 1::2] = dice.whole(170, 235)
    return cv2.merge((pattern, pattern, pattern))

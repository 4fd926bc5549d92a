"""CAPTCHAs: turned and bent characters under lines and dots, in three manners.

The manner "colourful" follows what PyPI's ``captcha`` draws; that package takes its chance from
the system and cannot be set to a seed, so it is drawn here.
"""

import math

import cv2
import numpy as np

from aocr_plugin.synthesis import colours, effects, pictures, textures
from aocr_plugin.synthesis.colours import Colour
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.glyphs import set_line, size_for
from aocr_plugin.synthesis.pictures import Mask, Picture
from aocr_plugin.synthesis.styles.base import Style
from aocr_plugin.synthesis.texts import TextSettings

_MANNERS = Shares({"struck": 0.4, "colourful": 0.35, "plain": 0.25})


class Captcha(Style):
    """CAPTCHAs."""

    texts = TextSettings(
        kinds={"random": 1.0},
        cases={"lower": 0.7, "upper": 0.3},
        punctuation=0.0,
        min_length=4,
        max_length=7,
        mean_length=5.2,
        length_spread=0.8,
    )

    def draw(self, text: str, dice: Dice) -> Picture:
        """Returns a picture of a CAPTCHA [H, W, 3]."""
        height = self.height(dice, 50, 0.1, (30, 70))
        manner = _MANNERS.draw(dice)
        file = self.studio.fonts.choose(
            text, dice, "heavy", lambda f: f.weight >= 400 and not (f.italic or f.mono)
        )
        share = dice.between(0.55, 0.75)
        size = size_for(height * share)
        glyphs = self.studio.glyphs.get(file, size, text)
        turn = 25 if manner == "colourful" else 8
        line = set_line(
            glyphs,
            size * (dice.between(0.0, 0.1) if manner == "colourful" else dice.between(-0.06, 0.04)),
            [dice.near(0, 0.05) * size for _ in text],
            [dice.between(-turn, turn) for _ in text],
        )
        scale = height * share / max(size, line.mask.shape[0] * 0.8)
        wide, tall = line.mask.shape[1] * scale, line.mask.shape[0] * scale
        width = min(round(height * dice.pick((2.3, 2.7, 3.2, 4.0))), self.studio.max_width)
        wide = min(wide, 0.94 * width)
        letters = cv2.resize(
            line.mask,
            (max(4, round(wide)), max(4, min(round(tall), height - 2))),
            interpolation=cv2.INTER_AREA,
        )
        mask = pictures.empty(width, height)
        x = round((width - wide) * (dice.between(0.05, 0.3) if manner == "struck" else 0.5))
        y = (height - letters.shape[0]) // 2
        mask[y : y + letters.shape[0], x : x + letters.shape[1]] = letters
        mask = _waved(mask, height * dice.between(0.0, 0.05), dice)
        if manner == "struck":
            return self._struck(mask, dice)
        return self._plain(mask, manner == "colourful", dice)

    def _struck(self, mask: Mask, dice: Dice) -> Picture:
        """Black on a gray gradient, struck through and washed out in places."""
        height, width = mask.shape
        light, dark = (dice.whole(low, high) for low, high in ((215, 255), (150, 205)))
        corners: list[Colour] = [(level,) * 3 for level in (dark, light, dark, light)]
        picture = pictures.gradient(width, height, corners)
        pattern = textures.cut(dice, width, height, 0.3)
        kept = np.where(pattern > dice.between(80, 125), 255, dice.whole(60, 190)).astype(np.uint8)
        worn = cv2.multiply(mask, kept, scale=1 / 255)
        for offset in (1, 2):
            echo = pictures.faded(pictures.moved(mask, offset, -offset), 0.45)
            picture = pictures.laid(picture, (90, 90, 90), echo)
        picture = pictures.laid(picture, (10, 10, 10), worn)
        picture = effects.blurred(picture, dice.between(0.3, 0.8))
        y = round(height * dice.between(0.3, 0.7))
        x0, x1 = round(width * dice.between(0.02, 0.15)), round(width * dice.between(0.8, 0.98))
        for _ in range(dice.whole(1, 2)):
            end = (x1, round(height * dice.between(0.2, 0.8)))
            cv2.line(picture, (x0, y), end, (0, 0, 0), dice.pick((1, 1, 1, 2)), cv2.LINE_AA)
            x0, y = x0 + dice.whole(0, 12), max(2, y - dice.whole(6, 18))
        return picture

    def _plain(self, mask: Mask, colourful: bool, dice: Dice) -> Picture:
        """One colour on a light ground, with a curve and dots."""
        height, width = mask.shape
        ground: Colour = (255, 255, 255)
        if colourful:
            ground = (dice.whole(238, 255), dice.whole(238, 255), dice.whole(238, 255))
        ink: Colour = (dice.whole(10, 200), dice.whole(10, 200), dice.whole(10, 200))
        ink = colours.contrasting(ink, ground, max(60.0, self.studio.contrast))
        picture = pictures.laid(pictures.flat(width, height, ground), ink, mask)
        if colourful:
            middle = (width // 2, round(height * dice.between(0.2, 0.8)))
            axes = (round(width * dice.between(0.3, 0.6)), round(height * dice.between(0.1, 0.5)))
            start = dice.whole(0, 40)
            cv2.ellipse(picture, middle, axes, dice.near(0, 5), start, 180, ink, 2, cv2.LINE_AA)
        else:
            for _ in range(dice.whole(0, 5)):
                colour = colours.any_colour(dice)
                ends = [(dice.whole(0, width), dice.whole(0, height)) for _ in range(2)]
                cv2.line(picture, ends[0], ends[1], colour, 1, cv2.LINE_AA)
        for _ in range(dice.whole(0, 40)):
            spot = (dice.whole(0, width), dice.whole(0, height))
            cv2.circle(picture, spot, dice.whole(0, 1), ink, -1)
        if dice.chance(0.5):
            picture = effects.blurred(picture, dice.between(0.3, 0.8))
        return effects.jpeg(picture, dice.whole(50, 95)) if dice.chance(0.4) else picture


def _waved(mask: Mask, amount: float, dice: Dice) -> Mask:
    """Returns a mask whose rows and columns swing by some pixels."""
    if amount < 0.5:
        return mask
    height, width = mask.shape
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    across = 2 * math.pi / (height * dice.between(0.8, 1.6))
    down = 2 * math.pi / (height * dice.between(1.0, 2.5))
    first, second = dice.between(0, 6.28), dice.between(0, 6.28)
    new_x = xs + np.float32(amount) * np.sin(ys * np.float32(across) + np.float32(first))
    new_y = ys + np.float32(amount) * np.sin(xs * np.float32(down) + np.float32(second))
    return cv2.remap(mask, new_x, new_y, cv2.INTER_LINEAR)

"""A picture as a camera of some quality takes it and a file keeps it."""

from aocr_plugin.synthesis import effects
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.pictures import Picture

QUALITIES = Shares({"clean": 0.36, "fair": 0.38, "poor": 0.26})
"""How good images are: as drawn, a good photograph, a bad one."""


def photographed(picture: Picture, quality: str, dice: Dice) -> Picture:
    """Returns it as a camera of some quality takes it and a file keeps it."""
    height = picture.shape[0]
    if quality == "clean":
        if dice.chance(0.35):
            picture = effects.blurred(picture, dice.between(0.3, 0.7))
        return effects.jpeg(picture, dice.whole(55, 95)) if dice.chance(0.6) else picture
    poor = quality == "poor"
    if dice.chance(0.4):
        dark = dice.between(0.55, 1.0)
        picture = effects.lit(picture, [dark + dice.between(0, 0.45) for _ in range(4)])
    if dice.chance(0.55 if poor else 0.2):
        contrast = dice.between(0.55, 0.95)
        picture = effects.exposed(picture, contrast, dice.near(-10, 22))
    form = dice.random()
    if form < (0.45 if poor else 0.2):
        least = max(9 / height, 0.28) if poor else max(14 / height, 0.5)
        picture = effects.coarsened(picture, dice.between(min(least, 0.9), 0.95))
    elif form < 0.85:
        most = min(height / (22 if poor else 40), 2.6)
        picture = effects.blurred(picture, dice.between(0.35, max(0.6, most)))
    elif poor and height > 16:
        picture = effects.smeared(picture, dice.whole(3, 3 + height // 14), dice.between(0, 3))
    if dice.chance(0.6 if poor else 0.3):
        picture = effects.noisy(picture, dice.between(2, 11 if poor else 6), dice)
    return effects.jpeg(picture, dice.whole(25, 85)) if dice.chance(0.75) else picture

"""What every style is given and has to do."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from aocr_plugin import charset
from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis.dice import Dice
from aocr_plugin.synthesis.fonts import FontSet
from aocr_plugin.synthesis.glyphs import GlyphStore
from aocr_plugin.synthesis.pictures import Picture
from aocr_plugin.synthesis.texts import TextSettings, TextSource


@dataclass(frozen=True, slots=True)
class Studio:
    """What styles draw with.

    Attributes:
        fonts: to choose from.
        height: of every image in pixels, or None: as the style has them.
        max_width: of images in pixels.
        contrast: difference of luma between ink and ground, 0 to 255, at least.
        glyphs: pictures of characters.
    """

    fonts: FontSet
    height: int | None = None
    max_width: int = 640
    contrast: float = 32.0
    glyphs: GlyphStore = field(default_factory=GlyphStore)


class Style(ABC):
    """Draws texts in one manner.

    Args:
        studio: what it draws with.
    """

    texts = TextSettings()
    """What its texts are like, unless told otherwise."""
    only: str | None = None
    """Characters that it can draw, where that is not up to the fonts."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.others = TextSource(TextSettings(punctuation=0.0, max_length=12))
        """Texts that stand beside the one that is read."""

    def drawable(self, settings: TextSettings) -> str | None:
        """Returns the charset of some settings, less what this style cannot draw.

        Raises:
            ConfigError: nothing is left.
        """
        if self.only is None:
            return settings.charset
        kept = "".join(c for c in settings.charset or self.only if c in self.only)
        if not kept:
            raise ConfigError(
                f"style {type(self).__name__.lower()} draws none of the charset's characters; it "
                f"has {charset.describe_charset(self.only)}"
            )
        return kept

    @abstractmethod
    def draw(self, text: str, dice: Dice) -> Picture:
        """Returns a picture of a text [H, W, 3], blue, green and red."""

    def height(self, dice: Dice, median: float, spread: float, limits: Sequence[int]) -> int:
        """Returns a height in pixels: the one that is set, or one around ``median``.

        Args:
            dice: chance.
            median: of heights.
            spread: standard deviation of their logarithm.
            limits: least and greatest.
        """
        wished = round(median * math.exp(dice.near(0.0, spread)))
        return self.studio.height or min(max(wished, limits[0]), limits[1])

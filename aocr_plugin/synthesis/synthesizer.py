"""Labelled images without end, each from its seed and index alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis import styles
from aocr_plugin.synthesis.dice import Dice, Shares
from aocr_plugin.synthesis.fonts import FontSet, find_fonts
from aocr_plugin.synthesis.pictures import Picture
from aocr_plugin.synthesis.styles.base import Studio
from aocr_plugin.synthesis.texts import TextSettings, TextSource

_LEAST_HEIGHT = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled image.

    Attributes:
        image: [H, W, 3], blue, green and red, or [H, W] gray.
        text: what is written in it.
        style: how it was drawn.
    """

    image: Picture
    text: str
    style: str


class Synthesizer:
    """Draws labelled images.

    With the same fonts and versions of the libraries, :meth:`sample` gives the same image for
    the same seed, index and part in every process, in whatever order it is asked.

    Args:
        style: name of a style, or the share of each of several.
        texts: what texts are like, or what is done to the settings that a style has for them; by
            default those.
        fonts: a set, folders to find fonts in, or None for those of this machine.
        height: of every image in pixels, or None: as the style has them.
        max_width: of images in pixels.
        color: three channels instead of gray.
        contrast: difference of luma between ink and ground, at least, before light, blur and
            noise; 0 to 120.

    Raises:
        ConfigError: an unknown style, or a setting out of range.
        FontError: no usable font, or none for a character of the texts' charset.
    """

    def __init__(
        self,
        style: str | Mapping[str, float] = "scene",
        *,
        texts: TextSettings | Callable[[TextSettings], TextSettings] | None = None,
        fonts: FontSet | Sequence[str | Path] | None = None,
        height: int | None = None,
        max_width: int = 640,
        color: bool = True,
        contrast: float = 32.0,
    ) -> None:
        if height is not None and height < _LEAST_HEIGHT:
            raise ConfigError(f"height is {height}; it must be {_LEAST_HEIGHT} or more, or None")
        if max_width < 16:
            raise ConfigError(f"max_width is {max_width}; it must be 16 or more")
        if not 0 <= contrast <= 120:
            raise ConfigError(f"contrast is {contrast}; it must be from 0 to 120")
        shares = {style: 1.0} if isinstance(style, str) else dict(style)
        if not shares or min(shares.values()) < 0 or not sum(shares.values()):
            raise ConfigError("style: give shares of 0 or more, one of them above 0")
        self.fonts = fonts if isinstance(fonts, FontSet) else find_fonts(fonts)
        self.color = color
        studio = Studio(self.fonts, height=height, max_width=max_width, contrast=contrast)
        self._styles = {name: styles.build(name, studio) for name in shares}
        self._shares = Shares(shares)
        self._sources: dict[str, TextSource] = {}
        for name, built in self._styles.items():
            settings = texts(built.texts) if callable(texts) else texts or built.texts
            source = TextSource(replace(settings, charset=built.drawable(settings)))
            if built.only is None:
                self.fonts.check(c for c in source.characters if not c.isspace())
            self._sources[name] = source

    def sample(self, seed: int, index: int, part: str = "training") -> Sample:
        """Returns the image of an index, 0 or more; there is no last.

        Args:
            seed: of the set.
            index: of the image in it.
            part: name of a part of the images; parts share none, such as "validation".
        """
        dice = Dice(seed, index, part)
        name, text = self._text(dice)
        image = self._styles[name].draw(text, dice)
        if not self.color:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return Sample(image, text, name)

    def text(self, seed: int, index: int, part: str = "training") -> str:
        """Returns the text of an index without drawing it: a hundredth of the work."""
        return self._text(Dice(seed, index, part))[1]

    def _text(self, dice: Dice) -> tuple[str, str]:
        """Draws a style's name and a text for it."""
        name = self._shares.draw(dice)
        return name, self._sources[name].draw(dice)

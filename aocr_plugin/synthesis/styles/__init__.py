"""Styles: each draws a text in the manner of one kind of image."""

from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis.styles.base import Studio, Style
from aocr_plugin.synthesis.styles.captcha import Captcha
from aocr_plugin.synthesis.styles.meter import Meter
from aocr_plugin.synthesis.styles.plate import Plate
from aocr_plugin.synthesis.styles.receipt import Receipt
from aocr_plugin.synthesis.styles.scene import Scene

_STYLES: dict[str, type[Style]] = {
    "scene": Scene,
    "plate": Plate,
    "receipt": Receipt,
    "meter": Meter,
    "captcha": Captcha,
}
NAMES = tuple(_STYLES)


def build(name: str, studio: Studio) -> Style:
    """Returns the style of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in _STYLES:
        raise ConfigError(f"no style '{name}'; there are {', '.join(NAMES)}")
    return _STYLES[name](studio)

"""Styles: each draws a text in the manner of one kind of image."""

from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis.styles.base import Studio, Style
from aocr_plugin.synthesis.styles.scene import Scene

_STYLES: dict[str, type[Style]] = {"scene": Scene}
NAMES = tuple(_STYLES)


def build(name: str, studio: Studio) -> Style:
    """Returns the style of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in _STYLES:
        raise ConfigError(f"no style '{name}'; there are {', '.join(NAMES)}")
    return _STYLES[name](studio)

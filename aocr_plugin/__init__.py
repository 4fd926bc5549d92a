"""aocr's text recogniser as a plugin for MMOCR.

``import aocr_plugin`` is light: it imports neither PyTorch nor MMOCR. When MMOCR is imported,
before or after, the mends of :mod:`aocr_plugin.mends` are applied and MMOCR's registries learn
to find this package's components, so ``custom_imports = dict(imports=["aocr_plugin"])`` in any
MMOCR config is all that is needed.

    >>> from aocr_plugin import Recognizer
    >>> Recognizer("best.pth")("crop.png").text
"""

from typing import TYPE_CHECKING, Any

from aocr_plugin import bootstrap
from aocr_plugin.version import __version__

if TYPE_CHECKING:
    from aocr_plugin.inference.recognizer import Prediction, Recognizer
    from aocr_plugin.reading.page import PageText
    from aocr_plugin.reading.reader import Reader

__all__ = ["PageText", "Prediction", "Reader", "Recognizer", "__version__"]

bootstrap.install()


def __getattr__(name: str) -> Any:
    """Imports what needs PyTorch only when it is asked for (PEP 562)."""
    if name in ("Recognizer", "Prediction"):
        from aocr_plugin.inference import recognizer

        return getattr(recognizer, name)
    if name == "Reader":
        from aocr_plugin.reading.reader import Reader

        return Reader
    if name == "PageText":
        from aocr_plugin.reading.page import PageText

        return PageText
    raise AttributeError(f"module 'aocr_plugin' has no attribute '{name}'")

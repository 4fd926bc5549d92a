"""Settings of texts as configs and command lines give them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis.texts import TextSettings

_NAMES = tuple(field.name for field in dataclasses.fields(TextSettings))


def text_settings(
    base: TextSettings,
    changes: Mapping[str, Any],
    charset: str | None = None,
    limit: int | None = None,
) -> TextSettings:
    """Returns a style's settings with changes.

    Args:
        base: the style's.
        changes: by name.
        charset: characters that may occur, or None: as in ``base``.
        limit: longest text that can be used; shorter ones are asked for, not cut.

    Raises:
        ConfigError: an unknown name, or values that :class:`TextSettings` refuses.
    """
    unknown = sorted(set(changes) - set(_NAMES))
    if unknown:
        raise ConfigError(f"texts: unknown {', '.join(unknown)}; there are {', '.join(_NAMES)}")
    values = dict(changes)
    if charset is not None:
        values.setdefault("charset", charset)
    if limit is not None:
        values["max_length"] = min(limit, values.get("max_length", base.max_length))
        if "min_length" not in values:
            values["min_length"] = min(base.min_length, values["max_length"])
    return dataclasses.replace(base, **values)

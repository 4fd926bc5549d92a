"""Parts of a recogniser that do not fit together: what is wrong, and which setting mends it.

MMOCR's parts can be put together freely; most that do not fit fail inside PyTorch, with a message
about matrices. What our parts can see of their neighbours is said here in the config's terms.
"""

from typing import Any

from torch import nn

from aocr_plugin.errors import ConfigError


class MisfitError(ConfigError, ValueError):
    """Two parts of a recogniser do not fit; the message names the setting to change."""


class HeldStateError(MisfitError, AttributeError):
    """One of MMOCR's decoders took our encoder's output, which holds a state, for a tensor."""


def check_channels(found: int, wanted: int, giver: str, taker: str, mend: str) -> None:
    """Checks that a part gives as many channels as the next was built for.

    Args:
        found: channels given.
        wanted: channels taken.
        giver: what gives them, as a message calls it.
        taker: what takes them.
        mend: what to set.

    Raises:
        MisfitError: the two differ.
    """
    if found != wanted:
        raise MisfitError(f"{giver} {found} channels, {taker} takes {wanted}: {mend}")


def image_channels(model: Any) -> int | None:
    """Returns the channels of images that a recogniser's first convolution takes, if it has one."""
    for name in ("preprocessor", "backbone"):
        for layer in getattr(model, name, nn.Module()).modules():
            if isinstance(layer, nn.Conv2d):
                return int(layer.in_channels)
    return None

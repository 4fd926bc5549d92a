"""The original's flags beside what a checkpoint's shapes say. No PyTorch."""

import argparse
from dataclasses import dataclass

from aocr_plugin import charset
from aocr_plugin.conversion.tensorflow_names import Sizes
from aocr_plugin.errors import CheckpointError

_SPECIAL = 3  # symbols before the characters: padding, start, end
_CHARSETS = {len(charset.NAMED[name]): name for name in ("aocr", "ascii")}


@dataclass(frozen=True)
class Alphabet:
    """What the network's symbols stand for.

    Attributes:
        characters: in the network's order.
        letter_case: "upper" if none of them is a small letter, as the original upper-cases labels.
    """

    characters: str
    letter_case: str


def alphabet(sizes: Sizes, given: str | None) -> Alphabet:
    """Returns the characters: those given, or the original's by their number.

    Args:
        sizes: of the network.
        given: a setting as ``charset`` in a config; None for the original's own.

    Raises:
        CheckpointError: the number of characters is another than the network's, or, with none
            given, neither of the original's.
        CharsetError: ``given`` is no charset.
    """
    count = sizes.num_classes - _SPECIAL
    if given is None:
        if count not in _CHARSETS:
            raise CheckpointError(
                f"the weights have {sizes.num_classes} symbols; the original has 39 (0-9A-Z) or 98 "
                f"(--full-ascii). Give the {count} characters in their order with --charset"
            )
        given = _CHARSETS[count]
    characters = charset.resolve(given)
    if len(characters) != count:
        raise CheckpointError(
            f"--charset has {len(characters)} characters, the weights have {count} "
            f"({sizes.num_classes} symbols, of which {_SPECIAL} are no characters)"
        )
    upper = characters == characters.upper() and characters != characters.lower()
    return Alphabet(characters, "upper" if upper else "unchanged")


def check(args: argparse.Namespace, sizes: Sizes) -> None:
    """Compares the flags that were given with what the shapes say.

    Args:
        args: ``use_gru``, ``color``, ``full_ascii``: true if given; ``attn_num_hidden``,
            ``attn_num_layers``, ``target_embedding_size``: None if not.
        sizes: of the network.

    Raises:
        CheckpointError: they disagree; the message has all that do.
    """
    wrong = []
    for name, found in (
        ("attn_num_hidden", sizes.hidden_size),
        ("attn_num_layers", sizes.num_layers),
        ("target_embedding_size", sizes.embed_dims),
    ):
        given = getattr(args, name)
        if given is not None and given != found:
            wrong.append(f"--{name.replace('_', '-')} {given} is given, the weights have {found}")
    for name, agrees, found_kind in (
        ("use_gru", sizes.cell == "gru", "an LSTM decoder"),
        ("color", sizes.in_channels == 3, f"{sizes.in_channels} colour channel"),
        ("full_ascii", sizes.num_classes == 98, f"{sizes.num_classes} symbols, not 98"),
    ):
        if getattr(args, name) and not agrees:
            wrong.append(f"--{name.replace('_', '-')} is given, the weights have {found_kind}")
    if wrong:
        raise CheckpointError("; ".join(wrong) + ". Leave the flags out to go by the weights")

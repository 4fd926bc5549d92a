"""What a text may be: allowed characters, length, a pattern. Needs no PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.charset import describe_charset
from aocr_plugin.errors import ConfigError
from aocr_plugin.models.decoders.automaton import compile_pattern

_ON_COMMAND_LINE = (
    " (--cfg-options makes a list of what has a comma or begins with [ or (, and a number of "
    "digits: begin a pattern with ^ and use no comma, give characters as [0,1,2], or write it "
    "into a config file)"
)


@dataclass(frozen=True)
class Constraint:
    """A table that says, step by step, which symbols lead to a text that is allowed.

    S states, V symbols, ``limit`` characters at most. The first state is 0.

    Attributes:
        table: [S, V] the state after a symbol.
        live: [limit + 2, S] whether a text can still end as it must, by characters read.
        end: [limit + 2, S] whether the text may end here.
    """

    table: NDArray[np.int64]
    live: NDArray[np.bool_]
    end: NDArray[np.bool_]


def check_length(length: int | Sequence[int]) -> tuple[int, int]:
    """Returns the shortest and the longest length.

    Raises:
        ConfigError: neither a number of characters nor two, the smaller first.
    """
    bounds = tuple(length) if isinstance(length, list | tuple) else (length, length)
    if (
        len(bounds) != 2
        or any(not isinstance(bound, int) or isinstance(bound, bool) for bound in bounds)
        or not 0 <= bounds[0] <= bounds[1]
    ):
        raise ConfigError(
            f"length is {length!r}; it is a number of characters, or the smallest and the largest"
        )
    return bounds


def _permitted(symbols: Sequence[str | None], allowed: str | Sequence[str]) -> NDArray[np.bool_]:
    """Returns [V] whether a symbol is one of the allowed characters.

    Raises:
        ConfigError: none is, or ``allowed`` is no text or list of characters.
    """
    if isinstance(allowed, list | tuple | set | frozenset):
        characters = [str(entry) for entry in allowed]  # --cfg-options makes numbers of digits
    else:
        characters = list(allowed) if isinstance(allowed, str) else [""]
    if any(len(character) != 1 for character in characters):
        raise ConfigError(
            f"allowed is {allowed!r}; it is a text or list of single characters{_ON_COMMAND_LINE}"
        )
    permitted = np.array([symbol is not None and symbol in characters for symbol in symbols])
    if not permitted.any():
        known = "".join(symbol for symbol in symbols if symbol is not None)
        raise ConfigError(
            f"allowed={''.join(characters)!r}: none of these characters is in the charset "
            f"({describe_charset(known)})"
        )
    return permitted


def compile_constraint(
    symbols: Sequence[str | None],
    limit: int,
    *,
    allowed: str | Sequence[str] | None = None,
    pattern: str | None = None,
    length: int | Sequence[int] | None = None,
) -> Constraint:
    """Puts all that is asked of a text into one table.

    Args:
        symbols: the V symbols' characters; None for those that are none (padding, start, end).
        limit: most characters that the decoder can write before the end symbol.
        allowed: the only characters that may occur; those outside of the charset never do.
        pattern: regular expression that the whole text must match; see
            :mod:`aocr_plugin.models.decoders.patterns`.
        length: number of characters, or the smallest and the largest.

    Raises:
        ConfigError: an argument is malformed, or no text that can be written is allowed.
    """
    unmatched: list[str] = []
    if not isinstance(pattern, str | None):
        raise ConfigError(f"pattern is {pattern!r}; it is a text{_ON_COMMAND_LINE}")
    if pattern is None:
        spelt = np.array([symbol is not None for symbol in symbols])
        table = np.where(spelt, 0, 1)[None].repeat(2, axis=0)
        table[1], accepting = 1, np.array([True, False])
    else:
        table, accepting, unmatched = compile_pattern(pattern, symbols, limit)
    if allowed is not None:
        table[:, ~_permitted(symbols, allowed)] = len(table) - 1
    shortest, longest = (0, limit) if length is None else check_length(length)
    end = np.zeros((limit + 2, len(table)), bool)
    end[shortest : min(longest, limit) + 1] = accepting
    live = end.copy()
    for count in reversed(range(limit)):
        live[count] |= live[count + 1][table].any(axis=1)
    if not live[0, 0]:
        asked = {"allowed": allowed, "pattern": pattern, "length": length}
        wanted = ", ".join(f"{k}={v!r}" for k, v in asked.items() if v is not None)
        outside = f"; not in the charset: {', '.join(unmatched)}" if unmatched else ""
        raise ConfigError(
            f"{wanted}: no text of at most {limit} characters (max_seq_len - 1) can be so{outside}"
        )
    return Constraint(table, live, end)

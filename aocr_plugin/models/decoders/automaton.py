"""A regular expression as a table of states, one symbol a step. Needs no PyTorch."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from aocr_plugin.errors import ConfigError
from aocr_plugin.models.decoders.patterns import Node, Parser

_MOST_STATES = 20_000


class _Places:
    """The places between the characters of a pattern, and the ways from one to the next."""

    def __init__(self) -> None:
        self.free: list[list[int]] = []  # without a character
        self.at_start: list[list[int]] = []  # without one, at the start of the text only
        self.at_end: list[list[int]] = []  # likewise at its end
        self.reading: list[tuple[frozenset[int], int] | None] = []

    def new(self) -> int:
        """Returns a new place.

        Raises:
            OverflowError: there are too many.
        """
        if len(self.free) >= _MOST_STATES:
            raise OverflowError
        self.free.append([])
        self.at_start.append([])
        self.at_end.append([])
        self.reading.append(None)
        return len(self.free) - 1

    def add(self, node: Node, here: int) -> int:
        """Adds the ways through a part of the pattern; returns the place behind it."""
        if node.kind == "join" and node.parts:
            for part in node.parts:
                here = self.add(part, here)
            return here
        behind = self.new()
        if node.kind == "set":
            first = self.new()
            self.free[here].append(first)
            self.reading[first] = (node.symbols, behind)
        elif node.kind == "either":
            for part in node.parts:
                first = self.new()
                self.free[here].append(first)
                self.free[self.add(part, first)].append(behind)
        elif node.kind == "join":  # nothing; a place all the same, so that repeating it is counted
            self.free[here].append(behind)
        elif node.kind == "repeat":
            self._repeat(node, here, behind)
        else:
            ways = self.at_start if node.kind == "start" else self.at_end
            ways[here].append(behind)
        return behind

    def _repeat(self, node: Node, here: int, behind: int) -> None:
        (part,) = node.parts
        for _ in range(node.low):
            here = self.add(part, here)
        if node.high is None:
            loop = self.new()
            self.free[here].append(loop)
            self.free[self.add(part, loop)].append(loop)
            self.free[loop].append(behind)
            return
        for _ in range(node.high - node.low):
            self.free[here].append(behind)
            here = self.add(part, here)
        self.free[here].append(behind)

    def reach(self, places: Iterable[int], start: bool, end: bool = False) -> frozenset[int]:
        """Returns the places that can be reached without a character."""
        seen, waiting = set(), list(places)
        while waiting:
            place = waiting.pop()
            if place not in seen:
                seen.add(place)
                waiting += self.free[place]
                waiting += self.at_start[place] if start else []
                waiting += self.at_end[place] if end else []
        return frozenset(seen)


def _alike(places: _Places, count: int) -> NDArray[np.int64]:
    """Returns [count] the class of each symbol; those that no part tells apart share one."""
    sets = {reading[0] for reading in places.reading if reading is not None}
    member = np.zeros((count, len(sets)), bool)
    for column, symbols in enumerate(sets):
        member[list(symbols), column] = True
    _, classes = np.unique(member, axis=0, return_inverse=True)
    return classes.reshape(-1)


def compile_pattern(
    pattern: str, characters: Sequence[str | None], limit: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], list[str]]:
    """Turns a pattern over the whole text into a table.

    Args:
        pattern: regular expression; see :mod:`aocr_plugin.models.decoders.patterns`.
        characters: V symbols; None where one is no character.
        limit: most characters of a text; longer ones need not be told right.

    Returns:
        [S, V] the state after a symbol in a state; state 0 is the first, S - 1 the one without
        a way out. [S] whether the text may end there. The pattern's parts that match no
        character at all.

    Raises:
        ConfigError: no regular expression, unsupported syntax, or too large.
    """
    parser = Parser(pattern, characters)
    places = _Places()
    first = places.new()
    try:
        last = places.add(parser.parse(), first)
        states, rows = _explore(places, _alike(places, len(characters)), first, limit)
    except (OverflowError, RecursionError) as error:
        raise ConfigError(
            f"pattern {pattern!r} has more than {_MOST_STATES} states; make its repetitions smaller"
        ) from error
    dead = len(states)
    table = np.full((dead + 1, len(characters)), dead, np.int64)
    for state, row in enumerate(rows):
        table[state] = np.where(row < 0, dead, row)
    table[:, [place for place, c in enumerate(characters) if c is None]] = dead
    accepting = [last in places.reach(state, start=not n, end=True) for n, state in states]
    return table, np.array([*accepting, False]), parser.unmatched


def _explore(
    places: _Places, classes: NDArray[np.int64], first: int, limit: int
) -> tuple[list[tuple[int, frozenset[int]]], list[NDArray[np.int64]]]:
    """Returns the states within ``limit`` steps, and of each the state after each symbol or -1.

    A state is a set of places, and whether any character was read (0 or 1).

    Raises:
        OverflowError: there are too many.
    """
    representative = {int(kind): int(np.argmax(classes == kind)) for kind in np.unique(classes)}
    begin = (0, places.reach([first], start=True))
    numbers, states = {begin: 0}, [begin]
    rows: list[NDArray[np.int64]] = []
    layer_end, depth = 1, 0
    for state in states:  # grows as it is walked
        if len(rows) == layer_end:
            layer_end, depth = len(states), depth + 1
        row = np.full(len(classes), -1)
        for kind, symbol in representative.items() if depth < limit else ():
            ways = [places.reading[place] for place in state[1]]
            targets = {way[1] for way in ways if way is not None and symbol in way[0]}
            if targets:
                after = (1, places.reach(targets, start=False))
                if after not in numbers:
                    if len(states) >= _MOST_STATES:
                        raise OverflowError
                    numbers[after] = len(states)
                    states.append(after)
                row[classes == kind] = numbers[after]
        rows.append(row)
    return states, rows

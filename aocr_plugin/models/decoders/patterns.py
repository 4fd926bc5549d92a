r"""Regular expressions as trees, for constrained decoding. Needs no PyTorch.

The part of Python's syntax that describes a regular language: characters, ``.``, classes
``[A-Z]`` and ``[^…]``, escapes such as ``\d``, ``\w``, ``\.`` and ``\u00e9``, groups,
``|``, ``* + ? {m} {m,n}`` (lazy ones too), anchors and a leading ``(?i)``. What a single
character or class matches is asked of :mod:`re` itself, so ``\d`` and ``\w`` are Unicode's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aocr_plugin.errors import ConfigError

_QUANTIFIER = re.compile(r"([*+?])|\{(?!\})(\d*)(?:(,)(\d*))?\}")
_GROUP = re.compile(r"\((?:\?:|\?P<\w+>)?")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|.)", re.S)
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.S)
_ANCHORS = {"^": "start", "\\A": "start", "$": "end", "\\Z": "end"}
_UNSUPPORTED = {
    "(?=": "lookahead",
    "(?!": "lookahead",
    "(?<": "lookbehind",
    "(?P=": "a back-reference",
    "(?(": "a condition",
    "(?>": "an atomic group",
    "(?#": "a comment",
}


@dataclass(frozen=True)
class Node:
    """A part of a regular expression.

    Attributes:
        kind: "set" (one character), "join", "either", "repeat", "start" or "end" (anchors).
        parts: the parts of "join" and "either", the one of "repeat".
        symbols: of a "set": places in the charset of the characters it matches.
        low: of "repeat": how often at least.
        high: of "repeat": how often at most; None without end.
    """

    kind: str
    parts: tuple["Node", ...] = ()
    symbols: frozenset[int] = field(default_factory=frozenset)
    low: int = 0
    high: int | None = None


class Parser:
    """Parses one pattern.

    Args:
        pattern: regular expression over the whole text.
        characters: the charset; None at places that are no character.

    Attributes:
        unmatched: parts of the pattern that match no character of the charset.

    Raises:
        ConfigError: :meth:`parse` found that it is no regular expression, or uses syntax that is
            not supported.
    """

    def __init__(self, pattern: str, characters: Sequence[str | None]) -> None:
        self.pattern = pattern
        self.characters = characters
        self.unmatched: list[str] = []
        self._at = 0
        self._flags = re.NOFLAG
        self._sets: dict[str, Node] = {}

    def parse(self) -> Node:
        """Returns the tree."""
        try:
            re.compile(self.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(
                f"pattern {self.pattern!r} is no regular expression: {error}"
            ) from error
        if self.pattern.startswith("(?i)"):
            self._flags, self._at = re.IGNORECASE, 4
        return self._either()

    def _fail(self, what: str) -> ConfigError:
        return ConfigError(
            f"pattern {self.pattern!r}: {what} (at position {self._at}) is not supported for "
            "constrained decoding; it takes characters, classes such as [A-Z] and \\d, groups, |, "
            "* + ? {m,n}, ^, $ and a leading (?i)"
        )

    def _here(self, text: str) -> bool:
        return self.pattern.startswith(text, self._at)

    def _either(self) -> Node:
        branches = [self._join()]
        while self._here("|"):
            self._at += 1
            branches.append(self._join())
        return branches[0] if len(branches) == 1 else Node("either", tuple(branches))

    def _join(self) -> Node:
        parts = []
        while self._at < len(self.pattern) and self.pattern[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return Node("join", tuple(parts))

    def _repeated(self, node: Node) -> Node:
        found = _QUANTIFIER.match(self.pattern, self._at)
        if not found:
            return node
        self._at = found.end()
        sign, low, comma, high = found.groups()
        if sign:
            bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        else:
            least = int(low or 0)
            bounds = (least, (int(high) if high else None) if comma else least)
        if self._here("+"):
            raise self._fail("a possessive quantifier")
        if self._here("?"):
            self._at += 1  # lazy: the same texts
        return Node("repeat", (node,), low=bounds[0], high=bounds[1])

    def _atom(self) -> Node:
        if self._here("("):
            return self._group()
        for sign, kind in _ANCHORS.items():
            if self._here(sign):
                self._at += len(sign)
                return Node(kind)
        if self._here("\\"):
            if self.pattern[self._at + 1] in "0123456789":
                raise self._fail("a back-reference or octal escape")
            if self.pattern[self._at + 1] in "bB":
                raise self._fail("a word boundary")
            found = _ESCAPE.match(self.pattern, self._at)
        else:
            found = _CLASS.match(self.pattern, self._at) if self._here("[") else None
        atom = found.group() if found else self.pattern[self._at]
        self._at += len(atom)
        return self._set(atom)

    def _group(self) -> Node:
        for opening, name in _UNSUPPORTED.items():
            if self._here(opening):
                raise self._fail(name)
        found = _GROUP.match(self.pattern, self._at)
        if found is None or (found.group() == "(" and self._here("(?")):
            raise self._fail("a flag")
        self._at = found.end()
        inner = self._either()
        self._at += 1  # the closing bracket, which re.compile has seen
        return inner

    def _set(self, atom: str) -> Node:
        """Returns the characters of the charset that one character or class matches."""
        if atom not in self._sets:
            matches = re.compile(atom, self._flags).fullmatch
            symbols = frozenset(
                place for place, c in enumerate(self.characters) if c is not None and matches(c)
            )
            self._sets[atom] = Node("set", symbols=symbols)
            if not symbols:
                self.unmatched.append(atom)
        return self._sets[atom]

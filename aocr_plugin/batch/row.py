"""One image of a large source, and how a piece of a source is told to another process."""

from dataclasses import dataclass
from typing import Any, Protocol

Piece = dict[str, Any]
"""Some rows of a source in JSON's types: what a worker needs to read them, and no more."""


@dataclass(frozen=True, slots=True)
class Row:
    """An image to read, or why there is none.

    Attributes:
        source: path or URL of the image, or of the file that holds it.
        number: line, record or row that it comes from, from 1; None for a file by itself.
        image: the encoded image; of no use where there is an error.
        label: the text, where the source knows it.
        error: why there is no image, or None.
    """

    source: str
    number: int | None
    image: bytes = b""
    label: str | None = None
    error: str | None = None


class Source(Protocol):
    """A source as the process that deals it out knows it."""

    @property
    def rows(self) -> int:
        """How many images there are, broken ones included."""

    def state(self) -> list[Any]:
        """Returns what is another wherever the content is, in JSON's types."""

    def piece(self, start: int, stop: int) -> Piece:
        """Describes the rows from ``start`` (the first is 0) up to, without, ``stop``."""

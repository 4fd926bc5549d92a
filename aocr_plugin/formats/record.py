"""A labelled image, wherever it comes from. Needs no PyTorch."""

from dataclasses import dataclass

from aocr_plugin import annotations
from aocr_plugin.errors import AnnotationError


@dataclass(frozen=True, slots=True)
class Record:
    """An image, encoded, with its label.

    Attributes:
        number: line or record it comes from, from 1.
        image: the encoded file.
        label: the text.
        comment: where the image came from, if that is known.
    """

    number: int
    image: bytes
    label: str
    comment: str | None = None


def decode_text(data: bytes, encoding: str = "auto") -> str:
    """Decodes a label: UTF-8 or else the original's iso-8859-1, or a codec's name.

    Raises:
        ValueError: the bytes are not of that encoding.
        AnnotationError: there is no such encoding.
    """
    if encoding != "auto":
        try:
            return data.decode(encoding)
        except LookupError as error:
            raise AnnotationError(
                f"unknown encoding '{encoding}'; give {annotations.ENCODINGS}"
            ) from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("iso-8859-1")

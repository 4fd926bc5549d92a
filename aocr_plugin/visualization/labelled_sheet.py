"""Labelled images of one or more data sets on a sheet, to be looked at side by side."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from aocr_plugin import images
from aocr_plugin.formats.record import Record
from aocr_plugin.visualization import lettering

_CELL, _CAPTION, _TITLE = (150, 62), 17, 26


def draw_labelled_sheet(
    sets: Mapping[str, Iterable[Record]], path: str | Path, columns: int = 8
) -> int:
    """Draws images with their labels under them, set after set; images are made smaller to fit.

    Args:
        sets: images by the name of their set.
        path: picture to write.
        columns: images side by side.

    Returns:
        The number of images drawn.

    Raises:
        ImageError: an image cannot be decoded.
    """
    found = {name: list(records) for name, records in sets.items()}
    width, height = _CELL
    rows = {name: -(-len(records) // columns) for name, records in found.items()}
    tall = sum(_TITLE + count * (height + _CAPTION) for count in rows.values())
    sheet = Image.new("RGB", (columns * (width + 6), tall), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    top = 0
    for name, records in found.items():
        lettering.draw_text(draw, (2, top + 4), name, 14, bold=True)
        top += _TITLE
        for number, record in enumerate(records):
            x = number % columns * (width + 6)
            y = top + number // columns * (height + _CAPTION)
            picture = images.decode(record.image, record.comment or f"record {record.number}")
            shown = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1]))
            shown.thumbnail(_CELL)
            sheet.paste(shown, (x, y))
            lettering.draw_text(draw, (x, y + height), record.label[:24], 10)
        top += rows[name] * (height + _CAPTION)
    sheet.save(path)
    return sum(map(len, found.values()))

"""What the tests of drawn images share: fonts that are always there, and fonts made for a test."""

import hashlib
import os
import sys
from pathlib import Path

import matplotlib

from aocr_plugin.synthesis import styles
from aocr_plugin.synthesis.fonts import FontSet, find_fonts
from aocr_plugin.synthesis.synthesizer import Synthesizer

FOLDER = Path(matplotlib.get_data_path(), "fonts/ttf")


def few_fonts() -> FontSet:
    """Returns the fonts that come with matplotlib."""
    return find_fonts([FOLDER])


def make_font(path: Path, characters: str, family: str, same_case: bool = False) -> Path:
    """Writes a font of letters L whose arms differ by character, or by letter alone."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    def glyph(number: int, code: int = 0):
        pen = TTGlyphPen(None)
        arm, stem = 60 + 14 * (number % 31), 40 + 9 * (number % 23)
        corners = [(0, 0), (500, 0), (500, arm), (stem, arm), (stem, 700), (0, 700)]
        if code % 2:
            corners = [(x, 700 - y) for x, y in corners[::-1]]
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
        return pen.glyph()

    names = {ord(c): f"g{ord(c)}" for c in characters}
    builder = FontBuilder(1000, isTTF=True)
    order = [".notdef", *names.values()]
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    glyphs = {".notdef": TTGlyphPen(None).glyph()}
    for code, name in names.items():
        key = ord(chr(code).upper()) if same_case else code
        glyphs[name] = glyph(key * 7, key if same_case else code // 32)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(order, (600, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    return path


def digest(count: int) -> str:
    """Returns what ``count`` images of every style come to."""
    state = hashlib.sha256()
    fonts = few_fonts()
    for name in styles.NAMES:
        synthesizer = Synthesizer(name, fonts=fonts)
        for index in range(count):
            sample = synthesizer.sample(3, index)
            state.update(sample.image.tobytes() + sample.text.encode())
    return state.hexdigest()


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    print(digest(int(sys.argv[1])))

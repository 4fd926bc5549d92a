"""Clean printed words, drawn with Pillow alone: what any reader is expected to read.

A word of 3 to 12 letters each, in lower case, capitalised or in capitals, black on white, in twenty
fonts that documents are set in. The generator that models here learn from has no part in it.
"""

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from aocr_plugin.synthesis.fonts import OWN_FOLDER

FONTS = """
DejaVuSans DejaVuSerif DejaVuSansMono LiberationSans-Regular LiberationSerif-Regular
LiberationMono-Regular LiberationSans-Bold LiberationSerif-Italic Carlito-Regular Caladea-Regular
FreeSans FreeSerif OpenSans-Regular Lato-Regular Roboto-Regular Inter-Regular texgyrepagella-regular
texgyreschola-regular C059-Roman URWBookman-Light
""".split()
"""Those of Word, browsers, TeX and PostScript printers, or what stands for them on free systems."""


def draw_set(folder: Path, count: int = 50, seed: int = 0) -> tuple[list[str], list[str]]:
    """Draws ``count`` words in each font; returns the files and their labels.

    Raises:
        FileNotFoundError: a font is missing; ``tools/fetch_fonts.py`` fetches them.
    """
    found = {path.stem: path for path in OWN_FOLDER.rglob("*.[to]tf")}
    missing = [name for name in FONTS if name not in found]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)}: run tools/fetch_fonts.py")
    chance = random.Random(seed)
    words = (OWN_FOLDER / "words" / "english.txt").read_text(encoding="utf-8").split()
    words = [w for w in words if 3 <= len(w) <= 12 and w.isascii() and w.isalpha()]
    files, labels = [], []
    for name in FONTS:
        for number in range(count):
            word = chance.choice(words)
            word = chance.choice((word, word.lower(), word.capitalize(), word.upper()))
            font = ImageFont.truetype(str(found[name]), chance.choice((20, 24, 32, 40, 48)))
            left, top, right, bottom = font.getbbox(word)
            margin = round(font.size * chance.uniform(0.1, 0.3))
            size = (right - left + 2 * margin, bottom - top + 2 * margin)
            image = Image.new("L", size, 255)
            ImageDraw.Draw(image).text((margin - left, margin - top), word, 0, font)
            files.append(str(folder / f"{name}-{number}.png"))
            labels.append(word)
            image.save(files[-1])
    return files, labels

"""The fonts of this machine, and which of them can draw a text."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from aocr_plugin import charset, storage
from aocr_plugin.atomic import write_atomically
from aocr_plugin.errors import FontError
from aocr_plugin.synthesis.dice import Dice
from aocr_plugin.synthesis.font_file import FontFile, read_font

OWN_FOLDER = Path("~/.local/share/fonts/aocr_plugin").expanduser()
"""Where ``tools/fetch_fonts.py`` puts fonts."""
OWN_WORDS = "words"
"""Where in that folder it puts lists of words."""
SYSTEM_FOLDERS = ("~/.fonts", "~/.local/share/fonts", "/usr/local/share/fonts", "/usr/share/fonts")
_CACHE = "fonts-6.json"
_MANY = 60  # fonts to look at for which more processes pay


class FontSet:
    """Fonts in an order that depends on their content alone, not on where they lie.

    Args:
        files: the fonts; equal ones count once.

    Raises:
        FontError: there is none.
    """

    def __init__(self, files: Iterable[FontFile]) -> None:
        unique = {file.digest: file for file in sorted(files, key=lambda file: file.path)}
        self.files = sorted(unique.values(), key=lambda file: (file.family, file.digest))
        if not self.files:
            raise FontError(
                "no usable font: run tools/fetch_fonts.py, name folders with fonts, or install "
                "'aocr-plugin[synthesis]', which brings a few"
            )
        joined = " ".join(sorted(unique))
        self.fingerprint = hashlib.sha256(joined.encode()).hexdigest()[:16]
        """Names the set: with the same one, the same seeds give the same images."""
        self._families: dict[str, list[list[FontFile]]] = {}

    def __len__(self) -> int:
        return len(self.files)

    def check(self, characters: Iterable[str]) -> None:
        """Raises unless some font has each character.

        Raises:
            FontError: none has one of them.
        """
        missing = set(characters).difference(*(file.characters for file in self.files))
        if missing:
            shown = ", ".join(charset.describe(c) for c in sorted(missing)[:10])
            raise FontError(
                f"no font of {len(self)} draws {shown}: add a font that does, or take the "
                "character out of the charset"
            )

    def choose(
        self, text: str, dice: Dice, manner: str = "any", wanted: Callable[[FontFile], bool] = bool
    ) -> FontFile:
        """Returns a font that has every character of a text, each family as likely.

        Args:
            text: what is to be drawn.
            dice: chance.
            manner: name of ``wanted``, under which its families are remembered.
            wanted: what the font has to be; where no such font has the characters, any has to do.

        Raises:
            FontError: no font has them all.
        """
        families = self._families.get(manner)
        if families is None:
            families = self._families[manner] = self._grouped(wanted)
        needed, small = set(text), any(map(str.islower, text))
        for _ in range(24 if families else 0):
            file = dice.pick(dice.pick(families))
            if needed <= file.characters and not (small and file.caps_only):
                return file
        able = [f for f in self.files if needed <= f.characters and not (small and f.caps_only)]
        if not able:
            self.check(needed)
            raise FontError(f"no font draws all of {text!r}; add one that does")
        chosen = [file for file in able if wanted(file)]
        return dice.pick(chosen or able)

    def _grouped(self, wanted: Callable[[FontFile], bool]) -> list[list[FontFile]]:
        families: dict[str, list[FontFile]] = {}
        for file in self.files:
            if wanted(file):
                families.setdefault(file.family, []).append(file)
        return list(families.values())


def find_fonts(folders: Sequence[str | Path] | None = None) -> FontSet:
    """Returns the usable fonts below some folders.

    Args:
        folders: folders or font files; by default the system's folders, those of
            ``tools/fetch_fonts.py``, and the fonts that come with matplotlib, if it is there.

    Raises:
        FontError: no usable font there, a folder is missing, or fontTools is not installed.
    """
    try:
        import fontTools  # noqa: F401
    except ImportError as error:
        raise FontError(
            "fonts are looked into with fontTools: pip install 'aocr-plugin[synthesis]'"
        ) from error
    places = [Path(os.path.expanduser(folder)) for folder in folders or _default_folders()]
    for place in places:
        if folders and not place.exists():
            raise FontError(f"{place}: no such folder or font")
    paths = {path.resolve() for place in places for path in _fonts_below(place)}
    return FontSet(_look_at(sorted(paths)))


def _default_folders() -> list[str | Path]:
    folders: list[str | Path] = [*SYSTEM_FOLDERS, OWN_FOLDER]
    try:
        import matplotlib
    except ImportError:
        return folders
    return [*folders, Path(matplotlib.get_data_path(), "fonts/ttf")]


def _fonts_below(place: Path) -> Iterable[Path]:
    if place.is_file():
        return [place]
    return (p for p in place.rglob("*") if p.suffix.lower() in (".ttf", ".otf") and p.is_file())


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _look_at(paths: Sequence[Path]) -> list[FontFile]:
    """Reads fonts, those that were not read before by several processes."""
    cache_path = storage.cache_folder() / _CACHE
    try:
        cache = json.loads(cache_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        cache = {}
    new = [path for path in paths if cache.get(str(path), {}).get("stamp") != _stamp(path)]
    if len(new) > _MANY:
        with ProcessPoolExecutor() as pool:
            found = list(pool.map(read_font, new, chunksize=8))
    else:
        found = [read_font(path) for path in new]
    for path, file in zip(new, found, strict=True):
        cache[str(path)] = {"stamp": _stamp(path), "font": _to_json(file)}
    if new:
        try:
            write_atomically(json.dumps(cache, ensure_ascii=False).encode(), cache_path)
        except OSError:
            pass  # no home to write to: they are read anew each time
    shared: dict[str, frozenset[str]] = {}
    entries = (cache[str(path)]["font"] for path in paths)
    return [_from_json(entry, shared) for entry in entries if entry is not None]


def _to_json(file: FontFile | None) -> dict[str, Any] | None:
    if file is None:
        return None
    return dataclasses.asdict(file) | {"characters": "".join(sorted(file.characters))}


def _from_json(entry: dict[str, Any], shared: dict[str, frozenset[str]]) -> FontFile:
    """Builds a font's facts; fonts of the same characters share the set of them."""
    text = entry["characters"]
    characters = shared.setdefault(text, frozenset(text))
    return FontFile(**(entry | {"characters": characters}))

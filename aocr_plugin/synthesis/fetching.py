"""Fetches free fonts and words by Debian's and npm's own clients into a folder, without root."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from aocr_plugin.errors import FontError

_WEIGHTS = re.compile(r".*-latin-(400-normal|700-normal|400-italic)\.woff2?$")
_LICENCE = re.compile(r"^License:\s*(\S.*)$", re.MULTILINE)

Row = tuple[str, str, str, int]
"""Package, version, licence and number of fonts or words."""


def fetch_debian(names: Iterable[str], folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Downloads Debian packages and unpacks their fonts into ``folder/debian/PACKAGE``.

    Raises:
        FontError: there is no apt-get, or it gets none of the packages.
    """
    _need(
        "apt-get", "fonts of Debian packages need a Debian system; leave them out with --no-debian"
    )
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            version = _unpacked(name, place, say)
            if version is None:
                continue
            target = folder / "debian" / name
            found = _take(Path(place, "tree").rglob("*.[to]tf"), target)
            rows.append((name, version, _licence(name, place, target / "copyright"), found))
            say(f"{name}: {found} fonts")
    return rows


def fetch_words(name: str, target: Path, say: Callable[[str], None]) -> list[Row]:
    """Downloads a Debian package with a word list and writes its words, one a line, to ``target``.

    Forms with an apostrophe and words of one letter are left out.

    Raises:
        FontError: there is no apt-get.
    """
    _need("apt-get", "the word list of a Debian package needs a Debian system; use --no-debian")
    with tempfile.TemporaryDirectory() as place:
        version = _unpacked(name, place, say)
        if version is None:
            return []
        lists = [f for f in Path(place, "tree/usr/share/dict").iterdir() if not f.is_symlink()]
        words = {word for file in lists for word in file.read_text(encoding="utf-8").split()}
        kept = sorted(word for word in words if len(word) > 1 and "'" not in word)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(kept) + "\n", encoding="utf-8")
        say(f"{name}: {len(kept)} words")
        licence = _licence(name, place, target.with_suffix(".copyright"))
        return [(name, version, licence, len(kept))]


def fetch_npm(names: Sequence[str], folder: Path, say: Callable[[str], None]) -> list[Row]:
    """Fetches ``@fontsource`` packages; Latin in regular, bold and italic, as TrueType.

    Raises:
        FontError: there is no npm.
    """
    _need("npm", "fonts of npm packages need npm; leave them out with --no-npm")
    rows = []
    with tempfile.TemporaryDirectory() as place:
        quiet = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save"]
        if not _run([*quiet, *(f"@fontsource/{name}" for name in names)], place):
            for name in names:  # one that is missing must not lose the others
                if not _run([*quiet, "--prefix", name, f"@fontsource/{name}"], place):
                    say(f"@fontsource/{name}: npm cannot get it; skipped")
        for name in names:
            source = next(Path(place).glob(f"**/node_modules/@fontsource/{name}"), None)
            if source is None:
                continue
            about = json.loads((source / "metadata.json").read_text())
            target = folder / "npm" / name
            found = _to_truetype(sorted((source / "files").glob("*.woff")), target)
            if found and (source / "LICENSE").is_file():
                shutil.copy(source / "LICENSE", target / "LICENSE")
            version = json.loads((source / "package.json").read_text())["version"]
            rows.append((f"@fontsource/{name}", version, about["license"]["type"], found))
            say(f"@fontsource/{name}: {found} fonts")
    return rows


def write_licences(rows: Iterable[Row], folder: Path) -> Path:
    """Writes the table of packages, versions and licences; returns its path."""
    path = folder / "licences.tsv"
    lines = ["package\tversion\tlicence\tnumber", *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _unpacked(name: str, place: str, say: Callable[[str], None]) -> str | None:
    """Unpacks a Debian package into ``place/tree``; returns its version, None without it."""
    if not _run(["apt-get", "download", name], place):
        say(f"{name}: apt-get has no such package; skipped (is 'apt-get update' needed?)")
        return None
    archive = next(Path(place).glob("*.deb"))
    _run(["dpkg-deb", "-x", str(archive), "tree"], place)
    return archive.name.split("_")[1]


def _licence(name: str, place: str, copy: Path) -> str:
    """Copies an unpacked package's copyright file to ``copy``; returns the licences it names."""
    about = Path(place, "tree/usr/share/doc", name, "copyright")
    if not about.is_file():
        return "see its copyright file"
    if copy.parent.is_dir():
        shutil.copy(about, copy)
    found = sorted(set(_LICENCE.findall(about.read_text(errors="replace"))))
    return ", ".join(found) or "see its copyright file"


def _need(program: str, mend: str) -> None:
    if shutil.which(program) is None:
        raise FontError(f"{program} is not installed: {mend}")


def _run(words: list[str], folder: str) -> bool:
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def _take(files: Iterable[Path], target: Path) -> int:
    count = 0
    for file in sorted(files):
        if file.is_file() and not file.is_symlink():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / file.name)
            count += 1
    return count


def _to_truetype(files: Iterable[Path], target: Path) -> int:
    from fontTools.ttLib import TTFont

    count = 0
    for file in files:
        if _WEIGHTS.match(file.name):
            target.mkdir(parents=True, exist_ok=True)
            font = TTFont(file, recalcTimestamp=False)  # its bytes are to be the same each time
            font.flavor = None
            font.save(target / f"{file.stem}.ttf", reorderTables=False)
            count += 1
    return count

"""Fetches free fonts by the ordinary clients of Debian and npm into a folder, without root."""

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
"""Package, version, licence and number of font files."""


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
            if not _run(["apt-get", "download", name], place):
                say(f"{name}: apt-get has no such package; skipped (is 'apt-get update' needed?)")
                continue
            archive = next(Path(place).glob("*.deb"))
            _run(["dpkg-deb", "-x", str(archive), "tree"], place)
            found = _take(Path(place, "tree").rglob("*.[to]tf"), folder / "debian" / name)
            about = Path(place, "tree/usr/share/doc", name, "copyright")
            text = about.read_text(errors="replace") if about.is_file() else ""
            licence = ", ".join(sorted(set(_LICENCE.findall(text)))) or "see its copyright file"
            if about.is_file() and found:
                shutil.copy(about, folder / "debian" / name / "copyright")
            rows.append((name, archive.name.split("_")[1], licence, found))
            say(f"{name}: {found} fonts")
    return rows


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
    lines = ["package\tversion\tlicence\tfonts", *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


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

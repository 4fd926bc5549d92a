"""``tools/fetch_fonts.py`` with stand-ins for the package managers."""

import json
import os
import stat
import string
from pathlib import Path

import pytest
from synthesis_side import make_font

from aocr_plugin.cli import fetch_fonts
from aocr_plugin.errors import FontError
from aocr_plugin.synthesis import fetching
from aocr_plugin.synthesis.fonts import find_fonts


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Stand-ins for apt-get, dpkg-deb and npm that know one package each."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tree = tmp_path / "deb"
    fonts, about = tree / "usr/share/fonts/truetype", tree / "usr/share/doc/fonts-one"
    fonts.mkdir(parents=True)
    about.mkdir(parents=True)
    make_font(fonts / "One.ttf", string.ascii_letters, "One")
    (about / "copyright").write_text(
        "Files: *\nLicense: OFL-1.1\n text\n\nLicense: GPL-3+\n text\n"
    )
    program(folder, "apt-get", '[ "$2" = fonts-one ] && touch fonts-one_1.2-3_all.deb')
    program(folder, "dpkg-deb", f'mkdir "$3" && cp -r {tree}/usr "$3/"')
    package = tmp_path / "npm/node_modules/@fontsource/two"
    (package / "files").mkdir(parents=True)
    from fontTools.ttLib import TTFont

    font = TTFont(make_font(tmp_path / "two.ttf", string.ascii_letters, "Two"))
    font.flavor = "woff"
    for weight in ("400-normal", "700-normal", "300-normal"):
        font.save(package / "files" / f"two-latin-{weight}.woff")
    (package / "package.json").write_text(json.dumps({"version": "5.0"}))
    (package / "metadata.json").write_text(json.dumps({"license": {"type": "OFL-1.1"}}))
    copy = f'cp -r {tmp_path}/npm/node_modules . 2>/dev/null; case "$*" in *gone*) exit 1;; esac'
    program(folder, "npm", copy)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_fonts_and_licences_are_taken(programs, tmp_path):
    said = []
    rows = fetching.fetch_debian(["fonts-one", "fonts-gone"], tmp_path / "out", said.append)
    assert rows == [("fonts-one", "1.2-3", "GPL-3+, OFL-1.1", 1)]
    assert said[1].startswith("fonts-gone: apt-get has no such package; skipped")
    rows += fetching.fetch_npm(["two"], tmp_path / "out", said.append)
    assert rows[1] == ("@fontsource/two", "5.0", "OFL-1.1", 2)
    table = fetching.write_licences(rows, tmp_path / "out")
    assert table.read_text().splitlines()[1:] == [
        "fonts-one\t1.2-3\tGPL-3+, OFL-1.1\t1",
        "@fontsource/two\t5.0\tOFL-1.1\t2",
    ]
    assert (tmp_path / "out/debian/fonts-one/copyright").is_file()
    found = find_fonts([tmp_path / "out"])
    assert {file.family for file in found.files} == {"One", "Two"}


def test_words_and_their_licences_are_taken(programs, tmp_path):
    lists = tmp_path / "deb/usr/share/dict"
    lists.mkdir()
    (lists / "some").write_text("Aachen\na\ncan't\nzebra\nabbey\n")
    (lists / "words").symlink_to("some")
    said = []
    target = tmp_path / "out/words/rare.txt"
    (row,) = fetching.fetch_words("fonts-one", target, said.append)
    assert row == ("fonts-one", "1.2-3", "GPL-3+, OFL-1.1", 3)
    assert target.read_text() == "Aachen\nabbey\nzebra\n"
    assert target.with_suffix(".copyright").is_file()
    assert fetching.fetch_words("fonts-gone", target, said.append) == []


def test_one_package_that_npm_lacks_does_not_lose_the_others(programs, tmp_path):
    said = []
    rows = fetching.fetch_npm(["two", "gone"], tmp_path / "out", said.append)
    assert [row[0] for row in rows] == ["@fontsource/two"]
    assert "@fontsource/gone: npm cannot get it; skipped" in said


def test_a_missing_program_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FontError, match=r"npm is not installed: .* --no-npm"):
        fetching.fetch_npm(["two"], tmp_path, print)
    assert fetch_fonts.main(["--dir", str(tmp_path / "out")]) == 2
    assert "apt-get is not installed: fonts of Debian" in capsys.readouterr().err
    assert fetch_fonts.main(["--dir", str(tmp_path / "out"), "--no-npm", "--no-debian"]) == 2
    assert "no package could be fetched" in capsys.readouterr().err

import os

import pytest

from aocr_plugin import annotations
from aocr_plugin.errors import AnnotationError


def labels(data: bytes, **options):
    return [
        (line.path, line.label) for line in annotations.parse(annotations.decode(data, **options))
    ]


def test_label_is_the_rest_of_the_line():
    text = "a.png two words \nb.png \nc.png\nd.png\tTAB\ne.png  double\n\n"
    assert [(line.number, line.path, line.label) for line in annotations.parse(text)] == [
        (1, "a.png", "two words "),
        (2, "b.png", ""),
        (3, "c.png", None),
        (4, "d.png", "TAB"),
        (5, "e.png", " double"),
    ]


def test_windows_line_ends_and_byte_order_mark():
    assert labels(b"\xef\xbb\xbfa.png X\r\nb.png \r\n") == [("a.png", "X"), ("b.png", "")]


def test_unicode_line_separators_stay_in_the_label():
    assert labels("a.png x\u2028y\x0bz\x85\n".encode()) == [("a.png", "x\u2028y\x0bz\x85")]


def test_encodings():
    assert labels("a.png über".encode()) == [("a.png", "über")]
    assert labels("a.png über".encode("iso-8859-1")) == [("a.png", "über")]
    assert labels("a.png über".encode("utf-16")) == [("a.png", "über")]
    assert labels("a.png ж".encode("cp1251"), encoding="cp1251") == [("a.png", "ж")]


def test_wrong_encoding_names_the_line():
    with pytest.raises(AnnotationError, match=r"f.txt:2: this is not utf-8"):
        annotations.decode("a.png x\nb.png ü".encode("iso-8859-1"), "utf-8", "f.txt")
    with pytest.raises(AnnotationError, match="unknown encoding 'utf-9'"):
        annotations.decode(b"", "utf-9")


def test_one_bad_byte_does_not_spoil_a_utf_8_file():
    data = "a.png über\n".encode() + b"b.png \xff\n"
    with pytest.raises(AnnotationError, match=r"f.txt:2: this line is not UTF-8, but others"):
        annotations.decode(data, name="f.txt")
    with pytest.raises(AnnotationError, match="this is not utf-16"):
        annotations.decode(b"\xff\xfea")


def test_reading_as_iso_8859_1_is_told(caplog):
    assert annotations.decode("a.png ü".encode("iso-8859-1"), name="f.txt") == "a.png ü"
    assert "f.txt:1: not UTF-8, the file is read as iso-8859-1" in caplog.text


def test_blanks_before_the_path_are_passed_over():
    assert labels(b"  a.png X\n") == [("a.png", "X")]


def test_separator_for_paths_with_blanks():
    (line,) = annotations.parse("my image.png\ta b", separator="\t")
    assert (line.path, line.label) == ("my image.png", "a b")


def test_missing_file():
    with pytest.raises(AnnotationError, match=r"nowhere.txt: cannot read"):
        annotations.read("nowhere.txt")


def test_paths_are_found_in_all_four_places(tmp_path, monkeypatch):
    for folder in ("root", "beside", "cwd"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{folder}.png").touch()
    (tmp_path / "cwd" / "root.png").touch()
    monkeypatch.chdir(tmp_path / "cwd")
    folders = annotations.roots(tmp_path / "beside" / "a.txt", tmp_path / "root")
    found = [annotations.find_image(f"{name}.png", folders) for name in ("root", "beside", "cwd")]
    assert [os.path.dirname(path) for path in found] == [
        str(tmp_path / name) for name in ("root", "beside", "cwd")
    ]
    absolute = str(tmp_path / "beside" / "beside.png")
    assert annotations.find_image(absolute, []) == absolute
    assert annotations.find_image("none.png", folders) is None

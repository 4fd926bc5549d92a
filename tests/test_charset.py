# ruff: noqa: RUF001
import pytest

from aocr_plugin import charset
from aocr_plugin.errors import CharsetError


def test_named_charsets_are_the_originals():
    assert charset.resolve("aocr") == "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert charset.resolve("ascii") == "".join(chr(c) for c in range(32, 127))


def test_file_keeps_blank_order_and_unicode(tmp_path):
    path = tmp_path / "charset.txt"
    path.write_bytes("\ufeffb\r\na\r\n \r\nſ\r\n".encode())
    assert charset.resolve(f"file:{path}") == "ba ſ"


def test_collect_and_case():
    assert charset.collect(["ba", "ac", ""]) == "abc"
    assert charset.apply_case("aß1", "upper") == "ASS1"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("asci", "unknown charset 'asci'"),
        ("chars:aba", "'a' .* more than once"),
        ("chars:", "has no characters"),
        (["ab"], "single characters"),
        ("labels", "collect it from the training annotations"),
        ("file:nowhere.txt", "nowhere.txt: cannot read"),
    ],
)
def test_bad_settings_name_the_culprit(setting, message):
    with pytest.raises(CharsetError, match=message):
        charset.resolve(setting)


def test_charset_file_with_a_long_line_names_the_line(tmp_path):
    path = tmp_path / "charset.txt"
    path.write_text("a\nbc\n")
    with pytest.raises(CharsetError, match=r"charset.txt:2: .* one character a line"):
        charset.read_file(path)

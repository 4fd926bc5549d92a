"""Ctrl-C ends a command with exit code 130 wherever it strikes, and leaves no half file."""

import argparse
import os

import pytest
from mmengine.config import Config

from aocr_plugin import atomic
from aocr_plugin.cli.common import guarded
from aocr_plugin.errors import ConfigError


def run(main):
    return guarded(lambda _: main(), lambda _: argparse.Namespace(), [])


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_while_mmengine_formats_a_config(monkeypatch, capsys):
    monkeypatch.setattr("mmengine.config.config.FormatCode", interrupt)
    assert run(lambda: Config({"a": 1}).pretty_text) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_while_an_error_is_reported(capsys):
    def main():
        try:
            interrupt()
        finally:
            raise ConfigError("x.py: no such config file")

    assert run(main) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("x.py: no such config file"), 2, "error: x.py: no such config file\n"),
        (KeyError("x"), 1, "error: KeyError: 'x' (--traceback shows where)\n"),
    ],
)
def test_other_errors_are_none_of_it(capsys, error, code, said):
    def main():
        raise error

    assert run(main) == code
    assert capsys.readouterr().err == said


def test_just_after_a_file_got_its_name(tmp_path, monkeypatch):
    replace = os.replace

    def replace_and_interrupt(*names):
        replace(*names)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replace_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic.write_atomically(b"whole", tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"whole"

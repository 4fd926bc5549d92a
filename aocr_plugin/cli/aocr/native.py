"""The line of the project's own tools that does what an ``aocr`` command does. No PyTorch."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from aocr_plugin.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[2]


def find_config(name: str) -> str:
    """Returns the path of one of the project's configs, in a checkout or an installed package.

    Raises:
        ConfigError: it is in neither.
    """
    for folder in (_PACKAGE.parent / "configs", _PACKAGE / ".mim" / "configs"):
        if (folder / name).is_file():
            path = str(folder / name)
            return min(path, os.path.relpath(path), key=len)
    raise ConfigError(f"{name} is in neither {_PACKAGE.parent}/configs nor {_PACKAGE}/.mim")


def _spelt(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def tool_line(tool: str, words: list[str], options: dict[str, Any] | None = None) -> str:
    """Returns a line for the shell.

    Args:
        tool: "train", "test", "predict", …
        words: its arguments.
        options: what follows ``--cfg-options``; options of dicts are spelt out key by key.
    """
    script = _PACKAGE.parent / "tools" / f"{tool}.py"
    line = [Path(sys.executable).name]
    if script.is_file():
        line.append(min(str(script), os.path.relpath(script), key=len))
    else:
        line += ["-m", f"aocr_plugin.cli.{tool}"]
    line += words
    if options:
        line.append("--cfg-options")
        for key, value in options.items():
            if isinstance(value, dict):
                line += [f"{key}.{inner}={_spelt(entry)}" for inner, entry in value.items()]
            else:
                line.append(f"{key}={_spelt(value)}")
    return shlex.join(line)


def choose_gpu(number: int) -> None:
    """Lets PyTorch see one GPU alone, or none for -1; call before it is imported.

    Raises:
        ConfigError: the environment shows fewer GPUs.
    """
    shown = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if number < 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    elif not shown:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number)
    elif number < len(shown):
        os.environ["CUDA_VISIBLE_DEVICES"] = shown[number]
    else:
        raise ConfigError(f"--gpu-id {number}: CUDA_VISIBLE_DEVICES shows {len(shown)} GPUs")


def announce(line: str) -> None:
    """Prints the line to standard error, so that people learn the native way."""
    print(f"the same with this project's own tools:\n  {line}", file=sys.stderr, flush=True)

"""The original's log: lines for people and parsers, and the same events as JSON Lines.

Needs no PyTorch.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from aocr_plugin.plain_json import without_nan


class EventLog:
    """Writes each event as a line of the original's form, and as a JSON object.

    The line goes to standard error and, with time and level before it, to the log file, which is
    appended to; the object goes to the file of the same name that ends in ``.jsonl``.

    Args:
        path: the log file.
        echo: whether lines go to standard error too.
    """

    def __init__(self, path: str | Path, echo: bool = True) -> None:
        self.path = Path(path)
        self.json_path = self.path.with_suffix(".jsonl")
        if self.json_path == self.path:
            self.json_path = self.path.with_name(f"{self.path.name}.jsonl")
        if self.path.exists() and not self.path.is_file():  # a device
            self.json_path = self.path
        self.echo = echo
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._text: TextIO = self.path.open("a", encoding="utf-8", errors="surrogateescape")
        self._json: TextIO = self.json_path.open("a", encoding="utf-8", errors="surrogateescape")

    def write(self, line: str, event: str, /, *, level: str = "INFO", **facts: Any) -> None:
        """Writes one event.

        Args:
            line: the message.
            event: the event's name in the JSON object, which also holds ``time`` (Unix seconds).
            level: "INFO", "WARNING" or "ERROR".
            **facts: the rest of the object.
        """
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
        full = f"{stamp},{int(now % 1 * 1000):03d} root  {level:<8} {line}"
        print(full, file=self._text, flush=True)
        if self.echo:
            print(full, file=sys.stderr, flush=True)
        entry = without_nan({"event": event, "time": round(now, 3), **facts})
        print(json.dumps(entry, ensure_ascii=False), file=self._json, flush=True)

    def close(self) -> None:
        """Closes both files."""
        self._text.close()
        self._json.close()

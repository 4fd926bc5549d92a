"""How far a long run is, on standard error."""

import sys
import time
from typing import TextIO

_TERMINAL = 0.2  # seconds between two states of the line
_FILE = 30.0  # seconds between two lines


def _clock(seconds: float) -> str:
    """Returns a time as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """Says rows done, rows a second and the time left; a terminal's line is written over.

    Args:
        total: rows in all.
        done: rows of earlier runs, which do not count for the speed.
        stream: where to write.
    """

    def __init__(self, total: int, done: int = 0, stream: TextIO | None = None) -> None:
        self.total, self.done, self.errors = total, done, 0
        self._before = done
        self._out = stream or sys.stderr
        self._line = self._out.isatty()
        self._began = self._shown = time.monotonic()
        self._first: tuple[float, int] | None = None

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Rows a second since the first rows were done; the workers' start does not count."""
        since, rows = self._first or (self._began, self._before)
        if self.done == rows:
            since, rows = self._began, self._before
        return (self.done - rows) / max(time.monotonic() - since, 1e-9)

    def add(self, rows: int, errors: int) -> None:
        """Counts what was done, and shows it now and then."""
        self.done += rows
        self.errors += errors
        self._first = self._first or (time.monotonic(), self.done)
        if time.monotonic() - self._shown >= (_TERMINAL if self._line else _FILE):
            self._shown = time.monotonic()
            self._write()

    def _write(self) -> None:
        left = (self.total - self.done) / self.rate if self.rate else 0.0
        text = (
            f"{self.done:,} of {self.total:,} rows, {self.rate:,.0f} rows/s, {_clock(left)} left"
            + (f", {self.errors:,} with an error" if self.errors else "")
        )
        print(
            f"\r{text}\x1b[K" if self._line else text,
            end="" if self._line else "\n",
            file=self._out,
            flush=True,
        )

    def say(self, text: str) -> None:
        """Writes a line that stays."""
        self.end()
        print(text, file=self._out, flush=True)

    def end(self) -> None:
        """Removes a terminal's line."""
        if self._line:
            print("\r\x1b[K", end="", file=self._out, flush=True)

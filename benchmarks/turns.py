"""Processes that are timed step by step in turn, so that all meet the same quiet and busy moments.

A process that takes part calls :func:`wait` before each step; what it prints last is its result.
"""

import contextlib
import subprocess
import sys
import tempfile

READY = "ready\n"
"""The line with which a process asks for its turn; a line of its standard input is the answer."""


def wait() -> None:
    """Asks for a turn and waits until it comes.

    Raises:
        SystemExit: none will come any more.
    """
    print(READY, end="", flush=True)
    if not sys.stdin.readline():
        raise SystemExit("no more turns: standard input has ended")


class Process:
    """A program that is started, and goes on, when it is its turn.

    Args:
        line: program and arguments.
        environment: its environment.

    Attributes:
        said: the last line that it printed, but for :data:`READY`.
        code: its exit code, None before it ends.
    """

    def __init__(self, line: list[str], environment: dict[str, str]) -> None:
        self.said = ""
        self.code: int | None = None
        self._line, self._environment = line, environment
        self._process: subprocess.Popen[str] | None = None
        self._errors = tempfile.TemporaryFile("w+")

    @property
    def errors(self) -> list[str]:
        """What it wrote to standard error, line by line."""
        self._errors.seek(0)
        return self._errors.read().strip().splitlines()

    def turn(self) -> bool:
        """Lets it run until it asks for another turn; returns False when it has ended."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._line,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        else:
            with contextlib.suppress(BrokenPipeError):  # it has been killed: its code tells
                self._process.stdin.write("\n")
                self._process.stdin.flush()
        for said in self._process.stdout:
            if said == READY:
                return True
            self.said = said
        self.code = self._process.wait()
        return False

    def close(self) -> None:
        """Ends it if it has not ended."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._errors.close()


def run(processes: list[Process]) -> None:
    """Runs processes to their ends, never two at a time."""
    while processes:
        processes = [process for process in processes if process.turn()]

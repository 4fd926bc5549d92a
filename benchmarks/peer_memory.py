"""Peak memory of this process and of those that it starts, in MB (10^6 bytes).

``getrusage`` is no help: its peak of a process begins with that of the one which started it.
"""

import threading
from pathlib import Path
from types import TracebackType

_OURS = Path("/proc/self/cmdline").read_bytes()


def peak(pid: int | str = "self") -> float:
    """Returns the most memory that a process has had resident; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return found[0] * 1024 / 1e6 if found else 0.0


def _is_program(pid: str) -> bool:
    """Whether a process runs a program of its own yet; until then it shows its parent's memory."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != _OURS
    except OSError:
        return False


class Children:
    """Watches the programs that this process starts: ``with Children() as children: …``.

    Attributes:
        peak: the most that one of them has had resident so far, looked at every few milliseconds.
    """

    def __init__(self, interval: float = 0.005) -> None:
        self.peak = 0.0
        self._interval, self._ended = interval, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Children":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval):
            for task in Path("/proc/self/task").glob("*/children"):
                try:
                    pids = task.read_text().split()
                except OSError:  # the thread has ended
                    continue
                self.peak = max([self.peak, *map(peak, filter(_is_program, pids))])

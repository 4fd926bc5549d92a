"""What LitServe runs in each worker process."""

import multiprocessing
import os
import signal
import threading
from typing import Any

import litserve

from aocr_plugin.errors import AOCRError
from aocr_plugin.serving.protocol import Item, Result
from aocr_plugin.serving.reader import Reader, share_cores
from aocr_plugin.serving.settings import Settings

PATH = "/read"
"""LitServe's name for the workers' queue."""


class Worker(litserve.LitAPI):
    """Loads the model and reads batches.

    Args:
        settings: the server's.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(api_path=PATH)
        self.settings = settings
        self.failures: Any = multiprocessing.get_context("spawn").SimpleQueue()
        """Why workers could not load the model."""

    def setup(self, device: str) -> None:
        """Loads the model."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the server ends us
        _end_with_parent()
        number = int(os.environ["LITSERVE_WORKER_ID"])
        cores = share_cores(number, self.settings.workers)
        try:
            self.reader = Reader(self.settings, self.settings.threads or cores)
        except Exception as error:  # noqa: BLE001, the server says it and ends
            why = f"{self.settings.model}: cannot be loaded ({type(error).__name__}: {error})"
            self.failures.put(str(error) if isinstance(error, AOCRError) else why)
            raise SystemExit(2) from None

    def predict(self, x: list[Item], **kwargs: Any) -> list[Result]:
        """Reads a batch."""
        return self.reader(x)


def _end_with_parent() -> None:
    """Ends this process when the server's dies, however it does."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()

"""LitServe as the engine: worker processes, their queue, and a new worker for one that dies.

Chosen by trying, on two cores with other work on them (64 connections, a model that does nothing,
one image a request; sizes are those of a fresh environment):

| engine | requests a second | start | installed | |
|---|---|---|---|---|
| LitServe 0.2.19 | 760 to 820 | 1.2 to 2 s | 70 MB | takes any FastAPI application around it |
| Ray Serve 2.48 | 192 | 9 s | 360 MB | resolves to protobuf 7, does not start with it nor |
| | | | | with an application of FastAPI 0.165 |
| Ray Serve 2.60 | 177 | 13 s | 483 MB | the same application, wrapped |
| KServe 0.21 | not run | | 450 MB | needs protobuf 6, which MMDeploy's and TensorFlow's pins |
| | | | | exclude; no `/versions/N`, no `/metadata` |

Ray Serve's way to a replica costs more than our network does. LitServe starts and replaces the
workers and carries batches to them; Uvicorn runs in the server's own process, because LitServe's
would not end gracefully on SIGTERM.
"""

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import litserve
from litserve.utils import (
    LitAPIStatus,
    ResponseBufferItem,
    WorkerSetupStatus,
    wrap_litserve_start,
)

from aocr_plugin.errors import AOCRError, ConfigError
from aocr_plugin.serving.protocol import EngineError, Item, Result
from aocr_plugin.serving.reader import Reader, share_cores
from aocr_plugin.serving.settings import Settings

_PATH = "/read"


class _Worker(litserve.LitAPI):
    """What LitServe runs in each worker process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(api_path=_PATH)
        self.settings = settings
        self.failures: Any = multiprocessing.get_context("spawn").SimpleQueue()
        self.replacement = False

    def setup(self, device: str) -> None:
        """Loads the model."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the server ends us
        _end_with_parent()
        number = int(os.environ["LITSERVE_WORKER_ID"])
        cores = share_cores(number, self.settings.workers)
        try:
            self.reader = Reader(self.settings, self.settings.threads or cores)
        except AOCRError as error:
            if self.replacement:
                print(f"error: a new worker could not load the model: {error}", file=sys.stderr)
            else:
                self.failures.put(str(error))
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


class LitServeEngine:
    """Workers of LitServe behind :class:`Engine`.

    Args:
        settings: the server's.

    Raises:
        CheckpointError: see :meth:`workers`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._api = _Worker(settings)
        self._server: Any = litserve.LitServer(
            self._api,
            accelerator="cpu",  # what a worker computes on is the Recognizer's business
            workers_per_device=settings.workers,
            timeout=False,
            restart_workers=True,
            disable_openapi_url=True,
        )
        self._server.monitor_internal = 0.5

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Starts the workers and waits until one has loaded the model; ends them afterwards.

        Raises:
            ConfigError: a worker ended, or none was ready in time.
        """
        with wrap_litserve_start(self._server) as server:
            deadline = time.monotonic() + self.settings.start_timeout
            while not self.ready():
                statuses = list(server.workers_setup_status.values())
                ended = [worker.exitcode for worker in server.inference_workers]
                if WorkerSetupStatus.ERROR in statuses or any(c is not None for c in ended):
                    raise ConfigError(self._failure(ended))
                if time.monotonic() > deadline:
                    raise ConfigError(
                        f"{self.settings.model}: not loaded after {self.settings.start_timeout:g} s"
                    )
                time.sleep(0.02)
            self._api.replacement = True
            server._start_worker_monitoring(server.manager, {})
            yield

    def _failure(self, ended: list[int | None]) -> str:
        if not self._api.failures.empty():
            return str(self._api.failures.get())
        codes = ", ".join(str(code) for code in ended if code is not None)
        return f"{self.settings.model}: a worker failed while it loaded the model (exit {codes})"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The time while the application serves: answers of the workers are taken."""
        app = self._server.app
        app.response_queue_id = 0
        async with self._server.lifespan(app):
            yield

    def ready(self) -> bool:
        """Whether a worker has the model loaded."""
        try:
            return WorkerSetupStatus.READY in self._server.workers_setup_status.values()
        except (OSError, EOFError):  # LitServe's manager has ended
            return False

    async def send(self, items: list[Item]) -> list[Result]:
        """Reads a batch in one of the workers.

        Raises:
            EngineError: the worker died, failed or gave no answer.
        """
        name, answer = str(uuid.uuid4()), ResponseBufferItem(asyncio.Event())
        self._server.response_buffer[name] = answer
        try:
            queue = self._server.litapi_request_queues[_PATH]
            async with asyncio.timeout(2 * self.settings.timeout):
                await asyncio.to_thread(queue.put, (0, name, time.monotonic(), items))
                while not await self._answered(answer):
                    # A worker that is killed while it waits takes the next batch with it.
                    if answer.worker_id is None and not await asyncio.to_thread(queue.qsize):
                        await asyncio.to_thread(queue.put, (0, name, time.monotonic(), items))
        except TimeoutError:
            raise EngineError("the workers gave no answer") from None
        except (OSError, EOFError) as error:
            raise EngineError(f"the workers cannot be reached ({error})") from error
        finally:
            self._server.response_buffer.pop(name, None)
        results, status = answer.response or ([], LitAPIStatus.ERROR)
        if status != LitAPIStatus.OK:
            raise EngineError("the worker that read the images died or failed")
        return list(results)

    @staticmethod
    async def _answered(answer: ResponseBufferItem, patience: float = 2.0) -> bool:
        try:
            async with asyncio.timeout(patience):
                return await answer.event.wait()
        except TimeoutError:
            return False

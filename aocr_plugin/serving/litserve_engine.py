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

Ray Serve's way to a replica costs more than our network does. LitServe starts the workers and
carries batches to them. Two parts of it are not used: its Uvicorn, which would not end gracefully
on SIGTERM, and its watcher, a thread that walks through the requests while they come and go.
"""

import asyncio
import logging
import signal
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

from aocr_plugin.errors import ConfigError
from aocr_plugin.serving.protocol import EngineError, Item, Result
from aocr_plugin.serving.settings import Settings
from aocr_plugin.serving.worker import PATH, Worker

_log = logging.getLogger(__name__)
_PAUSE = 0.5
"""Seconds between two looks at the workers."""
_USED = (
    "app",
    "launch_single_inference_worker",
    "lifespan",
    "litapi_request_queues",
    "response_buffer",
)


class LitServeEngine:
    """Workers of LitServe behind :class:`Engine`.

    Args:
        settings: the server's.

    Raises:
        ConfigError: the LitServe that is installed has not what is used of it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._api = Worker(settings)
        self._server: Any = litserve.LitServer(
            self._api,
            accelerator="cpu",  # what a worker computes on is the Recognizer's business
            workers_per_device=settings.workers,
            timeout=False,
            restart_workers=True,  # only so that a worker tells which batch it has begun with
            disable_openapi_url=True,
        )
        gone = [name for name in _USED if not hasattr(self._server, name)]
        if gone:
            raise ConfigError(
                f"LitServe {litserve.__version__} has no {', '.join(gone)}; this server is made "
                "for 0.2.19: pip install litserve==0.2.19"
            )
        self._seen: list[str] = []
        self._lost = ""

    @contextmanager
    def workers(self) -> Iterator[None]:
        """Starts the workers and waits until one has loaded the model; ends them afterwards.

        Raises:
            ConfigError: a worker ended, or none was ready in time; later, that the workers were
                lost for good.
        """
        try:
            with wrap_litserve_start(self._server) as server:
                try:
                    self._wait(time.monotonic() + self.settings.start_timeout)
                    yield
                finally:
                    for worker in server.inference_workers:
                        worker.kill()  # nothing is on its way any more
        except (OSError, EOFError, SystemExit) as error:
            if not self._lost:
                raise
            raise ConfigError(f"the server had to stop: {self._lost}") from error

    def _wait(self, deadline: float) -> None:
        """Waits until a worker has the model."""
        while WorkerSetupStatus.READY not in self._states():
            ended = [worker.exitcode for worker in self._server.inference_workers]
            if WorkerSetupStatus.ERROR in self._states() or any(c is not None for c in ended):
                codes = ", ".join(str(code) for code in ended if code is not None)
                failed = f"a worker failed while it loaded the model (exit {codes})"
                raise ConfigError(self._why() or f"{self.settings.model}: {failed}")
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"{self.settings.model}: not loaded after {self.settings.start_timeout:g} s"
                )
            time.sleep(0.02)
        self._seen = self._states()

    def _why(self) -> str:
        """Returns what a worker said before it ended, or nothing."""
        return "" if self._api.failures.empty() else str(self._api.failures.get())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The time while the application serves: answers of the workers are taken."""
        app = self._server.app
        app.response_queue_id = 0
        async with self._server.lifespan(app):
            watch = asyncio.create_task(self._watch())
            try:
                yield
            finally:
                watch.cancel()

    def ready(self) -> bool:
        """Whether a worker has the model loaded, as of the last look."""
        return WorkerSetupStatus.READY in self._seen

    def _states(self) -> list[str]:
        """Returns what each worker does, by its number."""
        found = dict(self._server.workers_setup_status)
        return [found[f"{PATH.strip('/')}_{n}"] for n in range(self.settings.workers)]

    async def _watch(self) -> None:
        """Replaces workers that have ended; what they had begun with is left."""
        server = self._server
        try:
            while True:
                begun = [a for a in server.response_buffer.values() if a.worker_id is not None]
                for number, worker in enumerate(server.inference_workers):
                    if not worker.is_alive():
                        why = self._why() or f"exit {worker.exitcode}"
                        _log.error("worker %d has ended (%s); another is started", number, why)
                        server.inference_workers[number] = server.launch_single_inference_worker(
                            self._api, number
                        )
                self._seen = await asyncio.to_thread(self._states)
                for answer in begun:
                    # Also one of a worker that ended while it told that it had begun.
                    if self._seen[answer.worker_id] != WorkerSetupStatus.READY:
                        answer.event.set()
                await asyncio.sleep(_PAUSE)
        except Exception as error:  # noqa: BLE001, it ends the server
            self._seen = []
            self._lost = f"the workers cannot be watched ({type(error).__name__}: {error})"
            signal.raise_signal(signal.SIGTERM)

    async def send(self, items: list[Item]) -> list[Result]:
        """Reads a batch in one of the workers, and once more in another if that one dies.

        Raises:
            EngineError: both died, or the worker failed or gave no answer.
        """
        response = await self._sent(items) or await self._sent(items)
        results, status = response or ([], LitAPIStatus.ERROR)
        if status != LitAPIStatus.OK:
            raise EngineError("the worker that read the images died or failed")
        return list(results)

    async def _sent(self, items: list[Item]) -> Any:
        """Returns what a worker answers, or None if it has died."""
        name, answer = str(uuid.uuid4()), ResponseBufferItem(asyncio.Event())
        self._server.response_buffer[name] = answer
        try:
            queue = self._server.litapi_request_queues[PATH]
            async with asyncio.timeout(2 * self.settings.timeout):
                await asyncio.to_thread(queue.put, (0, name, time.monotonic(), items))
                while not await self._answered(answer):
                    # A worker that is killed while it waits takes the next batch with it.
                    if answer.worker_id is None and not await asyncio.to_thread(queue.qsize):
                        await asyncio.to_thread(queue.put, (0, name, time.monotonic(), items))
        except TimeoutError:
            self._end_what_hangs(answer)
            raise EngineError("the workers gave no answer") from None
        except (OSError, EOFError) as error:
            raise EngineError(f"the workers cannot be reached ({error})") from error
        finally:
            self._server.response_buffer.pop(name, None)
        return answer.response

    def _end_what_hangs(self, late: ResponseBufferItem) -> None:
        """Ends the worker that has begun with a batch, or those that are free and have not."""
        buffer = self._server.response_buffer.values()
        busy = {answer.worker_id for answer in buffer if answer is not late}
        for number, state in enumerate(self._seen):
            free = late.worker_id is None and number not in busy
            if state == WorkerSetupStatus.READY and (free or number == late.worker_id):
                _log.error("worker %d hangs", number)
                self._server.inference_workers[number].kill()

    @staticmethod
    async def _answered(answer: ResponseBufferItem, patience: float = 2.0) -> bool:
        try:
            async with asyncio.timeout(patience):
                return await answer.event.wait()
        except TimeoutError:
            return False

"""Images of several requests become batches for the workers.

LitServe can batch too, but by requests, whatever the number of images in each, and every request
makes several round trips to its queue's process: with a model that did nothing, two cores answered
about 800 requests of one image a second. So images are gathered here, and what LitServe sees is a
batch.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from aocr_plugin.serving.protocol import Item, RequestError, Result

Send = Callable[[list[Item]], Awaitable[list[Result]]]


class _Ticket:
    """A request that waits for its images."""

    def __init__(self, count: int) -> None:
        self.results: list[Result | None] = [None] * count
        self.missing = count
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def put(self, place: int, result: Result) -> None:
        self.results[place] = result
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Grouper:
    """Gathers images and sends them in batches.

    Args:
        send: reads a batch.
        lanes: batches on their way at a time.
        max_batch: images of a batch.
        wait: seconds that a batch waits for more while nothing else is on its way.
        capacity: images that may wait.
        observe: told each batch's size.
    """

    def __init__(
        self,
        send: Send,
        *,
        lanes: int,
        max_batch: int,
        wait: float,
        capacity: int,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._send, self._observe = send, observe
        self._lanes, self._max_batch, self._wait = lanes, max_batch, wait
        self._capacity = capacity
        self._waiting: deque[tuple[_Ticket, int, Item]] = deque()
        self._busy = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Images that no worker has begun with."""
        return len(self._waiting)

    async def read(self, items: list[Item]) -> list[Result]:
        """Returns the images' results, in order. When cancelled, what still waits is dropped.

        Raises:
            RequestError: too many images wait (503).
            EngineError: a worker died or failed.
        """
        if not items:
            return []
        if len(self._waiting) + len(items) > self._capacity:
            raise RequestError(
                503, f"{len(self._waiting)} images wait already; try again later", retry_after=1
            )
        ticket = _Ticket(len(items))
        self._waiting.extend((ticket, place, item) for place, item in enumerate(items))
        self._start()
        try:
            await ticket.done
        finally:
            if ticket.missing:  # nobody waits for the rest of them any more
                kept = (entry for entry in self._waiting if entry[0] is not ticket)
                self._waiting = deque(kept)
        return [result for result in ticket.results if result is not None]

    def _start(self, waited: bool = False) -> None:
        """Sends what may be sent now."""
        while self._waiting and self._busy < self._lanes:
            full = len(self._waiting) >= self._max_batch
            if not (full or waited or self._wait <= 0):
                if self._timer is None:
                    loop = asyncio.get_running_loop()
                    self._timer = loop.call_later(self._wait, self._waited)
                return
            size = min(len(self._waiting), self._max_batch)
            self._busy += 1
            batch = [self._waiting.popleft() for _ in range(size)]
            task = asyncio.create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _waited(self) -> None:
        self._timer = None
        self._start(waited=True)

    async def _run(self, batch: list[tuple[_Ticket, int, Item]]) -> None:
        try:
            self._observe(len(batch))
            results = await self._send([item for _, _, item in batch])
            for (ticket, place, _), result in zip(batch, results, strict=True):
                ticket.put(place, result)
        except Exception as error:  # noqa: BLE001, raised where it is waited for
            for ticket, _, _ in batch:
                ticket.fail(error)
        finally:
            self._busy -= 1
            self._start(waited=True)

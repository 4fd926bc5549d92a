"""From images to results, with the server's limits; what all protocols share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from aocr_plugin.serving.bodies import Body, Held
from aocr_plugin.serving.connection import LEFT
from aocr_plugin.serving.grouping import Grouper
from aocr_plugin.serving.metrics import Metrics
from aocr_plugin.serving.protocol import Engine, EngineError, Item, RequestError, Result
from aocr_plugin.serving.settings import Settings


class Service:
    """Reads requests' images.

    Args:
        settings: the server's.
        engine: what has the workers.
        metrics: where it counts.
    """

    def __init__(self, settings: Settings, engine: Engine, metrics: Metrics) -> None:
        self.settings, self.engine, self.metrics = settings, engine, metrics
        self.max_values = 8 * settings.max_instances + 256
        """Of a request's JSON: what ``max_instances`` need, and a margin."""
        self.grouper = Grouper(
            engine.send,
            lanes=2 * settings.workers,  # one is read while the next is on its way
            max_batch=settings.max_batch,
            wait=settings.batch_wait,
            capacity=settings.queue,
            observe=metrics.batches.observe,
        )
        self.held = Held(settings.max_held)
        metrics.held.set_function(lambda: self.held.now)
        metrics.waiting.set_function(lambda: self.grouper.waiting)
        metrics.ready.set_function(lambda: float(engine.ready()))

    def check(self, name: str, version: str | None, message: str) -> None:
        """Checks that a request is for this server's model.

        Args:
            name: asked for.
            version: asked for, digits, or None.
            message: of the refusal.

        Raises:
            RequestError: it is not (404).
        """
        known = version is None or version.lstrip("0") == str(self.settings.version).lstrip("0")
        if name != self.settings.name or not known:
            raise RequestError(404, message)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Gives a request's body, and the time that the request has: until its client goes.

        Raises:
            RequestError: see :meth:`Body.read`; the body (408) or the answer (504) took too long,
                or the client has gone (499, which no one reads).
        """
        loop, seconds = asyncio.get_running_loop(), self.settings.timeout
        body = Body(request, self.settings.max_bytes, self.held)
        arrived = gone = False

        def left() -> None:
            nonlocal gone
            gone = True
            limit.reschedule(loop.time())

        try:
            async with asyncio.timeout(seconds) as limit:
                data = await body.read()
                arrived = True
                request.scope[LEFT] = left
                try:
                    yield data
                finally:
                    del request.scope[LEFT]
        except TimeoutError:
            if gone:
                raise RequestError(499, "the client has gone") from None
            if not arrived:
                raise RequestError(408, f"the body did not arrive within {seconds:g} s") from None
            raise RequestError(504, f"not read within {seconds:g} s", retry_after=1) from None
        finally:
            body.close()

    async def read(
        self, images: list[bytes], *, one: str = "instance", detail: bool = False
    ) -> list[Result]:
        """Reads a request's images.

        Args:
            images: encoded.
            one: what messages call one of them, before its number; "" for no number.
            detail: whether character scores and attention are wanted.

        Raises:
            RequestError: too many images (413), one that cannot be read, which is named (400), too
                many waiting (503), or a worker that died (500).
        """
        most = self.settings.max_instances
        if len(images) > most:
            raise RequestError(
                413, f"the request has {len(images)} images; at most {most} are taken"
            )
        try:
            results = await self.grouper.read([Item(data, detail) for data in images])
        except EngineError as error:
            raise RequestError(500, str(error)) from None
        wrong = [number for number, result in enumerate(results) if result.error is not None]
        self.metrics.images.inc(len(results) - len(wrong))
        self.metrics.bad_images.inc(len(wrong))
        if wrong:
            why = results[wrong[0]].error
            raise RequestError(400, f"{one} {wrong[0]}: {why}" if one else str(why))
        return results

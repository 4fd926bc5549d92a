"""From images to results, with the server's limits; what all protocols share."""

import asyncio

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

    async def read(
        self, images: list[bytes], *, one: str = "instance", detail: bool = False
    ) -> list[Result]:
        """Reads a request's images.

        Args:
            images: encoded.
            one: what messages call one of them, before its number; "" for no number.
            detail: whether character scores and attention are wanted.

        Raises:
            RequestError: too many images, one that cannot be read, which is named (400), too many
                waiting (503), no answer in time (504), or a worker that died (500).
        """
        most = self.settings.max_instances
        if len(images) > most:
            raise RequestError(
                413, f"the request has {len(images)} images; at most {most} are taken"
            )
        try:
            async with asyncio.timeout(self.settings.timeout):
                results = await self.grouper.read([Item(data, detail) for data in images])
        except TimeoutError:
            limit = f"{self.settings.timeout:g} s"
            raise RequestError(504, f"not read within {limit}", retry_after=1) from None
        except EngineError as error:
            raise RequestError(500, str(error)) from None
        for number, result in enumerate(results):
            if result.error is not None:
                self.metrics.bad_images.inc()
                raise RequestError(400, f"{one} {number}: {result.error}" if one else result.error)
        self.metrics.images.inc(len(results))
        return results

"""Counts and times for Prometheus."""

import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import ProcessCollector as _ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """All of a server's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        _ProcessCollector(registry=self.registry)
        made: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("aocr_requests", "Answers", ["route", "code"], **made)
        self.seconds = Histogram(
            "aocr_request_seconds",
            "From a request to its answer",
            ["route"],
            buckets=_SECONDS,
            **made,
        )
        self.images = Counter("aocr_images", "Images read", **made)
        self.bad_images = Counter("aocr_bad_images", "Images that could not be read", **made)
        self.batches = Histogram(
            "aocr_batch_images",
            "Images of a batch",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            **made,
        )
        self.waiting = Gauge("aocr_waiting_images", "Images that no worker has begun with", **made)
        self.held = Gauge("aocr_held_bytes", "Bytes of the bodies of requests in work", **made)
        self.ready = Gauge("aocr_ready", "1 while a worker has the model loaded", **made)

    def text(self) -> bytes:
        """Returns everything in Prometheus's text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Counts and times each answer under its route's name, never under what a client sent.

    Args:
        app: what it is put around.
        metrics: where to.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, code = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "name", None) or "other"
            self.metrics.requests.labels(route, str(code)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - start)

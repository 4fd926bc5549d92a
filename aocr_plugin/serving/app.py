"""The application: everything that is served, around any engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from aocr_plugin.serving.metrics import Metrics, MetricsMiddleware
from aocr_plugin.serving.open_inference_routes import open_inference_routes
from aocr_plugin.serving.page_routes import page_routes
from aocr_plugin.serving.protocol import Engine
from aocr_plugin.serving.replies import HeadAsGet, handle_errors
from aocr_plugin.serving.service import Service
from aocr_plugin.serving.settings import Settings
from aocr_plugin.serving.tensorflow_routes import tensorflow_routes
from aocr_plugin.version import __version__


def build_app(settings: Settings, engine: Engine) -> FastAPI:
    """Returns the application.

    Args:
        settings: the server's.
        engine: what has the workers.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine.running():
            yield

    app: FastAPI = FastAPIOffline(
        title="aocr",
        version=__version__,
        description="Reads words and lines in images.",
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    metrics = Metrics()
    service = Service(settings, engine, metrics)
    app.include_router(tensorflow_routes(service))
    app.include_router(open_inference_routes(service))
    app.include_router(page_routes(service))
    handle_errors(app)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(HeadAsGet)
    _name_the_model(app.openapi(), settings)
    return app


def _name_the_model(described: dict[str, Any], settings: Settings) -> None:
    """Says in the interface's description which model and version there is."""
    known = {"name": settings.name, "version": str(settings.version)}
    for operations in described["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                parameter["schema"] = {"type": "string", "enum": [known[parameter["name"]]]}

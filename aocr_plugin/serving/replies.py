"""Answers in JSON, errors among them."""

import json
import logging
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from aocr_plugin.serving.protocol import RequestError

_log = logging.getLogger(__name__)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Returns an answer."""
    data = json.dumps(value, allow_nan=False).encode()
    return Response(data, status, headers, media_type="application/json")


def handle_errors(app: FastAPI) -> None:
    """Makes every error ``{"error": "…"}``."""

    @app.exception_handler(RequestError)
    async def refused(request: Request, error: RequestError) -> Response:
        return json_response({"error": error.message}, error.status, error.headers)

    @app.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> Response:
        message = f"{error.detail}: {request.method} {request.scope['path']}"[:300]
        return json_response({"error": message}, error.status_code, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        _log.error("a request to %s failed", request.scope["path"], exc_info=error)
        return json_response({"error": f"the server failed ({type(error).__name__})"}, 500)


class HeadAsGet:
    """Answers HEAD as it would GET; the connection leaves the body away.

    Args:
        app: what it is put around.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self.app(scope, receive, send)

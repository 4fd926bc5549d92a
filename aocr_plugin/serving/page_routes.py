"""The page where one drops an image, and what it asks."""

from importlib import resources

from fastapi import APIRouter, Request, Response

from aocr_plugin.serving import schemas
from aocr_plugin.serving.protocol import RequestError
from aocr_plugin.serving.replies import json_response
from aocr_plugin.serving.service import Service

_POLICY = (
    "default-src 'none'; img-src 'self' blob: data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def page() -> str:
    """Returns the page; it loads nothing."""
    folder = resources.files("aocr_plugin.serving") / "page"
    script, style = ((folder / name).read_text("utf-8") for name in ("script.js", "style.css"))
    text = (folder / "page.html").read_text("utf-8")
    return text.replace("$style", style).replace("$script", script)


def page_routes(service: Service) -> APIRouter:
    """Returns the routes."""
    router = APIRouter(tags=["Page"])
    html = page()

    @router.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response(html, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    @router.post("/read", openapi_extra=schemas.READ, responses=schemas.READING)
    async def read(request: Request) -> Response:
        """Reads the image that is the body; tells where the network looked for each character.

        ``attention`` has a row a character over the encoder's columns, each ``column`` times the
        image's width wide; it is empty where the model does not give it.
        """
        async with service.body(request) as body:
            if not body:
                raise RequestError(400, "the body must be an image file")
            (result,) = await service.read([body], one="", detail=True)
        detail = result.detail or {}
        return json_response({"text": result.text, "score": result.probability, **detail})

    @router.get("/metrics", responses=schemas.METRICS)
    async def metrics() -> Response:
        """Returns counts and times for Prometheus."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    return router

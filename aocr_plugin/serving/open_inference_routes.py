"""The addresses of the Open Inference Protocol, version 2."""

from fastapi import APIRouter, Request, Response

from aocr_plugin.serving import schemas
from aocr_plugin.serving.binary_tensors import HEADER
from aocr_plugin.serving.open_inference import infer_reply, model_reply, parse_infer, server_reply
from aocr_plugin.serving.replies import json_response
from aocr_plugin.serving.service import Service

_MODEL = "/v2/models/{name}"
_VERSION = _MODEL + "/versions/{version}"


def open_inference_routes(service: Service) -> APIRouter:
    """Returns the routes."""
    router = APIRouter(tags=["Open Inference Protocol"])
    settings = service.settings

    def check(name: str, version: str | None = None) -> None:
        what = name if version is None else f"{name}, version {version}"
        service.check(name, version, f"no such model: {what}")

    def readiness() -> Response:
        ready = service.engine.ready()
        return json_response(
            {"ready": True} if ready else {"error": "not ready"}, 200 if ready else 503
        )

    @router.get("/v2", responses=schemas.ANY)
    async def server() -> Response:
        """Returns what the server is."""
        return json_response(server_reply())

    @router.get("/v2/health/live", responses=schemas.ANY)
    async def live() -> Response:
        """Answers while the server runs."""
        return json_response({"live": True})

    @router.get("/v2/health/ready", responses=schemas.ANY)
    async def ready() -> Response:
        """Answers with 200 while a worker has the model loaded."""
        return readiness()

    @router.get(_MODEL, responses=schemas.ANY)
    async def model(name: str) -> Response:
        """Returns the model's inputs and outputs."""
        check(name)
        return json_response(model_reply(name, settings.version))

    @router.get(_VERSION, responses=schemas.ANY)
    async def model_version(name: str, version: str) -> Response:
        """Returns the inputs and outputs of a version of the model."""
        check(name, version)
        return json_response(model_reply(name, settings.version))

    @router.get(_MODEL + "/ready", responses=schemas.ANY)
    async def model_ready(name: str) -> Response:
        """Answers with 200 while the model is loaded."""
        check(name)
        return readiness()

    @router.get(_VERSION + "/ready", responses=schemas.ANY)
    async def model_version_ready(name: str, version: str) -> Response:
        """Answers with 200 while this version of the model is loaded."""
        check(name, version)
        return readiness()

    async def answer(request: Request) -> Response:
        async with service.body(request) as body:
            asked = parse_infer(body, service.max_values, request.headers.get(HEADER))
            results = await service.read(asked.images, one="element")
        reply, binary = infer_reply(asked, settings.name, settings.version, results)
        answer = json_response(reply)
        if not any(asked.outputs.values()):
            return answer
        return Response(
            bytes(answer.body) + binary,
            media_type="application/octet-stream",
            headers={HEADER: str(len(answer.body))},
        )

    @router.post(_MODEL + "/infer", openapi_extra=schemas.INFER, responses=schemas.INFERRED)
    async def infer(request: Request, name: str) -> Response:
        """Reads images: base64 in ``data``, or binary tensors after the JSON.

        Binary tensors are those of the extension "binary_tensor_data".
        """
        check(name)
        return await answer(request)

    @router.post(_VERSION + "/infer", openapi_extra=schemas.INFER, responses=schemas.INFERRED)
    async def infer_version(request: Request, name: str, version: str) -> Response:
        """Reads images with a version of the model."""
        check(name, version)
        return await answer(request)

    return router

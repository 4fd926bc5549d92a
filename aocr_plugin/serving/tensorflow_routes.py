"""The addresses of TensorFlow Serving's REST."""

from fastapi import APIRouter, Request, Response

from aocr_plugin.serving import schemas
from aocr_plugin.serving.protocol import RequestError
from aocr_plugin.serving.replies import json_response
from aocr_plugin.serving.service import Service
from aocr_plugin.serving.tensorflow_rest import (
    metadata_reply,
    parse_predict,
    predict_reply,
    status_reply,
)

_MODEL = "/v1/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def tensorflow_routes(service: Service) -> APIRouter:
    """Returns the routes.

    What a request's content type is called does not matter, as in TensorFlow Serving.
    """
    router = APIRouter(tags=["TensorFlow Serving REST"])
    settings = service.settings

    def check(request: Request, name: str, version: str | None) -> None:
        if ":" in name or not (version is None or _is_number(version)):
            raise _malformed(request)
        asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        service.check(name, version, f"Servable not found for request: {asked}")

    @router.post(_VERSION + ":predict", openapi_extra=schemas.PREDICT, responses=schemas.PREDICTED)
    async def predict_version(request: Request, name: str, version: str) -> Response:
        """Reads images with a version of the model."""
        return await answer(request, name, version)

    @router.post(_MODEL + ":predict", openapi_extra=schemas.PREDICT, responses=schemas.PREDICTED)
    async def predict(request: Request, name: str) -> Response:
        """Reads images, in row form (instances) or column form (inputs)."""
        return await answer(request, name, None)

    async def answer(request: Request, name: str, version: str | None) -> Response:
        check(request, name, version)
        async with service.body(request) as body:
            asked = parse_predict(body, service.max_values)
            return json_response(predict_reply(asked, await service.read(asked.images)))

    @router.get(_VERSION + "/metadata", responses=schemas.METADATA)
    async def metadata_version(request: Request, name: str, version: str) -> Response:
        """Returns the signature of a version of the model."""
        check(request, name, version)
        return json_response(metadata_reply(name, settings.version))

    @router.get(_MODEL + "/metadata", responses=schemas.METADATA)
    async def metadata(request: Request, name: str) -> Response:
        """Returns the model's signature."""
        check(request, name, None)
        return json_response(metadata_reply(name, settings.version))

    @router.get(_VERSION, responses=schemas.STATUS)
    async def status_version(request: Request, name: str, version: str) -> Response:
        """Returns whether a version of the model is loaded."""
        if ":" in name or not _is_number(version):
            raise _malformed(request)
        service.check(name, version, f"Could not find version {version} of model {name}")
        return json_response(status_reply(settings.version, service.engine.ready()))

    @router.get(_MODEL, responses=schemas.STATUS)
    async def status(request: Request, name: str) -> Response:
        """Returns whether the model is loaded."""
        if ":" in name:  # …:predict, but not by POST
            raise _malformed(request)
        service.check(name, None, f"Could not find any versions of model {name}")
        return json_response(status_reply(settings.version, service.engine.ready()))

    @router.api_route("/v1/{rest:path}", methods=_METHODS, include_in_schema=False)
    async def malformed(request: Request) -> Response:
        raise _malformed(request)

    return router


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdigit()


def _malformed(request: Request) -> RequestError:
    return RequestError(400, f"Malformed request: {request.method} {request.scope['path']}"[:300])

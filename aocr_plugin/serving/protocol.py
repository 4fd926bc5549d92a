"""What the parts of the server hand to each other. Needs neither FastAPI nor an engine."""

from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol


class Result(NamedTuple):
    """What was read in one image.

    Attributes:
        text: the text.
        probability: its score.
        error: why nothing was read, or None.
        detail: scores of the characters, attention and where its columns lie, if asked for.
    """

    text: str
    probability: float
    error: str | None = None
    detail: dict[str, Any] | None = None


class Item(NamedTuple):
    """An image on its way to a worker.

    Attributes:
        data: the encoded image.
        detail: whether :attr:`Result.detail` is wanted.
    """

    data: bytes
    detail: bool = False


class Engine(Protocol):
    """What has the workers."""

    async def send(self, items: list[Item]) -> list[Result]:
        """Reads a batch in one of the workers.

        Raises:
            EngineError: the worker died or failed.
        """

    def ready(self) -> bool:
        """Whether a worker has the model loaded."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """The time while the application serves."""


class EngineError(Exception):
    """A worker died or failed while it read a batch."""


class RequestError(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        message: what the client is told.
        retry_after: seconds after which the client may try again.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if status == 408:
            self.headers["Connection"] = "close"  # the rest of the body is not waited for

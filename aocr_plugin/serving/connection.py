"""A connection, as Uvicorn's, which knows no limits before a request's head is whole.

Without them a client that says nothing keeps its connection for ever, and a head without end takes
all memory.
"""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

PATIENCE = 75
"""Seconds for a request's head, from the connection's beginning or the last answer.

More than proxies keep a connection that is not used, so that it is they who close it.
"""
LEFT = "aocr.left"
"""What a request's scope has under this name is called if its client goes."""
MOST_HEAD = 1 << 20
"""Bytes of a request besides its body: its head, and what is around the parts of a body."""


class Connection(HttpToolsProtocol):
    """What Uvicorn makes of each connection; for its ``http``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a request."""
        super().connection_made(transport)
        self._besides = 0
        self._limit = self.loop.call_later(PATIENCE, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends."""
        self._limit.cancel()
        super().connection_lost(exc)
        if self.cycle and LEFT in self.cycle.scope:
            self.cycle.scope[LEFT]()  # type: ignore[literal-required]

    def data_received(self, data: bytes) -> None:
        """Takes bytes."""
        super().data_received(data)
        self._besides += len(data)
        if self._besides > MOST_HEAD and not self.transport.is_closing():
            self._refuse(431, f"more than {MOST_HEAD} bytes of headers")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._besides = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """Takes a part of a request's body, which has its own limit."""
        self._besides -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """A request's head is whole; from here on the application has limits of its own."""
        self._limit.cancel()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A request is answered; waits for the next, unless one came with it."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._limit = self.loop.call_later(PATIENCE, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP."""
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        self.transport.close()

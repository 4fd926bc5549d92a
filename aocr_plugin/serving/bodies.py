"""A request's body, read up to a limit, and what all bodies together take."""

import zlib

from starlette.requests import ClientDisconnect, Request

from aocr_plugin.serving.protocol import RequestError


class Held:
    """Counts the bytes of all bodies that are held at a time.

    Args:
        most: that may be held.
    """

    def __init__(self, most: int) -> None:
        self.most, self.now = most, 0

    def take(self, size: int) -> None:
        """Counts some more.

        Raises:
            RequestError: that would be too many (503).
        """
        if self.now + size > self.most:
            raise RequestError(
                503, f"{self.now} bytes of requests are held already; try again later", 1
            )
        self.now += size

    def release(self, size: int) -> None:
        """Counts them no more."""
        self.now -= size


class Body:
    """A request's body; what it takes is counted until :meth:`close`.

    Args:
        request: whose.
        limit: bytes that it may have, also when it is unpacked.
        held: what counts.
    """

    def __init__(self, request: Request, limit: int, held: Held) -> None:
        self.request, self.limit, self.held = request, limit, held
        self.size = 0

    def _take(self, size: int) -> None:
        if self.size + size > self.limit:
            raise RequestError(
                413, f"the body has more than {self.limit} bytes, which are the most"
            )
        self.held.take(size)
        self.size += size

    async def read(self) -> bytes:
        """Returns the whole body, unpacked if it is gzip.

        Raises:
            RequestError: it is too long (413), packed in another way (415), broken or cut off by
                the client (400), or too much is held at once (503).
        """
        told = self.request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self.limit:
            raise RequestError(413, f"the body has {told} bytes; at most {self.limit} are taken")
        packing = self.request.headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", ""):
            raise RequestError(415, "a body may be packed with gzip, and not in another way")
        parts = []
        try:
            async for part in self.request.stream():
                self._take(len(part))
                parts.append(part)
        except ClientDisconnect:
            raise RequestError(400, "the connection ended before the body did") from None
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._unpacked(data) if packing == "gzip" else data

    def _unpacked(self, data: bytes) -> bytes:
        unpacking = zlib.decompressobj(wbits=31)  # gzip's form
        try:
            found = unpacking.decompress(data, self.limit + 1)
        except zlib.error as error:
            raise RequestError(400, f"the body is no gzip ({error})") from None
        self._take(max(0, len(found) - self.size))
        if not unpacking.eof:
            raise RequestError(400, "the body's gzip is cut off")
        return found

    def close(self) -> None:
        """Counts the body no more."""
        self.held.release(self.size)
        self.size = 0

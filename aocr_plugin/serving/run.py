"""Starts and stops a server on one machine."""

import signal
import socket
import sys
from types import FrameType

import uvicorn

from aocr_plugin.errors import ConfigError
from aocr_plugin.serving.app import build_app
from aocr_plugin.serving.connection import PATIENCE, Connection
from aocr_plugin.serving.litserve_engine import LitServeEngine
from aocr_plugin.serving.settings import Settings

GRACE = 5
"""Seconds above the time-out that a server has to end."""
_WAITING = 2048
"""Connections that may wait to be taken."""


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens; connections wait until they are taken.

    Raises:
        ConfigError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_WAITING)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot serve on {host}:{port} ({reason})") from error
    return bound


def serve(settings: Settings, host: str, port: int, log_level: str = "info") -> int:
    """Serves until SIGTERM or SIGINT, then answers what it has taken on and ends.

    Args:
        settings: the server's.
        host: address to listen on.
        port: to listen on; 0 takes a free one.
        log_level: of the server's messages.

    Returns:
        The exit code.

    Raises:
        ConfigError: the address cannot be had, or the model not be loaded.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    # While loading. Later Uvicorn takes it, and hands it on when it has stopped.
    signal.signal(signal.SIGTERM, stop)
    listen(host, port).close()  # an error is said at once; LitServe's processes inherit no socket
    engine = LitServeEngine(settings)
    with engine.workers(), listen(host, port) as bound:
        host, port = bound.getsockname()[:2]
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        print(
            f"{settings.model} is served at http://{place}/ as '{settings.name}', version "
            f"{settings.version}",
            file=sys.stderr,
            flush=True,
        )
        config = uvicorn.Config(
            build_app(settings, engine),
            log_level=log_level,
            access_log=False,
            http=Connection,
            ws="none",
            timeout_keep_alive=PATIENCE,
            timeout_graceful_shutdown=round(settings.timeout) + GRACE,
            backlog=_WAITING,
        )
        uvicorn.Server(config).run([bound])
    return 0

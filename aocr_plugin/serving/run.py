"""Starts and stops a server on one machine."""

import signal
import socket
import sys
from types import FrameType

import uvicorn

from aocr_plugin.errors import ConfigError
from aocr_plugin.serving.app import build_app
from aocr_plugin.serving.litserve_engine import LitServeEngine
from aocr_plugin.serving.settings import Settings


def bind(host: str, port: int) -> socket.socket:
    """Returns a socket with an address; it takes no connections yet.

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
    except (OSError, OverflowError) as error:
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
    bind(host, port).close()  # an error is said at once; LitServe's processes inherit no socket
    engine = LitServeEngine(settings)
    with engine.workers(), bind(host, port) as bound:
        host, port = bound.getsockname()[:2]
        print(
            f"{settings.model} is served at http://{host}:{port}/ as '{settings.name}', version "
            f"{settings.version}",
            file=sys.stderr,
            flush=True,
        )
        config = uvicorn.Config(
            build_app(settings, engine),
            log_level=log_level,
            access_log=False,
            timeout_graceful_shutdown=round(settings.timeout) + 5,
            backlog=2048,
        )
        uvicorn.Server(config).run([bound])
    return 0

"""Running the search server in the foreground until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.applications import Starlette

HOST = "127.0.0.1"
STOP_SECONDS = 5  # that searches in flight have to finish
MOST_CLIENTS = 256  # connections at a time
REQUEST_SECONDS = 10.0  # that a connection has until its request, or its next one, has its headers


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # h11's or httptools', as is installed
    """Hangs up on a connection that does not come to its request, and on one too many; uvicorn waits for ever."""

    _patience: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(REQUEST_SECONDS, transport.abort)
        if len(self.connections) > MOST_CLIENTS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._patience.cancel()
        if self.cycle is None or self.cycle.response_complete:
            self._patience = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)


def serve(app: Starlette, *, port: int, announce: Callable[[str], None]) -> int:
    """Serve `app` on 127.0.0.1:`port` (0: any free one) and return the exit code once it has stopped.

    `announce` gets the URL as soon as connections are accepted. To be called from the main thread. Raises SettingsError
    when the port is taken.
    """
    with _listen(port) as listener:
        announce(f"http://{HOST}:{listener.getsockname()[1]}")
        # Once it has shut down, uvicorn sends itself the signal that ended it.
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            uvicorn.Server(server_config(app)).run(sockets=[listener])
        except KeyboardInterrupt:
            return 0
        finally:
            signal.signal(signal.SIGTERM, previous)
    return 0


def server_config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Port {port} on {HOST} cannot be used ({error.strerror}); stop what uses it or set KB_SEARCH_PORT."
        ) from None
    listener.listen()
    return listener

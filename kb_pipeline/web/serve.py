"""Running the search server in the foreground until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import ExitStack
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
MOST_CLIENTS = 2_048  # connections at a time; what they may have in work is less, see `limits`
LARGEST_HEAD = 64 * 1024  # bytes that come before the headers of a request end
TOO_LARGE_HEAD = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n"
    b"The headers are larger than this server takes; send fewer or shorter ones."
)
REQUEST_SECONDS = 10.0  # that a connection has until its request, or the rest of its next one, has its headers
# Between two requests; longer than clients and proxies keep a connection, or they ask on one that is just being closed.
IDLE_SECONDS = 65
# How long a thread works while another waits for its turn, so that what is refused is refused at once: some forty
# threads may want to work, and each time that one lets go the loop is one of many to be chosen.
TURN_SECONDS = 0.001


class BoundedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # h11's or httptools', as is installed
    """Hangs up on a connection that does not come to its request, on one too many, and on headers without end;
    uvicorn waits for ever."""

    _patience: asyncio.TimerHandle
    _head = 0  # bytes of a request whose headers have not ended

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(REQUEST_SECONDS, transport.abort)
        if len(self.connections) > MOST_CLIENTS:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._patience.cancel()
        if self.cycle is not None and not self.cycle.response_complete:
            self._head = 0
            return
        self._patience = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)
        if self.cycle is not None and self.cycle.more_body:  # the rest of one that was answered before it ended
            return
        self._head += len(data)
        if self._head > LARGEST_HEAD and not self.transport.is_closing():
            self.transport.write(TOO_LARGE_HEAD)
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)


def serve(app: Starlette, *, port: int, announce: Callable[[str], None], host: str = HOST) -> int:
    """Serve `app` on `port` (0: any free one) of 127.0.0.1 and of `host`; the exit code once it has stopped.

    `announce` gets the URL as soon as connections are accepted. To be called from the main thread. Raises SettingsError
    when the port is taken.
    """
    with ExitStack() as open_sockets:
        listeners = [open_sockets.enter_context(_listen(host, port))]
        port = listeners[0].getsockname()[1]
        if not _covers_this_machine(host):  # links, checks and `kb up` find it where they always do
            listeners.append(open_sockets.enter_context(_listen(HOST, port)))
        announce(f"http://{HOST}:{port}")
        sys.setswitchinterval(TURN_SECONDS)
        # Once it has shut down, uvicorn sends itself the signal that ended it.
        previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            uvicorn.Server(server_config(app)).run(sockets=listeners)
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
        timeout_keep_alive=IDLE_SECONDS,
    )


def _covers_this_machine(host: str) -> bool:
    return host in {HOST, "localhost", "0.0.0.0", "::"}  # noqa: S104 - compared with


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        where = "set KB_SEARCH_PORT" if host == HOST else "correct host of [server], or set KB_SEARCH_PORT"
        raise SettingsError(
            f"Port {port} on {host} cannot be used ({error.strerror}); stop what uses it or {where}."
        ) from None
    listener.listen()
    return listener

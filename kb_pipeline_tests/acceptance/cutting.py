"""A proxy that cuts connections: in front of PostgreSQL's socket, or of an HTTP server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType

CHUNK_BYTES = 1 << 16


class CuttingProxy:
    """Listens on 127.0.0.1:`port` and passes on what `connect` connects to; a context manager.

    `cut_after(n)` cuts every connection once `n` more bytes went to the server; `cut` does so now.
    `cuts` counts how often that happened while connections were open.
    """

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._bytes_left: int | None = None
        self.cuts = 0

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut_after(self, sent_bytes: int) -> None:
        with self._lock:
            self._bytes_left = sent_bytes

    def cut(self) -> None:
        with self._lock:
            pairs, self._pairs, self._bytes_left = self._pairs, [], None
            self.cuts += bool(pairs)
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone does not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = self._connect()
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if to_server and self._spend(len(data)):
                    self.cut()
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _spend(self, count: int) -> bool:
        """True when the connections are to be cut now."""
        with self._lock:
            if self._bytes_left is None:
                return False
            self._bytes_left -= count
            return self._bytes_left < 0

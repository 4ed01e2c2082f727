"""An HTTP server in a thread of a test, for a server that cannot be had here: what such stand-ins have in common."""

from __future__ import annotations

import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StandInServer:
    """`faults`: by name, for the next requests, one each; `over`: set when it is closed, for what it holds up.

    Its handler finds it as `owner`.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler], path: str) -> None:
        self.faults: deque[str] = deque()
        self.over = threading.Event()
        own = {"owner": self, "log_message": lambda *_: None}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), own))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{path}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def next_fault(self) -> str | None:
        return self.faults.popleft() if self.faults else None

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

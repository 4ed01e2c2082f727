"""A receiver of alerts: an HTTP server that keeps what it was sent, and answers badly on request.

    with alert_receiver() as receiver:
        receiver.faults.append("500")     # the next request gets it
        receiver.messages                 # the JSON bodies of those that it took

Faults: "500", "redirect" (to another path of its own, which it would take), "hang" (no answer), "trickle" (a byte of
its headers at a time, for ever), "refused" (200 with an error code, as Feishu, DingTalk and WeCom do), "html".
"""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from kb_pipeline_tests.stand_in_server import StandInServer

if TYPE_CHECKING:
    from collections.abc import Iterator

# What all three say of success, in the fields of each.
TAKEN = {"ok": True, "code": 0, "errcode": 0, "errmsg": "ok", "msg": "success"}
REFUSED = {"code": 19024, "errcode": 310000, "msg": "Key Words Not Found", "errmsg": "keywords not in content"}
SECRET_PATH = "/hooks/3f9c0d"


class AlertReceiver(StandInServer):
    """`requests`: paths of all that came; `messages`: bodies of those that were taken."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.messages: list[dict[str, Any]] = []
        super().__init__(_Handler, SECRET_PATH)


class _Handler(BaseHTTPRequestHandler):
    owner: AlertReceiver

    def do_POST(self) -> None:
        self.owner.requests.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match self.owner.next_fault():
            case None:
                self.owner.messages.append(body)
                self._answer(200, json.dumps(TAKEN).encode())
            case "500":
                self._answer(500, b"Internal Server Error")
            case "html":
                self._answer(200, b"<html>Welcome</html>")
            case "refused":
                self._answer(200, json.dumps(REFUSED).encode())
            case "redirect":
                self._answer(307, b"", Location="/elsewhere")
            case "hang":
                self.owner.over.wait()
            case "trickle":
                self._trickle()

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _trickle(self) -> None:
        with suppress(OSError):  # the other side had enough
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
            while not self.owner.over.wait(0.02):
                self.wfile.write(b"a")


@contextmanager
def alert_receiver() -> Iterator[AlertReceiver]:
    receiver = AlertReceiver()
    try:
        yield receiver
    finally:
        receiver.close()

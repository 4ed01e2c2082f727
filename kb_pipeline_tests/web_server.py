"""A web server of the tests' own, in a thread, that misbehaves on request."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Page:
    """What is answered. `promised`: bytes that the header speaks of and that never come. `hangs`: after the header."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    promised: int = 0
    hangs: bool = False


@dataclass
class WebServer:
    """`pages`: path -> what is answered, 404 for all others. `asked`: (path, headers in small letters), in order."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, body: str | bytes, **headers: str) -> None:
        """Serve a page; `etag` and `last_modified` among `headers` answer conditional requests."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self.pages[path] = Page(body if isinstance(body, bytes) else body.encode(), headers=named)

    def sitemap(self, *paths: str, at: str = "/sitemap.xml") -> None:
        places = "".join(f"<url><loc>{self.url}{path}</loc></url>" for path in paths)
        start = '<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        self.put(at, f"{start}{places}</urlset>")

    def paths(self) -> list[str]:
        """What was asked for since the last call."""
        found = [path for path, _ in self.asked]
        self.asked.clear()
        return found


@contextmanager
def web_server() -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            sent = {name.lower(): value for name, value in self.headers.items()}
            site.asked.append((self.path, sent))
            page = site.pages.get(self.path, Page(b"nothing here", 404))
            status, body = page.status, page.body
            etag, modified = page.headers.get("Etag"), page.headers.get("Last-Modified")
            if status == 200 and (
                (etag and sent.get("if-none-match") == etag)
                or (modified and not etag and sent.get("if-modified-since") == modified)
            ):
                status, body = 304, b""
            self.send_response(status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Length", str(len(body) + page.promised))
            self.end_headers()
            self.wfile.flush()
            if page.hangs:
                site.released.wait(30)
            self.wfile.write(body)
            if page.promised:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    site = WebServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        server.shutdown()
        server.server_close()
        thread.join()

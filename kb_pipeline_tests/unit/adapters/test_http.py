"""What an adapter says of servers that are not the search server, or that answer nonsense."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.adapters.http import PROBLEM, SearchCall
from kb_pipeline.errors import KbError, SearchServerUnavailable, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[str]:
    """The URL of a server that answers every question like this."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "body", "says"),
    [
        (200, "text/html", b"<html>", "is not the search server"),
        (200, "application/json", b"[]", "is not the search server"),
        (200, "application/json", b'{"hits": [{}], "event_id": 1, "note": null}', "is not the search server"),
        (200, "application/json", b"\xff", "is not the search server"),
        (302, "text/html", b"", r"status 302\) is not the search server"),
        (502, "text/html", b"<html>", r"status 502\) is not the search server"),
        (503, PROBLEM, b"not json", "is not the search server"),
        (503, PROBLEM, b'{"detail": "Come again in 2 seconds."}', r"^Come again in 2 seconds\.$"),
        (429, PROBLEM, b'{"detail": "Come again in 3 seconds."}', r"^Come again in 3 seconds\.$"),
    ],
)
def test_other_answers_are_one_sentence(status: int, kind: str, body: bytes, says: str) -> None:
    with answering(status, kind, body) as url:
        with pytest.raises(SearchServerUnavailable, match=says):
            SearchCall(url).search("pump")
        with pytest.raises(SearchServerUnavailable, match=says):
            asyncio.run(SearchCall(url).asearch("pump"))


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(SearchServerUnavailable, match="kb serve") as caught:
        SearchCall("http://me:secret@127.0.0.1:1", "kb_geheim").search("pump")
    assert "127.0.0.1:1" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:8756", "ftp://somewhere", "http://", "http://[::1"])
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(SettingsError, match="give it like http://"):
        SearchCall(url).search("pump")


@pytest.mark.parametrize("url", ["http://a b", "http://127.0.0.1:99999"])
def test_a_url_that_leads_nowhere_is_an_error_of_ours(url: str) -> None:
    with pytest.raises(KbError, match="url"):
        SearchCall(url).search("pump")


def test_the_key_is_not_shown() -> None:
    assert "kb_geheim" not in repr(SearchCall(key="kb_geheim"))

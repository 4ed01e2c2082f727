"""The search server's application: `GET` and `POST /search`, `/collections`, `/health`, `/metrics`, and a page at `/`.

Answers are JSON with the keys of `kb search --json`; an error is `{"error": sentence}` with status 400 when
the request is wrong, 503 when the database or the embedding server is not there. There is no authentication,
so it is bound to 127.0.0.1, and it answers only to that host name: a web page somewhere else, whose
name was pointed at this address, cannot read the knowledge base through its reader's browser. Queries may
hold personal data, so no access log is written and the page sends them in bodies, not in URLs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import time
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from kb_pipeline.errors import (
    DatabaseUnavailable,
    EmbeddingServerUnavailable,
    GenerationMismatch,
    KbError,
    SettingsError,
    UnavailableError,
)
from kb_pipeline.search.retrieve import DEFAULT_K, Mode, SearchRequest, search, searched_collections
from kb_pipeline.store.database import Connection, register_types
from kb_pipeline.store.search import ping
from kb_pipeline.web.metrics import CONTENT_TYPE, SearchMetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.search.retrieve import MaskQuery

MOST_CONNECTIONS = 8
CONNECTION_TIMEOUT = 10.0  # seconds a search waits for a connection
HEALTH_TIMEOUT = 2.0  # seconds
RECONNECT_SECONDS = 60.0  # a restarted PostgreSQL is back by then, or the next search tries again
LARGEST_BODY = 64 * 1024  # bytes
HOSTS = frozenset({"127.0.0.1", "localhost"})

_FIELDS = frozenset({"query", "k", "mode", "collections", "where", "generation"})

_log = logging.getLogger(__name__)


def create_app(
    *,
    database_url: Callable[[], str],
    connect_embedder: Callable[[], EmbeddingClient],
    mask: MaskQuery,
) -> Starlette:
    """The application. `database_url` is asked at every new connection and `connect_embedder` when a query
    vector is first needed, and again after a failure, so that both may start what is not running.
    """
    backend = _Backend(database_url, connect_embedder, mask)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        backend.pool.open()
        try:
            yield
        finally:
            await run_in_threadpool(backend.close)

    async def search_by_url(request: Request) -> Response:
        return await answer(_request_of_url(request))

    async def search_by_body(request: Request) -> Response:
        return await answer(await _request_of_body(request))

    async def answer(wanted: SearchRequest) -> Response:
        return JSONResponse(await run_in_threadpool(backend.search, wanted))

    async def collections(_: Request) -> Response:
        return JSONResponse({"collections": await run_in_threadpool(backend.collections)})

    async def health(_: Request) -> Response:
        await run_in_threadpool(backend.check)
        return JSONResponse({"status": "ok"})

    async def metrics(_: Request) -> Response:
        return Response(backend.metrics.text(), media_type=CONTENT_TYPE)

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE, headers={"content-security-policy": _CONTENT_SECURITY_POLICY})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/search", search_by_url, methods=["GET"]),
            Route("/search", search_by_body, methods=["POST"]),
            Route("/collections", collections),
            Route("/health", health),
            Route("/metrics", metrics),
        ],
        middleware=[Middleware(_Guard)],
        exception_handlers={
            KbError: _kb_error,
            psycopg.Error: _database_error,
            HTTPException: _http_error,
        },
        lifespan=lifespan,
    )


class _Backend:
    """The connections that all requests share."""

    def __init__(
        self,
        database_url: Callable[[], str],
        connect_embedder: Callable[[], EmbeddingClient],
        mask: MaskQuery,
    ) -> None:
        self.pool: ConnectionPool[Connection] = ConnectionPool(
            database_url,
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,
                "connect_timeout": 5,
                "application_name": "kb_pipeline search",
            },
            min_size=0,
            max_size=MOST_CONNECTIONS,
            configure=register_types,
            check=ConnectionPool.check_connection,
            timeout=CONNECTION_TIMEOUT,
            reconnect_timeout=RECONNECT_SECONDS,
            open=False,
            name="search",
        )
        self._connect_embedder = connect_embedder
        self._mask = mask
        self._lock = Lock()
        self._client: EmbeddingClient | None = None
        self.metrics = SearchMetrics()

    def search(self, request: SearchRequest) -> dict[str, Any]:
        asked: list[EmbeddingClient] = []
        connecting = 0.0

        def embedder() -> EmbeddingClient:
            nonlocal connecting
            begun = time.perf_counter()
            asked.append(self._embedder())
            connecting = time.perf_counter() - begun
            return asked[-1]

        with self._connection() as connection:
            try:
                found = search(connection, request, embedder=embedder, mask=self._mask)
                embedding = found.timings_ms.get("embed")
                # A server that had to be started first says nothing about how fast it is.
                seconds = None if embedding is None else max(embedding / 1000 - connecting, 0.0)
                self.metrics.searched(found.mode, found.timings_ms["total"] / 1000, seconds)
                return found.as_json()
            except KbError as error:
                if isinstance(error, EmbeddingServerUnavailable | GenerationMismatch):
                    self.metrics.embedding_failed()
                # Another server or another model may stand at the next address that we are given.
                if asked:
                    self._forget(asked[-1])
                raise

    def collections(self) -> list[str]:
        with self._connection() as connection:
            return searched_collections(connection)

    def check(self) -> None:
        with self._connection(HEALTH_TIMEOUT) as connection:
            ping(connection)

    def close(self) -> None:
        self.pool.close()
        with self._lock:
            if self._client is not None:
                self._client.close()

    @contextmanager
    def _connection(self, timeout: float = CONNECTION_TIMEOUT) -> Iterator[Connection]:
        try:
            connection = self.pool.getconn(timeout)
        except (PoolTimeout, PoolClosed):
            raise DatabaseUnavailable(
                f"PostgreSQL gave no connection within {timeout:.0f} seconds; start it, or try again in a moment."
            ) from None
        try:
            yield connection
        finally:
            self.pool.putconn(connection)

    def _embedder(self) -> EmbeddingClient:
        with self._lock:
            if self._client is None:
                self._client = self._connect_embedder()
            return self._client

    def _forget(self, client: EmbeddingClient) -> None:
        """Connect anew next time. Searches that still use `client` finish with it; then it is collected."""
        with self._lock:
            if self._client is client:
                self._client = None


# --- requests --------------------------------------------------------------------------------------


def _request_of_url(request: Request) -> SearchRequest:
    given = request.query_params
    return SearchRequest(
        query=given.get("q", ""),
        k=_number(given.get("k", DEFAULT_K)),
        mode=cast("Mode", given.get("mode") or "hybrid"),
        collections=tuple(name for name in given.getlist("collection") if name),
        where=given.get("where") or None,
        generation=given.get("generation") or None,
    )


async def _request_of_body(request: Request) -> SearchRequest:
    # A form on another site could send any other type without the browser asking us first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body is not JSON; send it with content-type application/json.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"The body is larger than {LARGEST_BODY // 1024} KiB; ask in fewer words.")
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise SettingsError('The body is not a JSON object; send one such as {"query": "annual leave", "k": 5}.')
    return _request_of_json(given)


def _request_of_json(given: Mapping[str, Any]) -> SearchRequest:
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise SettingsError(f"The field {unknown[0][:40]} is unknown; use {', '.join(sorted(_FIELDS))}.")
    texts = {name: given.get(name) for name in ("query", "mode", "where", "generation")}
    for name, value in texts.items():
        if not isinstance(value, str | None):
            raise SettingsError(f"The field {name} is not a text; put it in quotes.")
    collections = given.get("collections") or []
    if not isinstance(collections, list) or not all(isinstance(name, str) for name in collections):
        raise SettingsError("The field collections is not a list of names; send a list, or leave it out for all.")
    return SearchRequest(
        query=texts["query"] or "",
        k=_number(given.get("k", DEFAULT_K)),
        mode=cast("Mode", texts["mode"] or "hybrid"),
        collections=tuple(collections),
        where=texts["where"],
        generation=texts["generation"],
    )


def _number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value):
        return int(value)
    raise SettingsError("k is not a whole number; choose how many passages to return, such as 10.")


# --- errors ----------------------------------------------------------------------------------------


async def _kb_error(_: Request, error: Exception) -> Response:
    status = 400 if isinstance(error, SettingsError) else 503 if isinstance(error, UnavailableError) else 500
    return _error(status, str(error))


async def _database_error(_: Request, error: Exception) -> Response:
    # The message of a database error may quote the query.
    _log.error("The database refused a search: %s, SQLSTATE %s", type(error).__name__, getattr(error, "sqlstate", None))
    return _error(500, "The database refused the search; run `kb doctor` and `kb audit` to find out why.")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    sentences = {
        404: "There is nothing at this address; search at /search, or open / in a browser.",
        405: "This address does not take that method; use GET or POST at /search.",
    }
    return _error(error.status_code, sentences.get(error.status_code, error.detail), error.headers)


def _error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


# --- headers and the page --------------------------------------------------------------------------


class _Guard:
    """Refuses foreign host names, and sets the headers that every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers["cache-control"] = "no-store"
            await send(message)

        host = Headers(scope=scope).get("host", "").rpartition(":")[0] or Headers(scope=scope).get("host", "")
        if host.lower() not in HOSTS:
            refusal = "This server only answers to the host name 127.0.0.1; have a reverse proxy send that one."
            await _error(400, refusal)(scope, receive, send_guarded)
            return
        await self.app(scope, receive, send_guarded)


def _inline_hash(page: str, element: str) -> str:
    """The CSP source of the one inline `element` of `page`."""
    (inline,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"


_PAGE = resources.files("kb_pipeline.web").joinpath("static", "search.html").read_text(encoding="utf-8")
_CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src {_inline_hash(_PAGE, 'script')}; style-src {_inline_hash(_PAGE, 'style')}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

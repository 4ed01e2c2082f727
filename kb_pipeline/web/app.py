"""The search server's application: `GET` and `POST /search`, `/collections`, `/health`, `/metrics`, and a page at `/`.

Answers are JSON with the keys of `kb search --json`; an error is `{"error": sentence}` with status 400 when
the request is wrong, 503 when the database or the embedding server is not there. There is no authentication,
so it is bound to 127.0.0.1, and it answers only to that host name: a web page somewhere else, whose
name was pointed at this address, cannot read the knowledge base through its reader's browser. Nor can such a page
have that browser ask: what a browser says another site wants is refused before it is searched or logged. Queries may
hold personal data, so no access log is written and the page sends them in bodies, not in URLs.

A slow embedding server or reranker holds up only the searches that need it: those wait in threads of their own, without
a connection.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
from contextlib import asynccontextmanager, contextmanager
from importlib import resources
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, cast

import psycopg
from anyio import CapacityLimiter, to_thread
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from pydantic import BaseModel, ConfigDict, StrictInt, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
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
from kb_pipeline.search.fusion import Fusion
from kb_pipeline.search.glossary import NO_GLOSSARY, Glossary
from kb_pipeline.search.request import DEFAULT_K, Mode, SearchRequest
from kb_pipeline.search.retrieve import search, searched_collections
from kb_pipeline.store.database import Connection, register_types
from kb_pipeline.store.search import ping
from kb_pipeline.web.metrics import CONTENT_TYPE, SearchMetrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.search.rerank import Reranker
    from kb_pipeline.search.retrieve import MaskQuery

MOST_CONNECTIONS = 8
MOST_WAITING = 32  # searches that wait for a query vector, or have one
CONNECTION_TIMEOUT = 10.0  # seconds a search waits for a connection
HEALTH_TIMEOUT = 2.0  # seconds
RECONNECT_SECONDS = 60.0  # a restarted PostgreSQL is back by then, or the next search tries again
LARGEST_BODY = 64 * 1024  # bytes
BODY_SECONDS = 10.0  # that a client has to send one
HOSTS = frozenset({"127.0.0.1", "localhost"})
OWN_REQUESTS = frozenset({"same-origin", "none"})  # Sec-Fetch-Site: our own page, or what a person typed

_log = logging.getLogger(__name__)


def create_app(
    *,
    database_url: Callable[[], str],
    connect_embedder: Callable[[], EmbeddingClient],
    mask: MaskQuery,
    fusion_weight: Callable[[Sequence[str]], float],
    reranker: Reranker | None = None,
    glossary: Callable[[], Glossary] = lambda: NO_GLOSSARY,
) -> Starlette:
    """The application. `database_url` is asked at every new connection and `connect_embedder` when a query
    vector is first needed, and again after a failure, so that both may start what is not running. `fusion_weight`: of
    meaning in a hybrid search over these collections (none: all).
    """
    backend = _Backend(database_url, connect_embedder, mask, fusion_weight, reranker, glossary)

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
        threads = backend.waiting if backend.waits_for_others(wanted) else None
        return JSONResponse(await to_thread.run_sync(backend.search, wanted, limiter=threads))

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
            ClientDisconnect: _hung_up,
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
        fusion_weight: Callable[[Sequence[str]], float],
        reranker: Reranker | None,
        glossary: Callable[[], Glossary],
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
        self._fusion_weight = fusion_weight
        self._reranker = reranker
        self._glossary = glossary
        self._lock = Lock()
        self._client: EmbeddingClient | None = None
        self.waiting = CapacityLimiter(MOST_WAITING)
        self.metrics = SearchMetrics()

    def search(self, request: SearchRequest) -> dict[str, Any]:
        try:
            found = search(
                self._connection,
                request,
                embedder=self._embedder,
                mask=self._mask,
                weight=self._fusion_weight(request.collections),
                reranker=self._reranker,
                glossary=self._glossary(),
            )
        except (EmbeddingServerUnavailable, GenerationMismatch):
            self._forget_embedder()
            raise
        if found.note is not None and found.note.code == "embedding_server":
            self._forget_embedder()
        embedding = found.timings_ms.get("embed")
        self.metrics.searched(
            found.mode, found.timings_ms["total"] / 1000, None if embedding is None else embedding / 1000
        )
        return found.as_json()

    def waits_for_others(self, request: SearchRequest) -> bool:
        return request.mode != "lexical" or (request.rerank and self._reranker is not None)

    def collections(self) -> list[str]:
        return searched_collections(self._connection)

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

    def _forget_embedder(self) -> None:
        """It failed a search. Connect anew next time: another server or another model may stand at the address that
        we are given then. Searches that still use the client finish with it; then it is collected.
        """
        self.metrics.embedding_failed()
        with self._lock:
            self._client = None


# --- requests --------------------------------------------------------------------------------------


WholeNumber = StrictInt | Annotated[str, StringConstraints(pattern="^-?[0-9]{1,9}$")]


class _Asked(BaseModel):
    """A search as a client writes it."""

    model_config = ConfigDict(extra="forbid")

    query: str | None = None
    k: WholeNumber = DEFAULT_K
    mode: str | None = None
    collections: list[str] | None = None
    where: str | None = None
    generation: str | None = None
    fusion: str | None = None
    per_document: WholeNumber | None = None
    merge: bool = False
    fold: bool = True
    rerank: bool = True
    explain: bool = False

    def request(self) -> SearchRequest:
        return SearchRequest(
            query=self.query or "",
            k=int(self.k),
            mode=cast("Mode", self.mode or "hybrid"),
            collections=tuple(self.collections or ()),
            where=self.where or None,
            generation=self.generation or None,
            fusion=cast("Fusion", self.fusion or "convex"),
            per_document=None if self.per_document is None else int(self.per_document),
            merge=self.merge,
            fold=self.fold,
            rerank=self.rerank,
            explain=self.explain,
        )


_WRONG_FIELDS = {
    "k": "k is not a whole number; choose how many passages to return, such as 10.",
    "per_document": "per_document is not a whole number; choose how many hits a document may have, or leave it out.",
    "collections": "The field collections is not a list of names; send a list, or leave it out for all.",
    **{
        name: f"The field {name} is neither true nor false; send one of both."
        for name in ("merge", "fold", "rerank", "explain")
    },
}


def _wrong_request(error: ValidationError) -> SettingsError:
    """What is wrong, in one sentence that repeats no value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if not first["loc"]:
        return SettingsError('The body is not a JSON object; send one such as {"query": "annual leave", "k": 5}.')
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return SettingsError(f"The field {name[:40]} is unknown; use {', '.join(sorted(_Asked.model_fields))}.")
    return SettingsError(_WRONG_FIELDS.get(name, f"The field {name} is not a text; put it in quotes."))


def _request_of_url(request: Request) -> SearchRequest:
    given = request.query_params
    names = {name: name for name in _Asked.model_fields if name not in {"query", "collections"}} | {"query": "q"}
    values: dict[str, Any] = {field: given[name] for field, name in names.items() if name in given}
    try:
        return _Asked(**values, collections=[name for name in given.getlist("collection") if name]).request()
    except ValidationError as error:
        raise _wrong_request(error) from None


async def _request_of_body(request: Request) -> SearchRequest:
    # A form on another site could send any other type without the browser asking us first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body is not JSON; send it with content-type application/json.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return _Asked.model_validate_json(await _body(request)).request()
    except TimeoutError:
        raise HTTPException(408, "The body did not come in time; send the request again.") from None
    except ValidationError as error:
        raise _wrong_request(error) from None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"The body is larger than {LARGEST_BODY // 1024} KiB; ask in fewer words.")
    return bytes(body)


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


async def _hung_up(_: Request, _cause: Exception) -> Response:
    """Nobody reads this answer, and it is nothing to complain about."""
    return _error(499, "The client hung up.")


def _error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


# --- headers and the page --------------------------------------------------------------------------


class _Guard:
    """Refuses foreign host names and what other sites ask for, and sets the headers that every answer carries."""

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

        refusal = _refusal(Headers(scope=scope), scope["path"])
        await (refusal or self.app)(scope, receive, send_guarded)


def _refusal(headers: Headers, path: str) -> Response | None:
    """Starlette's TrustedHostMiddleware would do for the first half, were it not for its wording."""
    host = headers.get("host", "")
    if (host.rpartition(":")[0] or host).lower() not in HOSTS:
        return _error(400, "This server only answers to the host name 127.0.0.1; have a reverse proxy send that one.")
    # The page itself holds nothing, and other sites may link to it.
    if path != "/" and headers.get("sec-fetch-site", "none") not in OWN_REQUESTS:
        return _error(403, "Another web site asked for this; open the search page and search there.")
    return None


def _inline_hash(page: str, element: str) -> str:
    """The CSP source of the one inline `element` of `page`."""
    (inline,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"


_PAGE = resources.files("kb_pipeline.web").joinpath("static", "search.html").read_text(encoding="utf-8")
_CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src {_inline_hash(_PAGE, 'script')}; style-src {_inline_hash(_PAGE, 'style')}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

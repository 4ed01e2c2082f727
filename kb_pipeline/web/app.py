"""The search server's application: `GET` and `POST /search`, `/collections`, `/health`, `/metrics`, and a page at `/`.

Answers are JSON with the keys of `kb search --json`; an error is `{"error": sentence}` with status 400 when the request
is wrong, 401 or 403 when whoever asks may not (see `web.admission`), 503 when the database or the embedding server is
not there. It answers only to the host names it knows: a web page somewhere else, whose name was pointed at this
address, cannot read the knowledge base through its reader's browser. Nor can such a page have that browser ask: what a
browser says another site wants is refused before it is searched or logged. Queries may hold personal data, so no access
log is written and the page sends them in bodies, not in URLs.

A slow embedding server or reranker holds up only the searches that need it: those wait in threads of their own, without
a connection.
"""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import asynccontextmanager
from importlib import resources
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, cast

import psycopg
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ConfigDict, StrictInt, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from kb_pipeline.access.keys import KeyRing
from kb_pipeline.errors import EmbeddingServerUnavailable, GenerationMismatch, KbError, SettingsError
from kb_pipeline.search.fusion import Fusion
from kb_pipeline.search.glossary import NO_GLOSSARY, Glossary
from kb_pipeline.search.request import DEFAULT_K, Mode, SearchRequest
from kb_pipeline.search.retrieve import search, searched_collections
from kb_pipeline.store.search import ping
from kb_pipeline.web import answers
from kb_pipeline.web.admission import Admission, Gate
from kb_pipeline.web.bodies import json_body
from kb_pipeline.web.connections import Connections
from kb_pipeline.web.feedback import FeedbackWriter, feedback_routes
from kb_pipeline.web.guard import Guard
from kb_pipeline.web.metrics import CONTENT_TYPE, SearchMetrics
from kb_pipeline.web.session import session_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.search.rerank import Reranker
    from kb_pipeline.search.retrieve import MaskQuery

MOST_CONNECTIONS = 8
MOST_WAITING = 32  # searches that wait for a query vector, or have one
CONNECTION_TIMEOUT = 10.0  # seconds a search waits for a connection
HEALTH_TIMEOUT = 2.0  # seconds
ACCESS_TIMEOUT = 2.0  # seconds


def create_app(
    *,
    database_url: Callable[[], str],
    connect_embedder: Callable[[], EmbeddingClient],
    mask: MaskQuery,
    fusion_weight: Callable[[Sequence[str]], float],
    reranker: Reranker | None = None,
    glossary: Callable[[], Glossary] = lambda: NO_GLOSSARY,
    admission: Admission = Admission(),  # noqa: B008 - frozen
) -> Starlette:
    """The application. `database_url` is asked at every new connection and `connect_embedder` when a query
    vector is first needed, and again after a failure, so that both may start what is not running. `fusion_weight`: of
    meaning in a hybrid search over these collections (none: all).
    """
    backend = _Backend(database_url, connect_embedder, mask, fusion_weight, reranker, glossary)
    access = Connections(database_url, name="access", most=1, timeout=ACCESS_TIMEOUT)
    gate = Gate(admission, KeyRing(access.connection))
    judgments = Connections(database_url, name="feedback", most=1, timeout=ACCESS_TIMEOUT)
    writer = FeedbackWriter(judgments.connection)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        backend.connections.open()
        access.open()
        judgments.open()
        writer.start()
        try:
            yield
        finally:
            await run_in_threadpool(writer.close)
            await run_in_threadpool(judgments.close)
            await run_in_threadpool(access.close)
            await run_in_threadpool(backend.close)

    async def search_by_url(request: Request, principal: Principal) -> Response:
        return await answer(_request_of_url(request), principal)

    async def search_by_body(request: Request, principal: Principal) -> Response:
        return await answer(await _request_of_body(request), principal)

    async def answer(wanted: SearchRequest, principal: Principal) -> Response:
        threads = backend.waiting if backend.waits_for_others(wanted) else None
        return JSONResponse(await to_thread.run_sync(backend.search, wanted, principal, limiter=threads))

    async def collections(_: Request, principal: Principal) -> Response:
        return JSONResponse({"collections": await run_in_threadpool(backend.collections, principal)})

    async def health(_: Request) -> Response:
        await run_in_threadpool(backend.check)
        return JSONResponse({"status": "ok"})

    async def metrics(_: Request, _principal: Principal) -> Response:
        return Response(backend.metrics.text(), media_type=CONTENT_TYPE)

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE, headers={"content-security-policy": _CONTENT_SECURITY_POLICY})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/search", gate.needs("search", search_by_url), methods=["GET"]),
            Route("/search", gate.needs("search", search_by_body), methods=["POST"]),
            Route("/collections", gate.needs("search", collections)),
            Route("/health", health),
            Route("/metrics", gate.needs("admin", metrics)),
            *session_routes(gate),
            *feedback_routes(gate, writer),
        ],
        middleware=[Middleware(Guard, hosts=admission.hosts)],
        exception_handlers={
            KbError: answers.kb_error,
            psycopg.Error: answers.database_error,
            HTTPException: answers.http_error,
            ClientDisconnect: answers.hung_up,
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
        self.connections = Connections(database_url, name="search", most=MOST_CONNECTIONS, timeout=CONNECTION_TIMEOUT)
        self._connect_embedder = connect_embedder
        self._mask = mask
        self._fusion_weight = fusion_weight
        self._reranker = reranker
        self._glossary = glossary
        self._lock = Lock()
        self._client: EmbeddingClient | None = None
        self.waiting = CapacityLimiter(MOST_WAITING)
        self.metrics = SearchMetrics()

    def search(self, request: SearchRequest, principal: Principal) -> dict[str, Any]:
        try:
            found = search(
                self.connections.connection,
                request,
                embedder=self._embedder,
                mask=self._mask,
                weight=self._fusion_weight(principal.among(request.collections)),
                principal=principal,
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

    def collections(self, principal: Principal) -> list[str]:
        return searched_collections(self.connections.connection, principal)

    def check(self) -> None:
        with self.connections.connection(HEALTH_TIMEOUT) as connection:
            ping(connection)

    def close(self) -> None:
        self.connections.close()
        with self._lock:
            if self._client is not None:
                self._client.close()

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
    body = await json_body(request)
    try:
        return _Asked.model_validate_json(body).request()
    except ValidationError as error:
        raise _wrong_request(error) from None


# --- the page ---------------------------------------------------------------------------------------


def _inline_hash(page: str, element: str) -> str:
    """The CSP source of the one inline `element` of `page`."""
    (inline,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}'"


_PAGE = resources.files("kb_pipeline.web").joinpath("static", "search.html").read_text(encoding="utf-8")
_CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src {_inline_hash(_PAGE, 'script')}; style-src {_inline_hash(_PAGE, 'style')}; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

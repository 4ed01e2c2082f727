"""The search server's application: an API under `/v1`, and a page at `/`.

What there is, `/v1/openapi.json` says; it is made from the types of the routes. An error is problem details of one
sentence (see `web.problems`). The server answers only to the host names it knows: a web page somewhere else, whose name
was pointed at this address, cannot read the knowledge base through its reader's browser. Nor can such a page have that
browser ask: what a browser says another site wants is refused before it is searched or logged. Queries may hold
personal data, so no access log is written and the page sends them in bodies, not in URLs.

A slow embedding server or reranker holds up only the searches that need it: those wait in threads of their own, without
a connection.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect

from kb_pipeline.access.keys import KeyRing
from kb_pipeline.errors import KbError
from kb_pipeline.search.glossary import NO_GLOSSARY, Glossary
from kb_pipeline.web import problems
from kb_pipeline.web.admission import Admission, Gate
from kb_pipeline.web.backend import Backend
from kb_pipeline.web.connections import Connections
from kb_pipeline.web.feedback import FeedbackWriter
from kb_pipeline.web.guard import Guard
from kb_pipeline.web.routes.answer import answer_routes
from kb_pipeline.web.routes.documents import document_routes
from kb_pipeline.web.routes.embeddings import embedding_routes
from kb_pipeline.web.routes.feedback import feedback_routes
from kb_pipeline.web.routes.mcp import mcp_routes
from kb_pipeline.web.routes.originals import original_routes
from kb_pipeline.web.routes.overview import overview_routes
from kb_pipeline.web.routes.page import page_routes
from kb_pipeline.web.routes.review import review_routes
from kb_pipeline.web.routes.search import search_routes
from kb_pipeline.web.routes.service import service_routes
from kb_pipeline.web.routes.session import session_routes
from kb_pipeline.web.routes.uploads import upload_routes
from kb_pipeline.web.routes.vector_stores import vector_store_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from kb_pipeline.answers.answering import Answerer
    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.operations.originals import Original
    from kb_pipeline.operations.overview import Overview
    from kb_pipeline.operations.uploads import Uploads
    from kb_pipeline.search.rerank import Reranker
    from kb_pipeline.search.retrieve import MaskQuery
    from kb_pipeline.store.database import Connection

ACCESS_TIMEOUT = 2.0  # seconds


def create_app(
    *,
    database_url: Callable[[], str],
    connect_embedder: Callable[[], EmbeddingClient],
    mask: MaskQuery,
    fusion_weight: Callable[[Sequence[str]], float],
    open_original: Callable[[Connection, int], Original],
    uploads: Uploads,
    overview: Callable[[Connection], Overview],
    reranker: Reranker | None = None,
    glossary: Callable[[], Glossary] = lambda: NO_GLOSSARY,
    admission: Admission = Admission(),  # noqa: B008 - frozen
    own_embedder: Callable[[str], EmbeddingClient] | None = None,
    answerer: Answerer | None = None,
) -> FastAPI:
    """The application. `database_url` is asked at every new connection and `connect_embedder` when a query
    vector is first needed, and again after a failure, so that both may start what is not running. `fusion_weight`: of
    meaning in a hybrid search over these collections (none: all). `open_original`: the file of a document, see
    `operations.originals`. `uploads`: where documents go that come in. `overview`: of the corpus, for its keepers.
    `own_embedder`: of a collection whose generation is its own. `answerer`: writes answers; None: there are none.
    """
    backend = Backend(database_url, connect_embedder, mask, fusion_weight, reranker, glossary, own_embedder)
    access = Connections(database_url, name="access", most=1, timeout=ACCESS_TIMEOUT)
    gate = Gate(admission, KeyRing(access.connection))
    judgments = Connections(database_url, name="feedback", most=1, timeout=ACCESS_TIMEOUT)
    writer = FeedbackWriter(judgments.connection)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        backend.connections.open()
        access.open()
        judgments.open()
        writer.start()
        await run_in_threadpool(uploads.remove_partial)
        try:
            yield
        finally:
            await run_in_threadpool(writer.close)
            await run_in_threadpool(judgments.close)
            await run_in_threadpool(access.close)
            await run_in_threadpool(backend.close)

    routers = [
        search_routes(gate, backend),
        answer_routes(gate, backend, answerer),
        document_routes(gate, backend),
        original_routes(gate, backend, open_original),
        upload_routes(gate, backend, uploads),
        feedback_routes(gate, writer),
        review_routes(gate, backend),
        vector_store_routes(gate, backend),
        embedding_routes(gate, backend),
        mcp_routes(gate, backend),
        session_routes(gate, answers=answerer is not None),
        *service_routes(gate, backend),
        overview_routes(gate, backend, overview),
        page_routes(gate),
    ]
    return FastAPI(
        title="kb_pipeline",
        summary="Search in a company's documents, and read what was found.",
        version="1",
        openapi_url=None,  # a route of its own describes the API; pages that show it load scripts from elsewhere
        routes=[route for router in routers for route in router.routes],
        middleware=[Middleware(Guard, hosts=admission.hosts, places=gate.places)],
        exception_handlers={
            KbError: problems.kb_error,
            psycopg.Error: problems.database_error,
            HTTPException: problems.http_error,
            RequestValidationError: problems.wrong_request,
            ClientDisconnect: problems.hung_up,
            Exception: problems.unexpected,
        },
        lifespan=lifespan,
    )

"""A site for those who search it: over HTTP, and over MCP on stdin and stdout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial

import anyio

from kb_pipeline.access.principal import ANYONE
from kb_pipeline.access.proxy import Proxies
from kb_pipeline.answers.prompt import load_prompt
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.originals import open_original
from kb_pipeline.operations.overview import overview
from kb_pipeline.operations.search import mask_query
from kb_pipeline.operations.uploads import uploads_of
from kb_pipeline.search.glossary import load_glossary
from kb_pipeline.services.search_socket import answering, identity
from kb_pipeline.settings import ServerSettings, Settings
from kb_pipeline.site import configured_answerer, connect_embedding, database_url, open_site
from kb_pipeline.store.database import Connection, database_errors
from kb_pipeline.store.keys import any_key
from kb_pipeline.system.hosts import is_loopback
from kb_pipeline.web.admission import Admission
from kb_pipeline.web.app import create_app
from kb_pipeline.web.backend import Backend
from kb_pipeline.web.guard import HOSTS
from kb_pipeline.web.local_searches import LocalSearches
from kb_pipeline.web.serve import serve


def serve_site(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the search server until it is told to stop; `announce` is given its address.

    Raises SettingsError when its port is taken or it would be open to others, UnavailableError.
    """
    admission = admission_of(settings.server)
    with database_errors(), open_site(settings) as site:
        if admission.asks and not may_let_in(settings.server, site.connect()):
            raise SettingsError(
                f"The server would listen at {settings.server.host}, beyond this machine, and nobody has a key; run "
                "kb keys create NAME first, or listen at 127.0.0.1."
            )
        site.scope()  # a wrong key is one sentence now, not one in answer to each query
        answerer = configured_answerer(settings)
        if answerer is not None:
            load_prompt(answerer.prompt)
        app = create_app(
            # Asked again after a failure: an embedded server may have come back elsewhere.
            database_url=lambda: database_url(settings),
            connect_embedder=lambda: connect_embedding(settings),
            mask=partial(mask_query, site),
            fusion_weight=settings.fusion_weight_for,
            open_original=partial(open_original, site.names),
            uploads=uploads_of(settings, lambda: site.names),
            overview=partial(overview, site),
            reranker=site.reranker,
            glossary=lambda: load_glossary(settings.glossary.file),
            admission=admission,
            own_embedder=site.embedding_of,
            answerer=answerer,
        )
        with (
            closing(LocalSearches(settings)) as searches,
            answering(settings.home_path, identity(settings), searches.answer),
        ):
            return serve(app, port=settings.search_port, announce=announce, host=settings.server.host)


def speak_mcp(settings: Settings) -> int:
    """Speak MCP until stdin ends, with whoever may start this process: their files are what is searched.

    Raises SettingsError, UnavailableError.
    """
    from kb_pipeline.web.mcp import speak

    with database_errors(), open_site(settings) as site:
        site.scope()
        backend = Backend(
            database_url=lambda: database_url(settings),
            connect_embedder=lambda: connect_embedding(settings),
            mask=partial(mask_query, site),
            fusion_weight=settings.fusion_weight_for,
            reranker=site.reranker,
            glossary=lambda: load_glossary(settings.glossary.file),
            own_embedder=site.embedding_of,
        )
        backend.connections.open()
        try:
            anyio.run(speak, backend, ANYONE)
        finally:
            backend.close()
    return 0


def admission_of(server: ServerSettings) -> Admission:
    """Whom the server lets in; what others than this machine reach is never open."""
    proxies = Proxies(server.proxies, server.user_header, server.groups_header) if server.proxies else None
    own = {f"[{server.host}]" if ":" in server.host else server.host.lower()} - {"0.0.0.0", "[::]"}  # noqa: S104
    asks = server.require_keys or bool(server.proxies) or not is_loopback(server.host)
    rate = server.requests_per_minute / 60 or None
    return Admission(HOSTS | own | frozenset(server.names), asks, proxies, rate)


def may_let_in(server: ServerSettings, connection: Connection) -> bool:
    """Whether a server that asks for keys can ever let anyone in, or is meant to wait for the first one."""
    return server.require_keys or bool(server.proxies) or any_key(connection)

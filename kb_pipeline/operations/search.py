"""Searching a site, once from the command line or for as long as the search server runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

from kb_pipeline.search.retrieve import SearchRequest, SearchResult
from kb_pipeline.search.retrieve import search as retrieve
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site, connect_embedding, database_url, open_site
from kb_pipeline.store.database import database_errors


def search(site: Site, request: SearchRequest) -> SearchResult:
    """Raises SettingsError, GenerationMismatch, EmbeddingServerUnavailable."""
    connection = site.connect()
    return retrieve(
        lambda: nullcontext(connection),
        request,
        embedder=lambda: site.embedding,
        mask=partial(mask_query, site),
    )


def serve(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the search server until it is told to stop; `announce` is given its address.

    Raises SettingsError when its port is taken, UnavailableError.
    """
    from kb_pipeline.web.app import create_app
    from kb_pipeline.web.serve import serve as run_server

    with database_errors(), open_site(settings) as site:
        site.scope()  # a wrong key is one sentence now, not one in answer to each query
        app = create_app(
            # Asked again after a failure: an embedded server may have come back elsewhere.
            database_url=lambda: database_url(settings),
            connect_embedder=lambda: connect_embedding(settings),
            mask=partial(mask_query, site),
        )
        return run_server(app, port=settings.search_port, announce=announce)


def mask_query(site: Site, query: str, collections: Sequence[str]) -> list[str]:
    """`query` in every form in which its words may be stored; the first may be logged, shown and embedded.

    That first one is masked as all policies of `collections` (none named: all) would have it together. The others are
    only for looking up: `query` as each of them masks it and as it is, since what a detector takes for a value here it
    may have left in a document, and what may stand for it there.
    """
    maskers = site.maskers.among(collections)
    spellings = [masker.mask(query).text for masker in maskers]
    stand_ins = [" ".join(masker.possible_stand_ins(query)) for masker in maskers]
    return list(dict.fromkeys([*spellings, query, *filter(None, stand_ins)]))

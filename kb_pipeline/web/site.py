"""The search server of a site."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kb_pipeline.operations.search import mask_query
from kb_pipeline.search.glossary import load_glossary
from kb_pipeline.settings import Settings
from kb_pipeline.site import connect_embedding, database_url, open_site
from kb_pipeline.store.database import database_errors
from kb_pipeline.web.app import create_app
from kb_pipeline.web.serve import serve


def serve_site(settings: Settings, announce: Callable[[str], None]) -> int:
    """Run the search server until it is told to stop; `announce` is given its address.

    Raises SettingsError when its port is taken, UnavailableError.
    """
    with database_errors(), open_site(settings) as site:
        site.scope()  # a wrong key is one sentence now, not one in answer to each query
        app = create_app(
            # Asked again after a failure: an embedded server may have come back elsewhere.
            database_url=lambda: database_url(settings),
            connect_embedder=lambda: connect_embedding(settings),
            mask=partial(mask_query, site),
            fusion_weight=settings.fusion_weight_for,
            reranker=site.reranker,
            glossary=lambda: load_glossary(settings.glossary.file),
        )
        return serve(app, port=settings.search_port, announce=announce)

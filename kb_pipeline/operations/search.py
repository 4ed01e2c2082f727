"""Searching a site, once from the command line or for as long as the search server runs."""

from __future__ import annotations

from kb_pipeline.search.retrieve import SearchRequest, SearchResult
from kb_pipeline.search.retrieve import search as retrieve
from kb_pipeline.site import Site


def search(site: Site, request: SearchRequest) -> SearchResult:
    """Raises SettingsError, GenerationMismatch, EmbeddingServerUnavailable."""
    with site.connect() as connection:
        return retrieve(
            connection,
            request,
            embedder=lambda: site.embedding,
            mask=lambda text: site.masker.mask(text).text,
        )

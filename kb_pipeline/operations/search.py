"""Searching a site."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from kb_pipeline.search.glossary import load_glossary
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.result import SearchResult
from kb_pipeline.search.retrieve import search as retrieve
from kb_pipeline.site import Site


def search(site: Site, request: SearchRequest) -> SearchResult:
    """Raises SettingsError, GenerationMismatch, EmbeddingServerUnavailable."""
    connection = site.connect()
    return retrieve(
        lambda: nullcontext(connection),
        request,
        embedder=lambda: site.embedding,
        mask=partial(mask_query, site),
        weight=site.settings.fusion_weight_for(request.collections),
        reranker=site.reranker,
        glossary=load_glossary(site.settings.glossary.file),
    )


def mask_query(site: Site, query: str, collections: Sequence[str]) -> list[str]:
    """`query` in every form in which its words may be stored; the first may be logged, shown and embedded.

    That first one is masked as all policies of `collections` (none named: all) would have it together. The others are
    only for looking up: `query` as each of them masks it and as it is, since what a detector takes for a value here it
    may have left in a document, and what may stand for it there.
    """
    maskers = site.maskers.among(collections)
    spellings = [masker.mask(query).text for masker in maskers]
    stand_ins = [form for masker in maskers for form in masker.possible_stand_ins(query)]
    return list(dict.fromkeys([*spellings, query, *stand_ins]))

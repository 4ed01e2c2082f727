"""Searching a site."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from kb_pipeline.operations.agreement import disagreements
from kb_pipeline.search.glossary import load_glossary
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.result import SearchResult
from kb_pipeline.search.retrieve import search as retrieve
from kb_pipeline.site import Site

if TYPE_CHECKING:
    from kb_pipeline.embedding.client import EmbeddingClient


Ask = Callable[[SearchRequest], SearchResult]


def search(site: Site, request: SearchRequest) -> SearchResult:
    """Raises SettingsError, GenerationMismatch, EmbeddingServerUnavailable."""
    return searching(site)(request)


def answer(site: Site, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What `kb search` shows, as plain data: `result`, and `disagreements` of the settings with what was searched.

    `asked`: the fields of a SearchRequest. Raises as `search` does.
    """
    request = SearchRequest(**{**asked, "collections": tuple(asked["collections"])})
    result = search(site, request)
    said = disagreements(site, site.connect(), ask=False) if request.generation is None else []
    return {"result": result.as_json(), "disagreements": said}


def searching(site: Site, *, weight: float | None = None, embedder: Callable[[], EmbeddingClient] | None = None) -> Ask:
    """Searches the site, many times over one connection, as `search` does.

    `weight`: of meaning, instead of what the settings say. `embedder`: of another server than the settings'.
    """
    connection = site.connect()
    glossary = load_glossary(site.settings.glossary.file)

    def ask(request: SearchRequest) -> SearchResult:
        return retrieve(
            lambda: nullcontext(connection),
            request,
            embedder=embedder or (lambda: site.embedding),
            own_embedder=None if embedder else site.embedding_of,
            mask=partial(mask_query, site),
            weight=site.settings.fusion_weight_for(request.collections) if weight is None else weight,
            reranker=site.reranker,
            glossary=glossary,
        )

    return ask


def mask_query(site: Site, query: str, collections: Sequence[str]) -> list[str]:
    """`query` in every form in which its words may be stored; the first may be logged, shown and embedded.

    That first one is masked as all policies of `collections` (none named: all) would have it together. The others are
    only for looking up: `query` as each of them masks it and as it is, since what a detector takes for a value here it
    may have left in a document, and what may stand for it there or in the name of a file.
    """
    maskers = site.maskers.among(collections)
    spellings = [masker.mask(query).text for masker in maskers]
    stand_ins = [form for masker in maskers for form in masker.possible_stand_ins(query)]
    names = [name for masker in maskers for name in masker.mask_paths([query])]
    return list(dict.fromkeys([*spellings, query, *stand_ins, *names]))

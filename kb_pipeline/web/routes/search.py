"""`/v1/search` by URL and by body, `/v1/collections` and `/v1/facets`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from anyio import to_thread
from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from kb_pipeline.search.documents import collections
from kb_pipeline.search.facets import Facets, facets
from kb_pipeline.search.fusion import Fusion
from kb_pipeline.search.request import DEFAULT_K, MOST_CHARACTERS, MOST_K, Mode, SearchRequest
from kb_pipeline.search.result import Hit, SearchResult
from kb_pipeline.store.reading import CollectionCount
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.parameters import Collections, Text

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.backend import Backend


class _Options(BaseModel):
    """What a search may say beside the question and the collections."""

    k: int = Field(DEFAULT_K, ge=1, le=MOST_K, description="How many passages.")
    mode: Mode = Field("hybrid", description="By which rankings.")
    where: Text | None = Field(None, description="A condition, as for `kb search --where`.")
    generation: Text | None = Field(None, description="Of the vectors; left out: the active one.")
    fusion: Fusion = Field("convex", description="Of both rankings of a hybrid search.")
    per_document: int | None = Field(None, ge=1, le=MOST_K, description="Most hits of one document.")
    merge: bool = Field(False, description="Passages that follow each other become one hit.")
    fold: bool = Field(True, description="Passages that say the same become one hit.")
    rerank: bool = Field(True, description="By the site's reranker, where it has one.")
    explain: bool = Field(False, description="Say for each hit what its score comes from.")

    def about(self, query: str, collections: list[str]) -> SearchRequest:
        return SearchRequest(
            query=query,
            k=self.k,
            mode=self.mode,
            collections=tuple(collections),
            where=self.where or None,
            generation=self.generation or None,
            fusion=self.fusion,
            per_document=self.per_document,
            merge=self.merge,
            fold=self.fold,
            rerank=self.rerank,
            explain=self.explain,
        )


class SearchByUrl(_Options):
    model_config = ConfigDict(extra="forbid")

    q: Text = Field(min_length=1, max_length=MOST_CHARACTERS, description="The question.")
    collection: list[Text] = Field([], description="Repeatable; left out: all.")


class SearchByBody(_Options):
    model_config = ConfigDict(extra="forbid", strict=True)

    query: Text = Field(min_length=1, max_length=MOST_CHARACTERS, description="The question.")
    collections: list[Text] | None = Field(None, description="Left out: all.")


class SearchAnswer(BaseModel):
    """`query` is masked; `mode` is the one that ran; `note` says what a person should know about the hits."""

    query: str
    mode: Mode
    generation: str | None
    event_id: int | None = Field(description="What feedback refers to.")
    hits: tuple[Hit, ...]
    timings_ms: Mapping[str, float]
    note: str | None
    note_code: str | None
    reranked: bool

    @classmethod
    def of(cls, found: SearchResult) -> SearchAnswer:
        return cls(
            query=found.query,
            mode=found.mode,
            generation=found.generation,
            event_id=found.event_id,
            hits=found.hits,
            timings_ms=found.timings_ms,
            note=found.note.text if found.note else None,
            note_code=found.note.code if found.note else None,
            reranked=found.reranked,
        )


class CollectionList(BaseModel):
    collections: tuple[CollectionCount, ...]


def search_routes(gate: Gate, backend: Backend) -> APIRouter:
    router = gate.router("search")

    @router.get("/search")
    async def search_by_url(asked: Annotated[SearchByUrl, Query()], principal: Asking) -> SearchAnswer:
        """The best passages for a question. Such a URL holds the question, and ends up in logs of what lies between."""
        return await answer(asked.about(asked.q, [name for name in asked.collection if name]), principal)

    @router.post("/search")
    async def search_by_body(asked: SearchByBody, principal: Asking) -> SearchAnswer:
        """The best passages for a question."""
        return await answer(asked.about(asked.query, asked.collections or []), principal)

    async def answer(wanted: SearchRequest, principal: Asking) -> SearchAnswer:
        threads = backend.waiting if backend.waits_for_others(wanted) else None
        return SearchAnswer.of(await to_thread.run_sync(backend.search, wanted, principal, limiter=threads))

    @router.get("/collections")
    async def list_collections(principal: Asking) -> CollectionList:
        """The collections that the key may search, with what is in them."""
        return CollectionList(collections=await run_in_threadpool(collections, backend.connection, principal))

    @router.get("/facets")
    async def count_facets(
        principal: Asking,
        field: Annotated[list[Text], Query(description="Repeatable; left out: all that there are.")] = [],  # noqa: B006
        collection: Collections = [],  # noqa: B006
        where: Annotated[Text | None, Query(description="A condition, as of a search.")] = None,
    ) -> Facets:
        """The values of fields, with how many documents have each."""

        def counted() -> Facets:
            with backend.connection() as connection:
                return facets(connection, principal, field, where=where, collections=collection, mask=backend.mask)

        return await run_in_threadpool(counted)

    return router

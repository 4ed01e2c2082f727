"""`/v1/vector_stores`: collections, to programs that speak OpenAI's protocol.

A collection is a vector store whose id is its name. What OpenAI calls a file is a document, and its attributes are the
fields that the document has, with the place of the passage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from anyio import to_thread
from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from kb_pipeline.search import documents
from kb_pipeline.search.openai_filters import Filter, where
from kb_pipeline.search.request import MOST_CHARACTERS, SearchRequest
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.parameters import Text

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.search.result import Hit
    from kb_pipeline.store.reading import CollectionCount
    from kb_pipeline.web.backend import Backend

MOST_RESULTS = 50
MOST_STORES = 100
MOST_ATTRIBUTES = 16  # as OpenAI has it
NO_STORE = "There is no vector store of this id that you may search; /v1/vector_stores lists those there are."

StoreId = Annotated[Text, Path(max_length=200, description="The name of a collection.")]


class FileCounts(BaseModel):
    in_progress: int = 0
    completed: int
    failed: int = 0
    cancelled: int = 0
    total: int


class VectorStore(BaseModel):
    """`usage_bytes`: of the documents' files. `created_at`: when the first of them was found, in Unix seconds."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: int
    name: str
    usage_bytes: int
    file_counts: FileCounts
    status: Literal["completed"] = "completed"
    metadata: dict[str, str] = {}

    @classmethod
    def of(cls, found: CollectionCount) -> VectorStore:
        return cls(
            id=found.name,
            created_at=int(found.first_at.timestamp()),
            name=found.name,
            usage_bytes=found.bytes,
            file_counts=FileCounts(completed=found.documents, total=found.documents),
        )


class VectorStoreList(BaseModel):
    object: Literal["list"] = "list"
    data: tuple[VectorStore, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class RankingOptions(BaseModel):
    """`ranker` none: without the site's reranker."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: float = Field(0.0, ge=0, le=1)


class StoreSearch(BaseModel):
    """Several queries are asked as one. `rewrite_query` is taken and not done."""

    model_config = ConfigDict(extra="forbid", strict=True)

    query: Text | Annotated[list[Text], Field(min_length=1, max_length=20)]
    filters: Filter | None = None
    max_num_results: int = Field(10, ge=1, le=MOST_RESULTS)
    ranking_options: RankingOptions = RankingOptions()
    rewrite_query: bool = False


class Content(BaseModel):
    type: Literal["text"] = "text"
    text: str


class Found(BaseModel):
    """`file_id`: the id of the document. `filename`: its path in its source."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, str | float | bool]
    content: tuple[Content, ...]

    @classmethod
    def of(cls, hit: Hit) -> Found:
        return cls(
            file_id=str(hit.document_id),
            filename=hit.source_file,
            score=hit.score,
            attributes=_attributes(hit),
            content=(Content(text=hit.content),),
        )


class FoundPage(BaseModel):
    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: tuple[str, ...]
    data: tuple[Found, ...]
    has_more: Literal[False] = False
    next_page: None = None


def vector_store_routes(gate: Gate, backend: Backend) -> APIRouter:
    router = gate.router("search")

    @router.get("/vector_stores")
    async def list_vector_stores(
        principal: Asking,
        limit: Annotated[int, Query(ge=1, le=MOST_STORES)] = 20,
        order: Literal["asc", "desc"] = "desc",
        after: Annotated[Text | None, Query(description="The `last_id` of the part before.")] = None,
        before: Annotated[Text | None, Query(description="Only those in front of this one.")] = None,
    ) -> VectorStoreList:
        """The collections that the key may search, by age."""
        found = [VectorStore.of(count) for count in await counts(principal)]
        found.sort(key=lambda store: (store.created_at, store.id), reverse=order == "desc")
        ids = [store.id for store in found]
        first = ids.index(after) + 1 if after in ids else 0
        end = ids.index(before) if before in ids else len(ids)
        part = found[first:end][:limit]
        return VectorStoreList(
            data=tuple(part),
            first_id=part[0].id if part else None,
            last_id=part[-1].id if part else None,
            has_more=len(found[first:end]) > limit,
        )

    @router.get("/vector_stores/{vector_store_id}")
    async def show_vector_store(principal: Asking, vector_store_id: StoreId) -> VectorStore:
        """One collection."""
        return VectorStore.of(await known(principal, vector_store_id))

    @router.post("/vector_stores/{vector_store_id}/search")
    async def search_vector_store(principal: Asking, vector_store_id: StoreId, asked: StoreSearch) -> FoundPage:
        """The best passages of a collection for a question."""
        await known(principal, vector_store_id)
        query = asked.query if isinstance(asked.query, str) else "\n".join(asked.query)
        if not 1 <= len(query) <= MOST_CHARACTERS:
            raise HTTPException(400, f"The query has {len(query):,} characters; ask with 1 to {MOST_CHARACTERS:,}.")
        wanted = SearchRequest(
            query=query,
            k=asked.max_num_results,
            collections=(vector_store_id,),
            where=None if asked.filters is None else where(asked.filters),
            rerank=asked.ranking_options.ranker != "none",
        )
        found = await to_thread.run_sync(backend.search, wanted, principal, limiter=backend.waiting)
        least = asked.ranking_options.score_threshold
        data = tuple(Found.of(hit) for hit in found.hits if not least or hit.score >= least)
        return FoundPage(search_query=(found.query,), data=data)

    async def counts(principal: Principal) -> list[CollectionCount]:
        return await run_in_threadpool(documents.collections, backend.connection, principal)

    async def known(principal: Principal, name: str) -> CollectionCount:
        found = next((count for count in await counts(principal) if count.name == name), None)
        if found is None:
            raise HTTPException(404, NO_STORE)
        return found

    return router


def _attributes(hit: Hit) -> dict[str, str | float | bool]:
    """A list becomes one text."""
    place: dict[str, Any] = {
        "chunk_key": hit.chunk_key,
        "page_number": hit.page_number,
        "page_end": hit.page_end,
        "section_title": hit.section_title,
    }
    known = {name: value for name, value in (place | dict(hit.fields)).items() if value is not None}
    plain = {name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in known.items()}
    return dict(list(plain.items())[:MOST_ATTRIBUTES])

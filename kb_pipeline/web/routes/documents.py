"""`/v1/documents`: which there are, and what they say as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Query
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from kb_pipeline.search import documents
from kb_pipeline.search.documents import MOST_AT_ONCE, Page
from kb_pipeline.store.reading import Document, DocumentEntry, Passage
from kb_pipeline.web.admission import Asking, Gate

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.web.backend import Backend

LARGEST_ID = 2**63 - 1
NO_DOCUMENT = "There is no document of this id that you may read; /v1/documents lists those there are."
NO_PASSAGE = "This document has no such passage; leave around out to begin with its first."

Id = Annotated[int, Path(ge=1, le=LARGEST_ID, description="`document_id` of a hit.")]
Limit = Annotated[int, Query(ge=1, le=MOST_AT_ONCE, description="How many at most.")]
Cursor = Annotated[int, Query(ge=0, le=LARGEST_ID, description="`next_cursor` of the part before.")]


class DocumentPart(BaseModel):
    """`next_cursor`: where the next part begins; null at the end."""

    documents: tuple[DocumentEntry, ...]
    next_cursor: int | None


class PassagePart(BaseModel):
    """`next_cursor`: where the next part begins; null at the end."""

    chunks: tuple[Passage, ...]
    next_cursor: int | None


class PagePart(BaseModel):
    """`next_cursor`: where the next part begins; null at the end."""

    pages: tuple[Page, ...]
    next_cursor: int | None


def document_routes(gate: Gate, backend: Backend) -> APIRouter:
    router = gate.router("read")
    connect = backend.connection

    @router.get("/documents")
    async def list_documents(
        principal: Asking,
        collection: Annotated[list[str], Query(description="Repeatable; left out: all.")] = [],  # noqa: B006
        name: Annotated[str | None, Query(description="`source_file` of a hit.")] = None,
        limit: Limit = 100,
        cursor: Cursor = 0,
    ) -> DocumentPart:
        """The documents of which something can be found, in order of their ids."""

        def found() -> list[DocumentEntry]:
            names = () if name is None else backend.mask(name, principal.among(collection))
            return documents.documents(
                connect, principal, collections=collection, names=names, after=cursor, most=limit + 1
            )

        part = await run_in_threadpool(found)
        return DocumentPart(documents=tuple(part[:limit]), next_cursor=part[limit - 1].id if part[limit:] else None)

    @router.get("/documents/{document_id}")
    async def show_document(principal: Asking, document_id: Id) -> Document:
        """What is known of a document."""
        return await known(principal, document_id)

    @router.get("/documents/{document_id}/chunks")
    async def list_passages(
        principal: Asking,
        document_id: Id,
        limit: Limit = 100,
        cursor: Cursor = 0,
        around: Annotated[
            str | None, Query(max_length=64, description="`chunk_key` of a passage; it comes with its neighbours.")
        ] = None,
    ) -> PassagePart:
        """Its passages in their order, as they are searched. A cursor is the ordinal of the first."""
        first = cursor
        if around is not None:
            place = await run_in_threadpool(documents.ordinal, connect, principal, document_id, around)
            if place is None:
                await known(principal, document_id)
                raise HTTPException(404, NO_PASSAGE)
            first = max(place - (limit - 1) // 2, 0)
        part = await run_in_threadpool(
            documents.passages, connect, principal, document_id, after=first - 1, most=limit + 1
        )
        if not part:
            await known(principal, document_id)
        return PassagePart(chunks=tuple(part[:limit]), next_cursor=part[limit].ordinal if part[limit:] else None)

    @router.get("/documents/{document_id}/pages")
    async def list_pages(
        principal: Asking,
        document_id: Id,
        limit: Limit = 20,
        cursor: Cursor = 0,
        first: Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="The first page that is wanted.")] = None,
        last: Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="The last page that is wanted.")] = None,
    ) -> PagePart:
        """Its text page by page, cleaned and masked. What has no pages is one page without a number."""
        pages = await run_in_threadpool(documents.pages, connect, principal, document_id)
        if not pages:
            await known(principal, document_id)
        wanted = [page for page in pages if _is_between(page.page_number, first, last)]
        end = cursor + limit
        return PagePart(pages=tuple(wanted[cursor:end]), next_cursor=end if wanted[end:] else None)

    async def known(principal: Asking, document_id: int) -> Document:
        found = await run_in_threadpool(documents.document, connect, principal, document_id)
        if found is None:
            raise HTTPException(404, NO_DOCUMENT)
        return found

    return router


def _is_between(page: int | None, first: int | None, last: int | None) -> bool:
    return page is None or ((first is None or page >= first) and (last is None or page <= last))

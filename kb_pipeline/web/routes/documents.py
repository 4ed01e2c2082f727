"""`/v1/documents`: which there are, and what they say as it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from kb_pipeline.search import documents
from kb_pipeline.search.documents import Page
from kb_pipeline.store.reading import Document, DocumentEntry, Passage
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.parameters import LARGEST_ID, Collections, Cursor, DocumentId, Limit, Text

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.search.retrieve import Connect
    from kb_pipeline.web.backend import Backend

NO_DOCUMENT = "There is no document of this id that you may read; /v1/documents lists those there are."
NO_PASSAGE = "This document has no such passage; leave around out to begin with its first."

PageNumber = Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="Leave out pages beyond this one.")]


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
        collection: Collections = [],  # noqa: B006
        name: Annotated[Text | None, Query(description="`source_file` of a hit.")] = None,
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
    async def show_document(principal: Asking, document_id: DocumentId) -> Document:
        """What is known of a document."""
        return await known_document(connect, principal, document_id)

    @router.get("/documents/{document_id}/chunks")
    async def list_passages(
        principal: Asking,
        document_id: DocumentId,
        limit: Limit = 100,
        cursor: Cursor = 0,
        around: Annotated[
            Text | None, Query(max_length=64, description="`chunk_key` of a passage; it comes with its neighbours.")
        ] = None,
    ) -> PassagePart:
        """Its passages in their order, as they are searched. A cursor is the ordinal of the first."""
        await known_document(connect, principal, document_id)
        first = cursor if around is None else await _place(connect, principal, document_id, around, limit)
        part = await run_in_threadpool(
            documents.passages, connect, principal, document_id, after=first - 1, most=limit + 1
        )
        return PassagePart(chunks=tuple(part[:limit]), next_cursor=part[limit].ordinal if part[limit:] else None)

    @router.get("/documents/{document_id}/pages")
    async def list_pages(
        principal: Asking,
        document_id: DocumentId,
        limit: Limit = 20,
        cursor: Cursor = 0,
        first: PageNumber = None,
        last: PageNumber = None,
    ) -> PagePart:
        """Its text page by page, cleaned and masked. What has no pages is one page without a number."""
        await known_document(connect, principal, document_id)
        pages = await run_in_threadpool(documents.pages, connect, principal, document_id)
        wanted = [page for page in pages if page.is_between(first, last)]
        end = cursor + limit
        return PagePart(pages=tuple(wanted[cursor:end]), next_cursor=end if wanted[end:] else None)

    return router


async def known_document(connect: Connect, principal: Principal, document_id: int) -> Document:
    """Raises HTTPException for one that is not there for this principal."""
    found = await run_in_threadpool(documents.document, connect, principal, document_id)
    if found is None:
        raise HTTPException(404, NO_DOCUMENT)
    return found


async def _place(connect: Connect, principal: Principal, document_id: int, chunk_key: str, limit: int) -> int:
    """The ordinal of the first of `limit` passages around one. Raises HTTPException."""
    place = await run_in_threadpool(documents.ordinal, connect, principal, document_id, chunk_key)
    if place is None:
        raise HTTPException(404, NO_PASSAGE)
    return max(place - (limit - 1) // 2, 0)

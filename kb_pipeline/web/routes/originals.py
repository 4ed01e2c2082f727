"""`/v1/documents/{id}/original`: the file itself, for those who have a right to it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from kb_pipeline.errors import ChangedWhileRead, UnreadableFile
from kb_pipeline.source.listing import READ_BYTES
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.parameters import DocumentId
from kb_pipeline.web.routes.documents import known_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from fastapi import APIRouter

    from kb_pipeline.operations.originals import Original
    from kb_pipeline.store.database import Connection
    from kb_pipeline.web.backend import Backend


class _File(StreamingResponse):
    media_type = "application/octet-stream"  # never shown by a browser, whatever it holds


def original_routes(gate: Gate, backend: Backend, open_original: Callable[[Connection, int], Original]) -> APIRouter:
    router = gate.router("original")

    @router.get("/documents/{document_id}/original", response_class=_File)
    async def send_original(principal: Asking, document_id: DocumentId) -> Response:
        """The file itself, in which nothing is masked. 409 when it has changed since it was read, 410 when it is
        gone.
        """
        await known_document(backend.connection, principal, document_id)

        def opened() -> Original:
            with backend.connection() as connection:
                return open_original(connection, document_id)

        try:
            original = await run_in_threadpool(opened)
        except ChangedWhileRead as error:
            raise HTTPException(409, str(error)) from None
        except UnreadableFile as error:
            raise HTTPException(410, str(error)) from None
        attachment = {"content-disposition": f"attachment; filename*=UTF-8''{quote(original.name)}"}
        return _File(_pieces(original.file), headers=attachment, background=BackgroundTask(original.file.close))

    return router


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(READ_BYTES):
        yield piece

"""`/v1/collections/{collection}/documents/{name}`: documents that come in over HTTP, and how far they have come."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import Path, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from kb_pipeline.errors import Forbidden
from kb_pipeline.operations.uploads import NameTaken, Standing, State, Uploads
from kb_pipeline.search import documents
from kb_pipeline.web.admission import Asking, Gate
from kb_pipeline.web.bodies import Bounds
from kb_pipeline.web.problems import documented

if TYPE_CHECKING:
    from fastapi import APIRouter

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.web.backend import Backend

UPLOAD_SECONDS = 600.0
NOT_HERE = "No document of this name was sent here; GET /v1/documents lists those that can be found."
FROM_ELSEWHERE = "This document comes from a source folder; change or remove its file there, and run kb ingest."
EMPTY = "The body is empty; send the bytes of the file."
NO_SPACE = "There is no room for the document on the server's disk; make room and send it again."

Collection = Annotated[str, Path(min_length=1, max_length=200)]
Name = Annotated[str, Path(min_length=1, max_length=200, description="The file's name, with its extension.")]


class UploadStatus(BaseModel):
    """`state`: waiting for a run, loaded, failed for the `reason` given, or leaving with the next run. `document_id`:
    once a run has seen it. `status_url`: this answer, later."""

    collection: str
    name: str
    state: State
    reason: str | None
    document_id: int | None
    status_url: str


def upload_routes(gate: Gate, backend: Backend, uploads: Uploads) -> APIRouter:
    router = gate.router("write", file=Bounds(uploads.largest, UPLOAD_SECONDS))
    address = "/collections/{collection}/documents/{name}"

    @router.put(
        address, status_code=202, openapi_extra=_body(uploads.largest), responses=documented(400, 408, 409, 413, 507)
    )
    async def put(
        principal: Asking, collection: Collection, name: Name, request: Request, response: Response
    ) -> UploadStatus:
        """Add a document, or replace it; the next run reads it. 409 for a name that another has but for capitals."""
        _require(principal, collection)
        await _receive(uploads, collection, name, request)
        await run_in_threadpool(register)
        found = await standing(collection, name)
        answer = _status(collection, name, found or Standing("waiting", None, None))
        response.headers["location"] = answer.status_url
        return answer

    @router.get(address, responses=documented(404, 409))
    async def status(principal: Asking, collection: Collection, name: Name) -> UploadStatus:
        """How far a document has come that was sent here."""
        _require(principal, collection)
        found = await standing(collection, name)
        if found is None:
            raise await refusal(principal, collection, name)
        return _status(collection, name, found)

    @router.delete(address, status_code=202, responses=documented(404, 409, 413))
    async def delete(principal: Asking, collection: Collection, name: Name) -> UploadStatus:
        """Remove a document that was sent here; the next run takes out what it says."""
        _require(principal, collection)
        if not await run_in_threadpool(uploads.remove, collection, name):
            raise await refusal(principal, collection, name)
        return _status(collection, name, await standing(collection, name) or Standing("leaving", None, None))

    def register() -> None:
        with backend.connection() as connection:
            uploads.register(connection)

    async def standing(collection: str, name: str) -> Standing | None:
        return await run_in_threadpool(_standing, backend, uploads, collection, name)

    async def refusal(principal: Principal, collection: str, name: str) -> HTTPException:
        return await run_in_threadpool(_refusal, backend, principal, collection, name)

    return router


def _body(largest: int) -> dict[str, Any]:
    """What a PUT takes, of at most `largest` bytes."""
    schema = {"type": "string", "format": "binary", "minLength": 1, "maxLength": largest}
    content = {"application/octet-stream": {"schema": schema}}
    return {"requestBody": {"required": True, "description": "The bytes of the file.", "content": content}}


async def _receive(uploads: Uploads, collection: str, name: str, request: Request) -> None:
    """Write the body to its place. Raises HTTPException, SettingsError."""
    try:
        async with contextmanager_in_threadpool(uploads.writing(collection, name)) as file:
            async for piece in request.stream():
                await run_in_threadpool(file.write, piece)
            if file.tell() == 0:
                raise HTTPException(400, EMPTY)
    except NameTaken as error:
        raise HTTPException(409, str(error)) from None
    except OSError as error:
        raise _no_room(error) from None


def _standing(backend: Backend, uploads: Uploads, collection: str, name: str) -> Standing | None:
    with backend.connection() as connection:
        return uploads.standing(connection, collection, name)


def _refusal(backend: Backend, principal: Principal, collection: str, name: str) -> HTTPException:
    """Why a document that was not sent here is not."""
    names = backend.mask(f"{collection}/{name}", [collection])
    found = documents.documents(backend.connection, principal, names=names, most=1)
    return HTTPException(409, FROM_ELSEWHERE) if found else HTTPException(404, NOT_HERE)


def _require(principal: Principal, collection: str) -> None:
    if principal.collections is not None and collection not in principal.collections:
        raise Forbidden("This key may not write to this collection; ask for one that may.")


def _status(collection: str, name: str, found: Standing) -> UploadStatus:
    url = f"/v1/collections/{quote(collection, safe='')}/documents/{quote(name, safe='')}"
    return UploadStatus(
        collection=collection,
        name=name,
        state=found.state,
        reason=found.reason,
        document_id=found.document_id,
        status_url=url,
    )


def _no_room(error: OSError) -> HTTPException:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return HTTPException(507, NO_SPACE)
    reason = error.strerror or type(error).__name__
    return HTTPException(503, f"The server cannot write to its folder of documents ({reason}); correct that.")

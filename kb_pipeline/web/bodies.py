"""Reading the JSON body of a request, within bounds of size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_BODY = 64 * 1024  # bytes
BODY_SECONDS = 10.0  # that a client has to send one


async def json_body(request: Request) -> bytes:
    """What was sent as JSON, not yet read as such. Raises HTTPException."""
    # A form on another site could send any other type without the browser asking us first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body is not JSON; send it with content-type application/json.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _received(request)
    except TimeoutError:
        raise HTTPException(408, "The body did not come in time; send the request again.") from None


async def _received(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"The body is larger than {LARGEST_BODY // 1024} KiB; send less.")
    return bytes(body)

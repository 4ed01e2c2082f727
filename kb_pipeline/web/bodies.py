"""Bodies of requests, within bounds of size and time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive

LARGEST_BODY = 64 * 1024  # bytes
BODY_SECONDS = 10.0  # that a client has to send one


def require_json(request: Request) -> None:
    """Raises HTTPException."""
    # A form on another site could send any other type without the browser asking us first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body is not JSON; send it with content-type application/json.")


def bounded(receive: Receive) -> Receive:
    """`receive`, which raises HTTPException for a body that is too large or too slow."""
    size = 0
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive_bounded() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not come in time; send the request again.") from None
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise HTTPException(413, f"The body is larger than {LARGEST_BODY // 1024} KiB; send less.")
        return message

    return receive_bounded

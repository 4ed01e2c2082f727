"""Bodies of requests, within bounds of size and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive


@dataclass(frozen=True, slots=True)
class Bounds:
    """`largest`: bytes. `seconds`: that a client has to send them."""

    largest: int
    seconds: float


JSON = Bounds(largest=64 * 1024, seconds=10.0)


def require_json(request: Request) -> None:
    """Raises HTTPException."""
    # A form on another site could send any other type without the browser asking us first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body is not JSON; send it with content-type application/json.")


def bounded(request: Request, bounds: Bounds) -> Receive:
    """How the body of `request` comes; raises HTTPException where that is beyond `bounds`, if it says so at once."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > bounds.largest:
        raise _too_large(bounds.largest)
    size = 0
    deadline = asyncio.get_running_loop().time() + bounds.seconds

    async def receive_bounded() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout_at(deadline):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not come in time; send the request again.") from None
        size += len(message.get("body", b""))
        if size > bounds.largest:
            raise _too_large(bounds.largest)
        return message

    return receive_bounded


def _too_large(largest: int) -> HTTPException:
    said = f"{largest >> 20} MiB" if largest >= 1 << 20 else f"{largest >> 10} KiB"
    return HTTPException(413, f"The body is larger than {said}; send less.")

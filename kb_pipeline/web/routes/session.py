"""`/v1/session`: signing in to the page with a key, signing out, and who one is.

The cookie is the key itself: it is worth as much, ends with it, and the server remembers nothing. No script can read
it, and no other site can have it sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from kb_pipeline.access.principal import RIGHTS, Principal, Right
from kb_pipeline.web.admission import COOKIE, Gate

if TYPE_CHECKING:
    from fastapi import APIRouter


class SignIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    key: str = Field(max_length=200)


class Who(BaseModel):
    """`groups`: null for whoever may read what any group may. `collections`: those it may search; null: all. `answers`:
    whether /v1/answer writes any."""

    principal: str
    groups: tuple[str, ...] | None
    collections: tuple[str, ...] | None
    rights: tuple[Right, ...]
    answers: bool

    @classmethod
    def of(cls, principal: Principal, *, answers: bool) -> Who:
        return cls(
            principal=principal.name,
            groups=principal.groups,
            collections=principal.collections,
            rights=tuple(right for right in RIGHTS if right in principal.rights),
            answers=answers,
        )


def session_routes(gate: Gate, *, answers: bool) -> APIRouter:
    router = gate.router(None)

    @router.get("/session")
    async def who(request: Request) -> Who:
        """Whose the key is, or the cookie, or whom the proxy names."""
        return Who.of(await gate.principal(request), answers=answers)

    @router.post("/session")
    async def sign_in(given: SignIn, request: Request, response: Response) -> Who:
        """Put a key into a cookie."""
        key = given.key.strip()
        principal = await gate.holder(key)
        behind_tls = request.headers.get("x-forwarded-proto") == "https"  # whoever lies harms only themselves
        response.set_cookie(COOKIE, key, httponly=True, samesite="strict", secure=behind_tls)
        return Who.of(principal, answers=answers)

    @router.delete("/session", status_code=204)
    async def sign_out(response: Response) -> None:
        """Take the cookie out."""
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")

    return router

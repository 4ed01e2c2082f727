"""Who sends a request to the search server, and whether they may.

By a key in `Authorization: Bearer kb_…`; by the same key in a cookie, which the page asks for once; or by what a
trusted reverse proxy says. While no key was ever made and the server listens on the loopback interface only, it asks
nobody: then whoever asks is anyone, with every right.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from starlette.responses import Response

from kb_pipeline.access.keys import KeyRing, principal_of
from kb_pipeline.access.principal import ANYONE, Principal, Right
from kb_pipeline.access.tokens import Token, read_token
from kb_pipeline.errors import Unauthenticated
from kb_pipeline.web.guard import HOSTS

if TYPE_CHECKING:
    from starlette.requests import Request

    from kb_pipeline.access.proxy import Proxies

COOKIE = "kb_key"
BEARER = "bearer "

Answer = Callable[["Request", Principal], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Admission:
    """`hosts`: names that the server answers to. `asks`: for a key even where there is none yet."""

    hosts: frozenset[str] = HOSTS
    asks: bool = False
    proxies: Proxies | None = None


class Gate:
    """Tells the principal of each request."""

    def __init__(self, admission: Admission, keys: KeyRing) -> None:
        self._admission = admission
        self._keys = keys
        self._threads = CapacityLimiter(2)  # of its own: the keys are read while all others wait for something slow

    def needs(self, right: Right, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint for those who have `right`."""

        async def endpoint(request: Request) -> Response:
            principal = await self.principal(request)
            principal.require(right)
            return await answer(request, principal)

        return endpoint

    async def principal(self, request: Request) -> Principal:
        """Whose request it is. Raises Unauthenticated, DatabaseUnavailable."""
        sent = self._sent_key(request)
        if sent is not None:
            return await self.holder(sent)
        proxies = self._admission.proxies
        peer = request.client.host if request.client else ""
        named = proxies.principal(peer, request.headers.getlist) if proxies else None
        if named is not None:
            return named
        if self._admission.asks or await self._has_keys():
            raise Unauthenticated(
                "This server asks for a key; send one as Authorization: Bearer kb_…, or sign in at /."
            )
        return ANYONE

    async def holder(self, key: str) -> Principal:
        """Whose key it is. Raises Unauthenticated, DatabaseUnavailable."""
        token = read_token(key)
        await self._look(token)
        stored = self._keys.find(token)
        if not self._keys.is_noted(stored):
            await to_thread.run_sync(self._keys.note, stored, limiter=self._threads)
        return principal_of(stored)

    def _sent_key(self, request: Request) -> str | None:
        given = request.headers.getlist("authorization")
        if len(given) > 1:
            raise Unauthenticated("There are two Authorization headers; send one.")
        if given and given[0].lower().startswith(BEARER):
            return given[0][len(BEARER) :].strip()
        return request.cookies.get(COOKIE)

    async def _has_keys(self) -> bool:
        await self._look(None)
        return self._keys.has_keys

    async def _look(self, token: Token | None) -> None:
        if not self._keys.is_fresh(token):
            await to_thread.run_sync(self._keys.refresh, token, limiter=self._threads)

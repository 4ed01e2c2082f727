"""Who sends a request to the search server, and whether they may.

By a key in `Authorization: Bearer kb_…`; by the same key in a cookie, which the page asks for once; or by what a
trusted reverse proxy says. While no key was ever made and the server listens on the loopback interface only, it asks
nobody: then whoever asks is anyone, who may all but read files and add documents.

A route is made by a router of the gate, which says what right it takes to be let in. That is decided before anything
of the request is read. Whether the server has room for it, `web.guard` has asked by then; while a body came, that may
have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from kb_pipeline.access.keys import KeyRing, principal_of
from kb_pipeline.access.principal import ANYONE, Principal, Right
from kb_pipeline.access.tokens import Token, read_token
from kb_pipeline.errors import Unauthenticated
from kb_pipeline.web import bodies
from kb_pipeline.web.guard import HOSTS
from kb_pipeline.web.limits import Buckets, Places
from kb_pipeline.web.problems import RESPONSES

if TYPE_CHECKING:
    from kb_pipeline.access.proxy import Proxies

COOKIE = "kb_key"
BEARER = "bearer "
MOST_FILES = 8  # that come in at once

# For the description of the API; the gate looks for itself.
_KEY = HTTPBearer(scheme_name="key", description="A key of `kb keys create`.", auto_error=False)
_SIGNED_IN = APIKeyCookie(name=COOKIE, scheme_name="cookie", description="The same, of the page.", auto_error=False)


def _admitted(request: Request) -> Principal:
    return cast("Principal", request.state.principal)


Asking = Annotated[Principal, Depends(_admitted)]
"""Whose request it is, as a parameter of an endpoint behind the gate."""


@dataclass(frozen=True, slots=True)
class Admission:
    """`hosts`: names that the server answers to. `asks`: for a key even where there is none yet. `rate`:
    requests a second of one principal; None: any number."""

    hosts: frozenset[str] = HOSTS
    asks: bool = False
    proxies: Proxies | None = None
    rate: float | None = None


class Gate:
    """Tells the principal of each request."""

    def __init__(self, admission: Admission, keys: KeyRing) -> None:
        self._admission = admission
        self._keys = keys
        self._buckets = Buckets(admission.rate)
        self.places = Places()
        self._threads = CapacityLimiter(2)  # of its own: the keys are read while all others wait for something slow

    def router(self, right: Right | None, *, prefix: str = "/v1", file: bodies.Bounds | None = None) -> APIRouter:
        """Makes routes for those who have `right`; None: for everyone. `file`: what a body may be that is no JSON."""
        marks = {"gate": self, "right": right, "file": file}
        route = type("GatedRoute", (GatedRoute,), marks)
        schemes = [] if right is None else [Security(scheme, scopes=[right]) for scheme in (_KEY, _SIGNED_IN)]
        return APIRouter(prefix=prefix, route_class=route, dependencies=schemes, responses=RESPONSES)

    async def admit(self, request: Request, right: Right) -> Principal:
        """Raises Unauthenticated, Forbidden, DatabaseUnavailable, HTTPException."""
        principal = await self.principal(request)
        principal.require(right)
        self._buckets.take(principal.name)
        return principal

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


class GatedRoute(APIRoute):
    """`right`: what it takes; None: nothing. `file`: what a body may be that is no JSON; such requests have places of
    their own."""

    gate: ClassVar[Gate]
    right: ClassVar[Right | None]
    file: ClassVar[bodies.Bounds | None]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        bounds = self.file or bodies.JSON
        places = self.gate.places if self.file is None else Places(MOST_FILES)

        async def admitted(request: Request) -> Response:
            if self.right is not None:
                request.state.principal = await self.gate.admit(request, self.right)
            bounded = Request(request.scope, bodies.bounded(request, bounds))
            if self.body_field is not None:
                bodies.require_json(request)
                await bounded.body()  # whoever sends it slowly takes no place meanwhile
            if self.right is None:
                return await handle(bounded)
            with places.one():
                return await handle(bounded)

        return admitted

"""What holds for every request and every answer of the search server, whoever asks.

Every request has an id, which its answer and the log name: the one it brings in `X-Request-ID`, where that is sound, so
that it is the same in the log of a proxy in front; else one that is made here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from kb_pipeline.web.limits import NO_PLACE, RETRY_AFTER, Places
from kb_pipeline.web.problems import problem

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost"})
SOUND_ID = re.compile("[0-9A-Za-z._-]{1,64}")
LARGEST_HEADERS = 32 * 1024  # bytes
OWN_REQUESTS = frozenset({"same-origin", "none"})  # Sec-Fetch-Site: our own page, or what a person typed


class Guard:
    """Refuses foreign host names, what other sites ask for and what there is no room for, and sets the headers that
    every answer carries. Under overload most requests are refused, so that comes before anything that costs more."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], places: Places) -> None:
        self.app = app
        self.hosts = hosts
        self.places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        asked = Headers(scope=scope)
        brought = asked.get("x-request-id", "")
        request_id = brought if SOUND_ID.fullmatch(brought) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers.setdefault("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers["cache-control"] = "no-store"
            await send(message)

        refusal = self._refusal(scope, asked)
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Starlette's TrustedHostMiddleware would do for the first half, were it not for its wording."""
        if sum(len(name) + len(value) for name, value in headers.raw) > LARGEST_HEADERS:
            return problem(scope, 431, "The headers are larger than this server takes; send fewer or shorter ones.")
        if len(headers.getlist("host")) > 1:  # a proxy in front may have looked at the other one
            return problem(scope, 400, "There are two Host headers; send one.")
        if _without_port(headers.get("host", "")) not in self.hosts:
            return problem(scope, 400, "This server does not answer to this host name; add it to names of [server].")
        # The page itself holds nothing, and other sites may link to it.
        if scope["path"] != "/" and not self._is_own(headers):
            return problem(scope, 403, "Another web site asked for this; open the search page and search there.")
        if scope["path"].startswith("/v1/") and self.places.are_taken:
            return problem(scope, 503, NO_PLACE, RETRY_AFTER)
        return None

    def _is_own(self, headers: Headers) -> bool:
        """By what browsers say of who asks; programs say nothing. Older browsers, and all where the server is reached
        without TLS under a name, send only the origin, which a proxy in front may have under a name of its own."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None:
            return site in OWN_REQUESTS
        return origin is None or _without_port(origin.partition("://")[2]) in self.hosts


def _without_port(host: str) -> str:
    name, _, port = host.lower().rpartition(":")
    return name if port.isdecimal() and name else host.lower()

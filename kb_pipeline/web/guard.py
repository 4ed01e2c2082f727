"""What holds for every request and every answer of the search server, whoever asks."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from kb_pipeline.web.answers import error

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = frozenset({"127.0.0.1", "localhost"})
OWN_REQUESTS = frozenset({"same-origin", "none"})  # Sec-Fetch-Site: our own page, or what a person typed


class Guard:
    """Refuses foreign host names and what other sites ask for, and sets the headers that every answer carries."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = HOSTS) -> None:
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers["cache-control"] = "no-store"
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["path"])
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, headers: Headers, path: str) -> Response | None:
        """Starlette's TrustedHostMiddleware would do for the first half, were it not for its wording."""
        host = headers.get("host", "").lower()
        name, _, port = host.rpartition(":")
        if (name if port.isdecimal() and name else host) not in self.hosts:
            return error(400, "This server does not answer to this host name; add it to names of [server].")
        # The page itself holds nothing, and other sites may link to it.
        if path != "/" and headers.get("sec-fetch-site", "none") not in OWN_REQUESTS:
            return error(403, "Another web site asked for this; open the search page and search there.")
        return None

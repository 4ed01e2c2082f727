"""One search over HTTP: the question goes to `POST /v1/search` with a key, and passages with their citations come back.

What the server refuses becomes the exception of the same kind, with the sentence of its problem details.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from kb_pipeline.errors import (
    Forbidden,
    KbError,
    SearchServerUnavailable,
    SettingsError,
    Unauthenticated,
)
from kb_pipeline.system.hosts import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

DEFAULT_URL = "http://127.0.0.1:8756"
CITED = (
    "source_file",
    "page_number",
    "page_end",
    "section_title",
    "collection",
    "document_id",
    "chunk_key",
    "score",
    "rank",
    "fields",
)
REFUSALS: Mapping[int, type[KbError]] = {400: SettingsError, 401: Unauthenticated, 403: Forbidden}
PROBLEM = "application/problem+json"
VISIBLE = re.compile(r"[!-~]+")  # what a header can hold as one word

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Passage:
    """`citation`: where the passage stands, what found it (`CITED`), and the `event_id` that feedback refers to."""

    content: str
    citation: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its own in the knowledge base; two documents may share a chunk key."""
        return f"{self.citation['document_id']}/{self.citation['chunk_key']}"


@dataclass(frozen=True, slots=True)
class SearchCall:
    """How to ask which server. `k`, `collections`, `where` and `mode` are as in the API, which also checks them.
    `timeout`: seconds for each step of a call: connecting, and waiting for the answer."""

    url: str = DEFAULT_URL
    key: str | None = field(default=None, repr=False)
    k: int = 10
    collections: Sequence[str] = ()
    where: str | None = None
    mode: str = "hybrid"
    timeout: float = 30.0

    def search(self, query: str) -> list[Passage]:
        """The best passages, best first. Raises SettingsError, AccessDenied, SearchServerUnavailable."""
        import httpx

        options = self._client_options()
        try:
            with httpx.Client(**options) as client:
                answer = client.post("/v1/search", json=self._body(query))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None
        return self._passages(answer)

    async def asearch(self, query: str) -> list[Passage]:
        """`search` without a thread of its own."""
        import httpx

        options = self._client_options()
        try:
            async with httpx.AsyncClient(**options) as client:
                answer = await client.post("/v1/search", json=self._body(query))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from None
        return self._passages(answer)

    def _client_options(self) -> dict[str, Any]:
        """Proxies of the environment are for other machines; certificates take long to load and are for https."""
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https"):
            raise SettingsError(f"The url of the search server is not one; give it like {DEFAULT_URL}.")
        if self.key is not None and not VISIBLE.fullmatch(self.key):
            raise Unauthenticated(
                "The key is empty or holds characters that no key has; give it as `kb keys create` showed it."
            )
        return {
            "base_url": self.url,
            "headers": {} if self.key is None else {"authorization": f"Bearer {self.key}"},
            "timeout": self.timeout,
            "trust_env": not is_loopback(host),
            "verify": parts.scheme == "https",
        }

    def _body(self, query: str) -> dict[str, Any]:
        body: dict[str, Any] = {"query": query, "k": self.k, "mode": self.mode}
        if self.collections:
            body["collections"] = self.collections
        if self.where is not None:
            body["where"] = self.where
        return body

    def _passages(self, answer: httpx.Response) -> list[Passage]:
        if answer.status_code != 200:
            raise self._refused(answer)
        try:
            found = answer.json()
            event = {"event_id": found["event_id"]}
            passages = [Passage(hit["content"], {name: hit[name] for name in CITED} | event) for hit in found["hits"]]
            note = found["note"]
        except (ValueError, KeyError, TypeError):
            raise self._is_another(answer.status_code) from None
        if note is not None:
            _log.warning("The search server notes: %s", note)
        return passages

    def _refused(self, answer: httpx.Response) -> KbError:
        if answer.status_code == 404 or answer.headers.get("content-type") != PROBLEM:
            return self._is_another(answer.status_code)
        try:
            sentence = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            return self._is_another(answer.status_code)
        return REFUSALS.get(answer.status_code, SearchServerUnavailable)(sentence)

    def _is_another(self, status: int) -> SearchServerUnavailable:
        return SearchServerUnavailable(
            f"What answers at {self._shown} (status {status}) is not the search server, or not one of this version; "
            "give the url of `kb serve`, without /v1."
        )

    def _unreachable(self, error: Exception) -> SearchServerUnavailable:
        return SearchServerUnavailable(
            f"The search server at {self._shown} did not answer ({type(error).__name__}); start it with `kb serve`, or "
            "correct the url."
        )

    @property
    def _shown(self) -> str:
        """The URL without user, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

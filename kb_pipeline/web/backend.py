"""What all requests of the search server share: connections, the client of the embedding server, figures."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from anyio import CapacityLimiter

from kb_pipeline.errors import EmbeddingServerUnavailable, GenerationMismatch
from kb_pipeline.search.retrieve import search
from kb_pipeline.store.search import ping
from kb_pipeline.web.connections import Connections
from kb_pipeline.web.metrics import SearchMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kb_pipeline.access.principal import Principal
    from kb_pipeline.embedding.client import EmbeddingClient
    from kb_pipeline.search.glossary import Glossary
    from kb_pipeline.search.request import SearchRequest
    from kb_pipeline.search.rerank import Reranker
    from kb_pipeline.search.result import SearchResult
    from kb_pipeline.search.retrieve import MaskQuery

MOST_CONNECTIONS = 8
MOST_WAITING = 16  # searches that wait for a query vector, or have one
CONNECTION_TIMEOUT = 10.0  # seconds a search waits for a connection
HEALTH_TIMEOUT = 2.0  # seconds


class Backend:
    """See `web.app.create_app` for what it is given."""

    def __init__(
        self,
        database_url: Callable[[], str],
        connect_embedder: Callable[[], EmbeddingClient],
        mask: MaskQuery,
        fusion_weight: Callable[[Sequence[str]], float],
        reranker: Reranker | None,
        glossary: Callable[[], Glossary],
        own_embedder: Callable[[str], EmbeddingClient] | None,
    ) -> None:
        self.connections = Connections(database_url, name="search", most=MOST_CONNECTIONS, timeout=CONNECTION_TIMEOUT)
        self.connection = self.connections.connection
        self.mask = mask
        self._connect_embedder = connect_embedder
        self._fusion_weight = fusion_weight
        self._reranker = reranker
        self._glossary = glossary
        self._own_embedder = own_embedder
        self._lock = Lock()
        self._client: EmbeddingClient | None = None
        self.waiting = CapacityLimiter(MOST_WAITING)
        self.metrics = SearchMetrics()

    def search(self, request: SearchRequest, principal: Principal) -> SearchResult:
        try:
            found = search(
                self.connection,
                request,
                embedder=self.embedder,
                own_embedder=self._own_embedder,
                mask=self.mask,
                weight=self._fusion_weight(principal.among(request.collections)),
                principal=principal,
                reranker=self._reranker,
                glossary=self._glossary(),
            )
        except (EmbeddingServerUnavailable, GenerationMismatch):
            self.forget_embedder()
            raise
        if found.note is not None and found.note.code == "embedding_server":
            self.forget_embedder()
        embedding = found.timings_ms.get("embed")
        self.metrics.searched(
            found.mode, found.timings_ms["total"] / 1000, None if embedding is None else embedding / 1000
        )
        return found

    def waits_for_others(self, request: SearchRequest) -> bool:
        return request.mode != "lexical" or (request.rerank and self._reranker is not None)

    def check(self) -> None:
        """Raises DatabaseUnavailable."""
        with self.connections.connection(HEALTH_TIMEOUT) as connection:
            ping(connection)

    def close(self) -> None:
        self.connections.close()
        with self._lock:
            if self._client is not None:
                self._client.close()

    def embedder(self) -> EmbeddingClient:
        """Connected when first needed. Raises EmbeddingServerUnavailable, SettingsError."""
        with self._lock:
            if self._client is None:
                self._client = self._connect_embedder()
            return self._client

    def forget_embedder(self) -> None:
        """It failed a search. Connect anew next time: another server or another model may stand at the address that
        we are given then. Searches that still use the client finish with it; then it is collected.
        """
        self.metrics.embedding_failed()
        with self._lock:
            self._client = None

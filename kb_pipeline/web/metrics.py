"""What the search server tells Prometheus at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

__all__ = ["CONTENT_TYPE", "SearchMetrics"]

BOUNDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
ANSWER_BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)  # seconds

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asked for


class SearchMetrics:
    """The numbers of one search server; safe to use from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._embedding = Histogram(
            "kb_query_embedding_seconds",
            "Time until the embedding server gave a query's vector.",
            buckets=BOUNDS,
            registry=self._registry,
        )
        self._search = Histogram(
            "kb_search_seconds", "Time of a whole search.", buckets=BOUNDS, registry=self._registry
        )
        self._searches = Counter("kb_searches_total", "Searches answered.", ["mode"], registry=self._registry)
        self._answer = Histogram(
            "kb_answer_seconds", "Time of a whole answer.", buckets=ANSWER_BOUNDS, registry=self._registry
        )
        self._answers = Counter("kb_answers_total", "Answers written.", ["state"], registry=self._registry)
        self._failures = Counter(
            "kb_query_embedding_failures_total", "Searches that got no query vector.", registry=self._registry
        )

    def answered(self, state: str, seconds: float) -> None:
        """An answer ended as `state`, of those that `answers.answering` tells apart."""
        self._answers.labels(state).inc()
        self._answer.observe(seconds)

    def searched(self, mode: str, seconds: float, embedding_seconds: float | None) -> None:
        """A search in `mode` was answered; `embedding_seconds`: None when it needed no query vector."""
        self._searches.labels(mode).inc()
        self._search.observe(seconds)
        if embedding_seconds is not None:
            self._embedding.observe(embedding_seconds)

    def embedding_failed(self) -> None:
        """The embedding server is not there or serves another model."""
        self._failures.inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)

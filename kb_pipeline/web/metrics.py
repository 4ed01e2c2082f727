"""What the search server tells Prometheus, in its text exposition format 0.0.4 at /metrics.

Two histograms and two counters need no client library. A *histogram* counts, for each bound, the observations
at or below it (cumulative buckets), their number and their sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Histogram:
    """Durations in seconds; not safe for threads by itself."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum += seconds

    def lines(self) -> list[str]:
        total = 0
        buckets = []
        for bound, count in zip([*map(str, BOUNDS), "+Inf"], self._counts, strict=True):
            total += count
            buckets.append(f'{self.name}_bucket{{le="{bound}"}} {total}')
        head = [f"# HELP {self.name} {self._text}", f"# TYPE {self.name} histogram"]
        return [*head, *buckets, f"{self.name}_sum {self._sum:.6f}", f"{self.name}_count {total}"]


class SearchMetrics:
    """The numbers of one search server; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._embedding = Histogram(
            "kb_query_embedding_seconds", "Time until the embedding server gave a query's vector."
        )
        self._search = Histogram("kb_search_seconds", "Time of a whole search.")
        self._searches = Counter[str]()
        self._failures = 0

    def searched(self, mode: str, seconds: float, embedding_seconds: float | None) -> None:
        """A search in `mode` was answered; `embedding_seconds`: None when it needed no query vector."""
        with self._lock:
            self._searches[mode] += 1
            self._search.observe(seconds)
            if embedding_seconds is not None:
                self._embedding.observe(embedding_seconds)

    def embedding_failed(self) -> None:
        """A search failed because the embedding server is not there or serves another model."""
        with self._lock:
            self._failures += 1

    def text(self) -> str:
        with self._lock:
            lines = [*self._embedding.lines(), *self._search.lines()]
            lines += ["# HELP kb_searches_total Searches answered.", "# TYPE kb_searches_total counter"]
            lines += [f'kb_searches_total{{mode="{mode}"}} {count}' for mode, count in sorted(self._searches.items())]
            lines += ["# HELP kb_query_embedding_failures_total Searches that failed for want of a query vector."]
            lines += ["# TYPE kb_query_embedding_failures_total counter"]
            lines += [f"kb_query_embedding_failures_total {self._failures}"]
        return "\n".join(lines) + "\n"

"""The text that Prometheus reads."""

from __future__ import annotations

from kb_pipeline.web.metrics import BOUNDS, SearchMetrics


def values(text: str) -> dict[str, float]:
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    }


def test_before_the_first_search_everything_is_nought_and_there() -> None:
    found = values(SearchMetrics().text())
    assert found["kb_query_embedding_seconds_count"] == 0
    assert found["kb_query_embedding_failures_total"] == 0


def test_buckets_count_what_is_at_or_below_their_bound() -> None:
    metrics = SearchMetrics()
    for seconds in (0.001, 0.005, 0.006, 0.7, 99.0):
        metrics.searched("hybrid", seconds + 1, seconds)
    metrics.searched("lexical", 0.1, None)
    metrics.embedding_failed()
    found = values(metrics.text())
    name = "kb_query_embedding_seconds"
    counts = [found[f'{name}_bucket{{le="{bound}"}}'] for bound in (*BOUNDS, "+Inf")]
    assert counts == [1, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5]
    assert found[f"{name}_count"] == 5
    assert found[f"{name}_sum"] == 99.712
    assert found["kb_search_seconds_count"] == 6
    assert found['kb_searches_total{mode="hybrid"}'] == 5
    assert found['kb_searches_total{mode="lexical"}'] == 1
    assert found["kb_query_embedding_failures_total"] == 1


def test_every_metric_is_described_once_before_its_values() -> None:
    metrics = SearchMetrics()
    metrics.searched("hybrid", 0.1, 0.01)
    lines = metrics.text().splitlines()
    described = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(described) == len(set(described)) == 4
    for name in described:
        first = next(number for number, line in enumerate(lines) if line.startswith(name))
        assert lines[first - 1].startswith(f"# TYPE {name} ")
        assert lines[first - 2].startswith(f"# HELP {name} ")

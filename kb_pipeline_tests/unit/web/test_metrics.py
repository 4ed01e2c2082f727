"""The text that Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from kb_pipeline.web.metrics import SearchMetrics


def values(metrics: SearchMetrics) -> dict[tuple[str, str], float]:
    """(series, its one label) -> value."""
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_before_the_first_search_everything_is_nought_and_there() -> None:
    found = values(SearchMetrics())
    assert found["kb_query_embedding_seconds_count", ""] == 0
    assert found["kb_query_embedding_failures_total", ""] == 0


def test_searches_are_counted_by_mode_and_timed() -> None:
    metrics = SearchMetrics()
    for seconds in (0.001, 0.005, 0.7, 99.0):
        metrics.searched("hybrid", seconds + 1, seconds)
    metrics.searched("lexical", 0.1, None)
    metrics.embedding_failed()
    metrics.answered("unknown", 2.0)
    found = values(metrics)
    assert found["kb_answers_total", "unknown"] == found["kb_answer_seconds_bucket", "2.5"] == 1
    assert found["kb_query_embedding_seconds_bucket", "0.005"] == 2
    assert found["kb_query_embedding_seconds_bucket", "+Inf"] == found["kb_query_embedding_seconds_count", ""] == 4
    assert found["kb_search_seconds_count", ""] == 5
    assert found["kb_searches_total", "hybrid"] == 4
    assert found["kb_searches_total", "lexical"] == 1
    assert found["kb_query_embedding_failures_total", ""] == 1
    assert not any(series.endswith("_created") for series, _ in found)

"""The throughput of a run, as a row per span of time."""

from __future__ import annotations

import pytest

from kb_pipeline.stages.throughput import MOST_POINTS, Throughput


def test_a_steady_rate_is_the_same_in_every_span() -> None:
    throughput = Throughput()
    for second in range(1, 100):
        throughput.note(second, second * 50)
    rows = throughput.rows(100, 5000, most=10)
    assert [start for start, _ in rows] == pytest.approx([number * 10 for number in range(10)])
    assert [rate for _, rate in rows] == pytest.approx([50.0] * 10)


def test_a_pause_shows_and_nothing_is_lost() -> None:
    throughput = Throughput()
    for second in (1, 2, 3, 4):
        throughput.note(second, second * 100)
    throughput.note(8, 400)
    rows = throughput.rows(10, 600, most=5)
    assert [round(rate) for _, rate in rows] == [100, 100, 0, 0, 100]
    assert sum(rate * 2 for _, rate in rows) == pytest.approx(600)


def test_a_long_run_is_remembered_in_bounded_memory() -> None:
    throughput = Throughput()
    for second in range(1, 100_000):
        throughput.note(second, second * 7)
    assert len(throughput.points) <= MOST_POINTS
    assert [round(rate, 3) for _, rate in throughput.rows(100_000, 700_000, most=20)] == [7.0] * 20


def test_a_run_of_less_than_a_second_is_one_span_and_one_without_tokens_none() -> None:
    assert Throughput().rows(0.5, 100, most=20) == [(0.0, 200.0)]
    assert Throughput().rows(5.0, 0, most=20) == []

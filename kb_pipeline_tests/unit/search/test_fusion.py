"""Reciprocal rank fusion."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.search.fusion import fuse

RANKING = st.lists(st.integers(1, 30), unique=True, max_size=30)


def test_a_row_that_both_rankings_find_beats_one_that_leads_a_single_ranking() -> None:
    assert fuse([[1, 3, 4], [2, 3, 5]])[0][0] == 3


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    assert dict(fuse([[7, 8], [8]])) == pytest.approx({8: 1 / 62 + 1 / 61, 7: 1 / 61})


def test_a_tie_goes_to_the_earlier_ranking() -> None:
    assert [row for row, _ in fuse([[9], [1]])] == [9, 1]


@given(RANKING, RANKING)
def test_every_row_appears_once_and_scores_fall(one: list[int], two: list[int]) -> None:
    fused = fuse([one, two])
    assert sorted(row for row, _ in fused) == sorted(set(one) | set(two))
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@given(RANKING)
def test_a_single_ranking_keeps_its_order(one: list[int]) -> None:
    assert [row for row, _ in fuse([one, []])] == one

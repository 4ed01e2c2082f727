"""Two rankings become one by a convex combination of normalised scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb_pipeline.search.fusion import WEIGHT, by_shares, fuse, shares
from kb_pipeline.settings import Settings

ROWS = st.lists(st.tuples(st.integers(1, 30), st.floats(-1, 50)), unique_by=lambda row: row[0], max_size=30)
RANKING = ROWS.map(lambda rows: sorted(rows, key=lambda row: -row[1]))


def test_scores_are_stretched_and_weighed() -> None:
    meaning = [(1, 0.9), (2, 0.85), (3, 0.7)]
    words = [(2, 12.0), (4, 6.0), (3, 2.0)]
    assert dict(fuse(meaning, words)) == pytest.approx({1: 0.5, 2: 0.375 + 0.5, 3: 0.0, 4: 0.2})
    assert dict(fuse(meaning, words, coverage=0.25)) == pytest.approx({1: 0.8, 2: 0.6 + 0.2, 3: 0.0, 4: 0.08})
    assert dict(fuse(meaning, words, weight=1.0)) == pytest.approx({1: 1.0, 2: 0.75, 3: 0.0, 4: 0.0})
    assert dict(fuse(meaning, words, weight=0.0)) == pytest.approx({1: 0.0, 2: 1.0, 3: 0.0, 4: 0.4})


def test_a_row_that_both_rankings_find_beats_one_that_leads_a_single_ranking() -> None:
    assert fuse([(1, 0.9), (3, 0.88), (4, 0.7)], [(2, 9.0), (3, 8.5), (5, 1.0)])[0][0] == 3


def test_a_tie_goes_to_the_ranking_by_meaning() -> None:
    assert [row for row, _ in fuse([(9, 0.8)], [(1, 3.0)])] == [9, 1]


@given(RANKING, RANKING)
def test_every_row_appears_once_and_scores_fall_from_1_to_0(
    meaning: list[tuple[int, float]], words: list[tuple[int, float]]
) -> None:
    fused = fuse(meaning, words)
    assert sorted(row for row, _ in fused) == sorted({row for row, _ in meaning} | {row for row, _ in words})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)
    assert all(-1e-9 <= score <= 1 + 1e-9 for _, score in fused)


def test_words_that_say_little_of_the_question_move_little() -> None:
    meaning = [(1, 0.9), (2, 0.89), (3, 0.82), (5, 0.8)]
    by_a_year = [(3, 2.1), (4, 2.0)]
    assert fuse(meaning, by_a_year)[0][0] == 3
    assert [row for row, _ in fuse(meaning, by_a_year, coverage=0.05)] == [1, 2, 3, 5, 4]


@given(RANKING)
def test_where_words_find_nothing_the_ranking_by_meaning_stays_as_it_is(meaning: list[tuple[int, float]]) -> None:
    assert [row for row, _ in fuse(meaning, [], coverage=0.0)] == [row for row, _ in meaning]
    assert [row for row, _ in fuse([], meaning)] == [row for row, _ in meaning]


def test_reciprocal_rank_fusion_looks_at_ranks_alone() -> None:
    meaning, words = [(1, 0.9), (2, 0.1)], [(2, 9000.0), (3, 1.0)]
    found = shares(meaning, words, coverage=0.01, weight=0.9, fusion="rrf")
    assert dict(by_shares(found)) == pytest.approx({1: 0.5, 2: 0.5 * 61 / 62 + 0.5, 3: 0.5 * 61 / 62})
    assert dict(by_shares(shares(meaning, [], fusion="rrf"))) == pytest.approx({1: 1.0, 2: 61 / 62})


def test_shares_say_what_a_score_comes_from() -> None:
    found = shares([(1, 0.9), (2, 0.7)], [(2, 8.0)], coverage=0.5)[2]
    assert (found["meaning"].rank, found["meaning"].score, found["meaning"].normalised) == (2, 0.7, 0.0)
    assert (found["words"].weight, found["words"].normalised) == pytest.approx((1 / 3, 1.0))


def test_the_weight_is_the_sites_or_that_of_the_collections_that_are_searched() -> None:
    settings = Settings(collections={"laws": {"fusion_weight": 0.2}, "mail": {"fusion_weight": 0.2}, "notes": {}})
    assert Settings().fusion_weight_for([]) == WEIGHT
    assert settings.fusion_weight_for(["laws", "mail"]) == 0.2
    assert settings.fusion_weight_for(["laws", "notes"]) == settings.fusion_weight_for([]) == WEIGHT

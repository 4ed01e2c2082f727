"""Which terms find candidates, and what each term weighs."""

from __future__ import annotations

import math

import pytest

from kb_pipeline.search.lexical import MOST_TERMS, candidate_queries, coverage, inverse_frequencies, rarest_first
from kb_pipeline.store.words import BM25_K1, TermStatistics

STATISTICS = TermStatistics(1000, 50.0, {"the": 900, "leave": 40, "annual": 10, "odd": 2000})


def test_terms_come_the_rarest_first_and_an_unknown_one_counts_as_rare() -> None:
    assert rarest_first(["the", "leave", "zyx", "annual", "the"], STATISTICS) == ["zyx", "annual", "leave", "the"]


def test_a_pasted_page_is_searched_by_its_rarest_words() -> None:
    statistics = TermStatistics(1000, 50.0, {f"w{n}": n for n in range(1, 200)})
    assert rarest_first([f"w{n}" for n in range(1, 200)], statistics) == [f"w{n}" for n in range(1, MOST_TERMS + 1)]


def test_weights_are_those_of_lucene_and_stay_positive_with_outdated_counts() -> None:
    weights = inverse_frequencies(["annual", "zyx", "odd"], STATISTICS)
    assert weights["annual"] == pytest.approx(math.log(1 + 990.5 / 10.5))
    assert weights["zyx"] == pytest.approx(math.log(1 + 999.5 / 1.5))
    assert weights["odd"] > 0


def test_a_passage_of_mean_length_with_every_word_once_covers_the_question() -> None:
    weights = {"annual": 4.0, "leave": 1.0}
    once = 1 / (1 + BM25_K1)
    assert coverage(5.0 * once, weights) == pytest.approx(1.0)
    assert coverage(1.0 * once, weights) == pytest.approx(0.2)
    assert coverage(5.0, weights) == 1.0


@pytest.mark.parametrize(
    ("most", "queries"),
    [
        (1000, ["'annual' | 'leave' | 'the'"]),
        (100, ["'annual' | 'leave'", "'annual' | 'leave' | 'the'"]),
        (10, ["'annual'", "'annual' | 'leave' | 'the'"]),
        (9, ["'annual' & ('leave' | 'the')", "'annual' | 'leave' | 'the'"]),
    ],
)
def test_candidates_come_from_the_rarest_terms_that_fit_the_budget(most: int, queries: list[str]) -> None:
    assert candidate_queries(["annual", "leave", "the"], STATISTICS, most) == queries


def test_a_single_common_word_is_still_looked_up() -> None:
    assert candidate_queries(["the"], STATISTICS, 5) == ["'the'"]


def test_terms_are_quoted_for_the_query_language_of_full_text_search() -> None:
    assert candidate_queries(["it's", "a\\b"], STATISTICS) == ["'it''s' | 'a\\\\b'"]

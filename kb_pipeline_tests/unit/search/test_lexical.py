"""What each term weighs, and which terms find fresh rows."""

from __future__ import annotations

import math

import pytest

from kb_pipeline.chunking.lexemes import Term
from kb_pipeline.search.lexical import MOST_TERMS, candidate_queries, weigh
from kb_pipeline.store.postings import BM25_K1
from kb_pipeline.store.words import TermStatistics

STATISTICS = TermStatistics(1000, 50.0, {"the": 900, "leave": 40, "annual": 10, "odd": 2000})


def terms(*lexemes: str) -> list[Term]:
    return [Term(lexeme) for lexeme in lexemes]


def test_terms_come_the_weightiest_first_and_an_unknown_one_counts_as_rare() -> None:
    assert list(weigh(terms("the", "leave", "zyx", "annual", "the"), STATISTICS).all) == [
        "zyx",
        "annual",
        "leave",
        "the",
    ]


def test_a_pasted_page_is_searched_by_its_weightiest_words() -> None:
    statistics = TermStatistics(1000, 50.0, {f"w{n}": n for n in range(1, 200)})
    found = weigh(terms(*(f"w{n}" for n in range(1, 200))), statistics)
    assert list(found.all) == [f"w{n}" for n in range(1, MOST_TERMS + 1)]


def test_weights_are_those_of_lucene_and_stay_positive_with_outdated_counts() -> None:
    weights = weigh(terms("annual", "zyx", "odd"), STATISTICS).all
    assert weights["annual"] == pytest.approx(math.log(1 + 990.5 / 10.5))
    assert weights["zyx"] == pytest.approx(math.log(1 + 999.5 / 1.5))
    assert weights["odd"] > 0


def test_a_term_that_counts_little_ranks_rows_and_finds_none() -> None:
    found = weigh([Term("annual", 0.1), Term("leave")], STATISTICS)
    assert found.all["annual"] == pytest.approx(0.1 * math.log(1 + 990.5 / 10.5))
    assert list(found.finding) == ["leave"]


def test_a_passage_of_mean_length_with_every_word_once_covers_the_question() -> None:
    found = weigh([*terms("annual", "leave"), Term("odd", 0.5, asked=False)], STATISTICS)
    once = (found.all["annual"] + found.all["leave"]) / (1 + BM25_K1)
    assert found.coverage(once) == pytest.approx(1.0)
    assert found.coverage(once / 2) == pytest.approx(0.5)
    assert found.coverage(5 * once) == 1.0


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
    assert candidate_queries(["annual", "the", "leave"], STATISTICS, most) == queries


def test_a_single_common_word_is_still_looked_up() -> None:
    assert candidate_queries(["the"], STATISTICS, 5) == ["'the'"]


def test_terms_are_quoted_for_the_query_language_of_full_text_search() -> None:
    assert candidate_queries(["a\\b", "it's"], STATISTICS) == ["'a\\\\b' | 'it''s'"]

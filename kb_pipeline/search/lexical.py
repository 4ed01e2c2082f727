"""What BM25 needs besides the table: the weight of each term, and which rows are worth scoring.

Terms
  frequency   how many rows of the table hold a term.
  idf         a term's weight: ln(1 + (N - frequency + 0.5) / (frequency + 0.5)), as Lucene has it.
  candidates  the rows that are scored. Scoring every row that shares a common word with the query would
              cost seconds at a million rows, so rows are found by the rarest terms and the common ones
              only help to rank them.
  coverage    how much of a question a row says: its score as a share of what a row of mean length scores that
              holds each of the terms once; at most 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kb_pipeline.store.words import BM25_K1, TermStatistics, any_of, pairs_with

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_CANDIDATES = 2_000
MOST_TERMS = 64  # of a query; a pasted page is searched by its rarest words


def rarest_first(terms: Sequence[str], statistics: TermStatistics) -> list[str]:
    """The distinct `terms`, at most MOST_TERMS of them, the rarest first; an unknown term counts as rare."""
    return sorted(set(terms), key=lambda term: (frequency(term, statistics), term))[:MOST_TERMS]


def frequency(term: str, statistics: TermStatistics) -> int:
    """At least 1: a row may have come in since the terms were counted."""
    return max(statistics.frequencies.get(term, 0), 1)


def inverse_frequencies(terms: Sequence[str], statistics: TermStatistics) -> Mapping[str, float]:
    """term -> idf; always above 0."""
    weights = {}
    for term in terms:
        held = frequency(term, statistics)
        absent = max(statistics.row_count - held, 0)
        weights[term] = math.log(1 + (absent + 0.5) / (held + 0.5))
    return weights


def coverage(score: float, idfs: Mapping[str, float]) -> float:
    """Of the question whose terms have these weights, by a row with this BM25 score."""
    return min(score * (1 + BM25_K1) / sum(idfs.values()), 1.0)


def candidate_queries(terms: Sequence[str], statistics: TermStatistics, most: int = MOST_CANDIDATES) -> list[str]:
    """Tsqueries that find candidates, to be tried in order until there are enough hits.

    `terms`: the rarest first. First come the rarest terms that together match at most `most` rows; when
    even the rarest one matches more, its rows that hold another term as well. Last come all the terms.
    """
    total = 0
    chosen = []
    for term in terms:
        total += frequency(term, statistics)
        if total > most:
            break
        chosen.append(term)
    everything = any_of(terms)
    if len(chosen) == len(terms) or len(terms) == 1:
        return [everything]
    if chosen:
        return [any_of(chosen), everything]
    return [pairs_with(terms[0], terms[1:]), everything]

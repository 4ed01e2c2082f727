"""What BM25 needs besides the table: the weight of each term, and which fresh rows are worth scoring.

Terms
  frequency   how many rows of the table hold a term.
  idf         ln(1 + (N - frequency + 0.5) / (frequency + 0.5)), as Lucene has it.
  weight      of a term in a query: its idf times what it counts beside the others.
  coverage    how much of a question a row says: its score as a share of what a row of mean length scores that
              holds each of the terms once; at most 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.store.postings import BM25_K1
from kb_pipeline.store.words import TermStatistics, any_of, pairs_with

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kb_pipeline.chunking.lexemes import Term

MOST_CANDIDATES = 2_000
MOST_TERMS = 64  # of a query; a pasted page is searched by the words that weigh most
LEAST_THAT_FINDS = 0.3  # what a word must count to find rows; the others have a stem that does, and help to rank


@dataclass(frozen=True, slots=True)
class Weights:
    """Lexeme -> weight, the greatest first. `all` score a row, `finding` ones also find it; `asked`: the sum of those
    that the question itself says."""

    all: Mapping[str, float]
    finding: Mapping[str, float]
    asked: float

    def coverage(self, score: float) -> float:
        """Of the question, by a row with this BM25 score."""
        return min(score * (1 + BM25_K1) / self.asked, 1.0)


def weigh(terms: Sequence[Term], statistics: TermStatistics) -> Weights:
    """Of `terms`, each lexeme once, those MOST_TERMS that weigh most."""
    weight = {term.lexeme: term.weight * inverse_frequency(term.lexeme, statistics) for term in terms}
    kept = sorted(terms, key=lambda term: (-weight[term.lexeme], term.lexeme))[:MOST_TERMS]
    return Weights(
        {term.lexeme: weight[term.lexeme] for term in kept},
        {term.lexeme: weight[term.lexeme] for term in kept if term.weight >= LEAST_THAT_FINDS or not term.asked},
        sum(weight[term.lexeme] for term in kept if term.asked),
    )


def frequency(term: str, statistics: TermStatistics) -> int:
    """At least 1: a row may have come in since the terms were counted."""
    return max(statistics.frequencies.get(term, 0), 1)


def inverse_frequency(term: str, statistics: TermStatistics) -> float:
    """Always above 0."""
    held = frequency(term, statistics)
    absent = max(statistics.row_count - held, 0)
    return math.log(1 + (absent + 0.5) / (held + 0.5))


def candidate_queries(terms: Sequence[str], statistics: TermStatistics, most: int = MOST_CANDIDATES) -> list[str]:
    """Tsqueries that find fresh rows, to be tried in order until there are enough hits.

    First come the rarest of `terms` that together match at most `most` rows; when even the rarest one matches more,
    its rows that hold another term as well. Last come all the terms.
    """
    terms = sorted(terms, key=lambda term: (frequency(term, statistics), term))
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

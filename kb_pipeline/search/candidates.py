"""Which of a million rows are worth an exact score: those whose words add up to most.

The impacts of a query's terms are added up row by row, as bm25s does (score at a time, as Lin and Trotman's JASS): for
terms in many rows out of `store.postings`, for rare ones out of the index on tsvectors. Both are true to BM25 but for
rounding, so nearly always the best ten are among the first few hundred. What a search may read is bounded: the terms
that can add most come first, and where the budget ends a term gives the rows in which it counts most, and the terms
after it none. They still help to rank what the others found.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.store import postings
from kb_pipeline.store.words import any_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.postings import Block, Reading
    from kb_pipeline.store.words import TermStatistics

MOST_FROM_INDEX = 2_000  # rows that the index on tsvectors is asked for
MOST_RECORDS = 1_000_000  # that one search reads


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the rows of each term are read. `records`: of each lexeme, how many of every block."""

    from_index: tuple[str, ...]
    records: Mapping[str, int]


def sources(weights: Mapping[str, float], statistics: TermStatistics, blocks: Sequence[Block]) -> Sources:
    """`weights`: of the terms that find rows, the greatest first."""
    held = {term: statistics.frequencies[term] for term in weights if statistics.frequencies.get(term)}
    # Those of a word in twice as many rows as could have none of it are nearly all there.
    scarce, left, rare = 2 * postings.most_unposted(blocks), MOST_FROM_INDEX, []
    for term in sorted(held, key=held.__getitem__):
        if held[term] > min(scarce, left):
            break
        left -= held[term]
        rare.append(term)
    records: dict[str, int] = {}
    budget = MOST_RECORDS
    for term in weights:
        if term in held and term not in rare and budget > 0:
            records[term] = postings.SPAN if held[term] <= budget else max(budget // len(blocks), 1)
            budget -= held[term]
    return Sources(tuple(rare), records)


@dataclass(frozen=True, slots=True)
class Sums:
    """What the terms of a query add up to in each row of each block, read once and asked as often as need be."""

    blocks: tuple[tuple[Block, NDArray[np.float32]], ...]

    def best(self, most: int, allowed: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """The rows with the greatest sums, the greatest first; of `allowed` rows (sorted), if given.

        Some of them may have been deleted.
        """
        best = _Best(most)
        for block, scores in self.blocks:
            best.offer(block, scores if allowed is None else _only(scores, block, allowed))
        return best.rows()


def sums(
    connection: Connection, generation: Generation, weights: Mapping[str, float], statistics: TermStatistics
) -> Sums:
    """Of the covered rows. `weights`: of the terms that find rows, the greatest first."""
    blocks = postings.blocks(connection, generation)
    chosen = sources(weights, statistics, blocks)
    of_block: dict[int, list[Reading]] = defaultdict(list)
    lexemes = list(chosen.records)
    for reading in postings.read(connection, generation, lexemes, list(chosen.records.values())):
        of_block[reading.first].append(reading)
    terms, rows, impacts = postings.rows_with(
        connection,
        generation,
        [any_of([term]) for term in chosen.from_index],
        upto=postings.covered(blocks),
        mean_length=statistics.mean_length,
    )
    order = np.argsort(rows, kind="stable")
    rare = rows[order], (np.array([weights[term] for term in chosen.from_index])[terms] * impacts)[order]
    scales = [weights[term] / postings.HIGHEST_IMPACT for term in lexemes]
    return Sums(tuple((block, _scores(block, of_block[block.first], scales, rare)) for block in blocks))


def _scores(
    block: Block,
    readings: Sequence[Reading],
    scales: Sequence[float],
    rare: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> NDArray[np.float32]:
    """Of each place of the block."""
    scores = np.zeros(postings.SPAN, np.float32)
    for reading in readings:  # a term has a row once, so no place stands here twice
        scores[reading.records["place"]] += np.float32(scales[reading.term]) * reading.records["impact"]
    begin, end = np.searchsorted(rare[0], [block.first, block.last + 1])
    np.add.at(scores, rare[0][begin:end] - block.first, rare[1][begin:end])
    return scores


def _only(scores: NDArray[np.float32], block: Block, allowed: NDArray[np.int64]) -> NDArray[np.float32]:
    begin, end = np.searchsorted(allowed, [block.first, block.last + 1])
    places = allowed[begin:end] - block.first
    kept = np.zeros_like(scores)
    kept[places] = scores[places]
    return kept


class _Best:
    """The best rows so far; what is no better than the worst of them is passed over."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: list[NDArray[np.int64]] = []
        self._scores: list[NDArray[np.float32]] = []
        self._held = 0
        self._least = np.float32(0)

    def offer(self, block: Block, scores: NDArray[np.float32]) -> None:
        places = np.flatnonzero(scores > self._least)
        if len(places) > self._most:
            places = places[np.argpartition(-scores[places], self._most)[: self._most]]
        self._rows.append(places + block.first)
        self._scores.append(scores[places])
        self._held += len(places)
        if self._held >= 2 * self._most:
            self._reduce()

    def rows(self) -> NDArray[np.int64]:
        self._reduce()
        return self._rows[0]

    def _reduce(self) -> None:
        rows, scores = np.concatenate([[], *self._rows]).astype(np.int64), np.concatenate([[], *self._scores])
        order = np.argsort(-scores, kind="stable")[: self._most]
        self._rows, self._scores, self._held = [rows[order]], [scores[order].astype(np.float32)], len(order)
        if self._held == self._most:
            self._least = self._scores[0][-1]

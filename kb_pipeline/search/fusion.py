"""Reciprocal rank fusion: one ranking out of several that score on different scales.

A row's score is the sum of 1 / (60 + rank) over the rankings that hold it (Cormack, Clarke and Büttcher,
SIGIR 2009). Only ranks count, so a distance and a BM25 score need no common scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

RRF_K = 60


def fuse(rankings: Sequence[Sequence[int]], k: int = RRF_K) -> list[tuple[int, float]]:
    """(row id, score) of all rows of `rankings` (best first), best first; a tie goes to the earlier ranking."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row] = scores.get(row, 0.0) + 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda item: -item[1])

"""How well one ranking answers one question. The definitions are trec_eval's, which every paper uses.

    recall@k  share of the question's places among the k best hits
    nDCG@10   sum of grade / log2(1 + rank) over the places found, by what the best order of all places would give
              (Järvelin and Kekäläinen, 2002)
    RR        1 / rank of the first place found; its mean is MRR
    split     1 where an answer was cut in two by the chunking, so that no hit holds it whole

Terms
  ranked    what a question's hits are: for each rank the number of the place that it is first to show, or None. A hit
            that shows a place again is None, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kb_pipeline.quality.places import Passage, Place

DEPTH = 10
RECALLS = (1, 5, 10)
MEASURES = ("recall@1", "recall@5", "recall@10", "ndcg@10", "mrr", "split")

Ranked = list[int | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one question. `ranks`: at which its places were found, in order; `places`: how many there are."""

    ranks: tuple[int, ...]
    places: int
    ndcg: float
    is_split: bool

    def value(self, measure: str) -> float:
        """One of MEASURES."""
        if measure == "ndcg@10":
            return self.ndcg
        if measure == "mrr":
            return 1 / self.ranks[0] if self.ranks else 0.0
        if measure == "split":
            return float(self.is_split)
        within = int(measure.removeprefix("recall@"))
        return sum(rank <= within for rank in self.ranks) / self.places


def ranked(places: Sequence[Place], hits: Iterable[frozenset[Passage]]) -> Ranked:
    """What `hits`, each with the passages that it shows, best first, are to a question with `places`."""
    found: Ranked = []
    for passages in hits:
        shown = (number for number, place in enumerate(places) if place.passages & passages and number not in found)
        found.append(next(shown, None))
    return found


def measured(places: Sequence[Place], found: Ranked) -> Measured:
    best = found[:DEPTH]
    ranks = tuple(rank for rank, number in enumerate(best, start=1) if number is not None)
    gained = sum(
        places[number].grade / math.log2(1 + rank) for rank, number in enumerate(best, 1) if number is not None
    )
    grades = sorted((place.grade for place in places), reverse=True)[:DEPTH]
    ideal = sum(grade / math.log2(1 + rank) for rank, grade in enumerate(grades, start=1))
    return Measured(ranks, len(places), gained / ideal, any(place.is_split for place in places))

"""One ranking out of two that score on different scales.

The *convex combination* of normalised scores is what a search does by itself:

    score = weight * meaning + (1 - weight) * words

Each ranking's scores are stretched so that its best row has 1 and its worst 0 (min-max); a row that a ranking does
not hold has 0 there. In and out of domain this beats reciprocal rank fusion (Bruch, Gai and Ingber: An Analysis of
Fusion Functions for Hybrid Retrieval, TOIS 2023), which lets a weak ranking pull down a strong one.

Stretching makes the best of a hopeless ranking look like the best of a good one: a Chinese question finds an English
passage by a year that both hold. So the part of words shrinks with their *coverage*: how much of the question the best
passage says, see `search.lexical`. Where words find nothing, meaning decides.

*Reciprocal rank fusion* (Cormack, Clarke and Büttcher, SIGIR 2009) looks at ranks alone: both rankings count the same,
and a row's place in one counts as 1 / (60 + rank), here stretched so that the first has 1.

Terms
  share   what one ranking says of a row: its rank and score there, the score normalised, and its weight. The score of a
          row is the sum of weight * normalised over its shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kb_pipeline.store.search import Ranked

Fusion = Literal["convex", "rrf"]
Leg = Literal["meaning", "words"]

WEIGHT = 0.5  # of meaning; untuned
RRF_CONSTANT = 60  # as its authors have it


@dataclass(frozen=True, slots=True)
class Share:
    """`rank` from 1; `score` on the scale of its ranking; `normalised` and `weight` from 0 to 1."""

    rank: int
    score: float
    normalised: float
    weight: float


Shares = dict[Leg, Share]


def fuse(
    meaning: Sequence[Ranked], words: Sequence[Ranked], coverage: float = 1.0, weight: float = WEIGHT
) -> list[Ranked]:
    """All rows of both rankings (best first) by the convex combination; a tie goes to the row that stands higher in
    `meaning`.

    `coverage`: of the question by the best row of `words`, from 0 to 1. `weight`: of meaning.
    """
    return by_shares(shares(meaning, words, coverage, weight))


def by_shares(shares_of: Mapping[int, Shares]) -> list[Ranked]:
    """The rows, best first; of equal ones the first stays first."""
    scores = {row: sum(share.weight * share.normalised for share in legs.values()) for row, legs in shares_of.items()}
    return sorted(scores.items(), key=lambda item: -item[1])


def shares(
    meaning: Sequence[Ranked],
    words: Sequence[Ranked],
    coverage: float = 1.0,
    weight: float = WEIGHT,
    fusion: Fusion = "convex",
) -> dict[int, Shares]:
    """row -> what each ranking says of it; the rows of `meaning` come first, each ranking in its order."""
    of_meaning, of_words = (0.5, 0.5) if fusion == "rrf" else (weight, (1 - weight) * coverage)
    of_meaning, of_words = of_meaning if meaning else 0.0, of_words if words else 0.0
    total = of_meaning + of_words or 1.0
    normalised = _reciprocal if fusion == "rrf" else _stretched
    found: dict[int, Shares] = {}
    for row, share in _shares(meaning, normalised(meaning), of_meaning / total):
        found[row] = {"meaning": share}
    for row, share in _shares(words, normalised(words), of_words / total):
        found.setdefault(row, {})["words"] = share
    return found


def _shares(ranking: Sequence[Ranked], normalised: Sequence[float], weight: float) -> Iterator[tuple[int, Share]]:
    for rank, ((row, score), stretched) in enumerate(zip(ranking, normalised, strict=True), start=1):
        yield row, Share(rank, score, stretched, weight)


def _stretched(ranking: Sequence[Ranked]) -> list[float]:
    """Scores from 1 (the best) to 0 (the worst); all 1 where they are equal."""
    if not ranking:
        return []
    best, worst = ranking[0][1], ranking[-1][1]
    span = best - worst
    return [(score - worst) / span if span else 1.0 for _, score in ranking]


def _reciprocal(ranking: Sequence[Ranked]) -> list[float]:
    return [(RRF_CONSTANT + 1) / (RRF_CONSTANT + rank) for rank in range(1, len(ranking) + 1)]

"""One ranking out of two that score on different scales: a convex combination of normalised scores.

    score = weight * meaning + (1 - weight) * words

Each ranking's scores are stretched so that its best row has 1 and its worst 0 (min-max); a row that a ranking does
not hold has 0 there. In and out of domain this beats reciprocal rank fusion (Bruch, Gai and Ingber: An Analysis of
Fusion Functions for Hybrid Retrieval, TOIS 2023), which lets a weak ranking pull down a strong one.

Stretching makes the best of a hopeless ranking look like the best of a good one: a Chinese question finds an English
passage by a year that both hold. So the part of words shrinks with their *coverage*: how much of the question the best
passage says, see `search.lexical`. Where words find nothing, meaning decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.store.search import Ranked

WEIGHT = 0.5  # of meaning; untuned


def fuse(
    meaning: Sequence[Ranked], words: Sequence[Ranked], coverage: float = 1.0, weight: float = WEIGHT
) -> list[Ranked]:
    """All rows of both rankings (best first), best first; a tie goes to the row that stands higher in `meaning`.

    `coverage`: of the question by the best row of `words`, from 0 to 1.
    """
    of_words = (1 - weight) * coverage if words else 0.0
    of_meaning = weight if meaning else 0.0
    total = of_meaning + of_words or 1.0
    scores = {row: of_meaning / total * score for row, score in _normalised(meaning)}
    for row, score in _normalised(words):
        scores[row] = scores.get(row, 0.0) + of_words / total * score
    return sorted(scores.items(), key=lambda item: -item[1])


def _normalised(ranking: Sequence[Ranked]) -> list[Ranked]:
    """Scores from 1 (the best) to 0 (the worst); all 1 where they are equal."""
    if not ranking:
        return []
    best, worst = ranking[0][1], ranking[-1][1]
    span = best - worst
    return [(row, (score - worst) / span if span else 1.0) for row, score in ranking]

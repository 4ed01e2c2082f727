"""The two rankings that a search may take: by meaning and by words.

Terms
  leg     one of them.
  depth   how many rows each leg contributes to the fusion; well above k, so that a passage which both find tolerably
          beats one that only one of them finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from kb_pipeline.embedding.models import profile_for
from kb_pipeline.search.candidates import sums
from kb_pipeline.search.languages import Aim, aims
from kb_pipeline.search.lexical import MOST_CANDIDATES, Weights, candidate_queries, weigh
from kb_pipeline.search.request import Mode, both
from kb_pipeline.store import postings
from kb_pipeline.store import search as store
from kb_pipeline.store import words as word_store
from kb_pipeline.store.conditions import EVERYTHING, Column, Membership, Node, Not, compile_condition

if TYPE_CHECKING:
    import numpy as np

    from kb_pipeline.chunking.lexemes import Term
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

SMALLEST_DEPTH = 100
SCORED = 3  # times the depth: how many covered rows get an exact score; what they were chosen by is rounded
MOST_ALLOWED = 50_000  # rows that pass a condition and are still listed


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be looked up in one generation; `vector` is None in lexical mode, `terms` empty in vector mode.

    `instruction`: that of the vector.
    """

    generation: Generation
    condition: Node | None
    k: int
    terms: tuple[Term, ...]
    vector: np.ndarray | None
    language: str
    instruction: str = ""

    @property
    def depth(self) -> int:
        return min(max(SMALLEST_DEPTH, 5 * self.k), store.MOST_EF_SEARCH)

    @property
    def mode(self) -> Mode:
        return "lexical" if self.vector is None else "hybrid" if self.terms else "vector"


def by_meaning(connection: Connection, plan: Plan, vector: np.ndarray) -> list[store.Ranked]:
    """By cosine similarity; where passages are in several languages, by how much it is above their language's mean.

    Never fewer than k where so many rows pass.
    """
    # Of the filter alone: a question aimed at a language lies among its passages, so few rows are passed over.
    if store.passes_few(connection, plan.generation, compile_condition(plan.condition), plan.depth):
        return _nearest(connection, plan, vector, exact=True)
    found = _nearest(connection, plan, vector, exact=False)
    return found if len(found) >= plan.k else _nearest(connection, plan, vector, exact=True)


def _nearest(connection: Connection, plan: Plan, vector: np.ndarray, *, exact: bool) -> list[store.Ranked]:
    def near(aim: np.ndarray, node: Node | None) -> list[store.Ranked]:
        return store.nearest(connection, plan.generation, aim, compile_condition(node), plan.depth, exact=exact)

    aimed = _aimed(connection, plan, vector)
    if not aimed:
        return near(vector, plan.condition)
    found: list[store.Ranked] = []
    for language, aim in aimed.items():
        passages: Node = Membership(Column("language"), (language,))
        if language == plan.language:  # and what has none
            passages = Not(Membership(Column("language"), tuple(name for name in aimed if name != language)))
        ranked = near(aim.vector, both(plan.condition, passages))
        found += [(row, similarity - aim.baseline) for row, similarity in ranked]
    return sorted(found, key=lambda row: (-row[1], row[0]))[: plan.depth]


def language_shifts(connection: Connection, plan: Plan) -> dict[str, float]:
    """Language -> what `by_meaning` takes from the similarities of its passages."""
    aimed = {} if plan.vector is None else _aimed(connection, plan, plan.vector)
    return {language: aim.baseline for language, aim in aimed.items()}


def is_aimed(connection: Connection, plan: Plan, vector: np.ndarray) -> bool:
    """Whether passages are in several languages, so that scores are above their language's mean."""
    return bool(_aimed(connection, plan, vector))


def _aimed(connection: Connection, plan: Plan, vector: np.ndarray) -> dict[str, Aim]:
    speaks = profile_for(plan.generation.model).speaks
    means = {name: mean for name, mean in store.language_means(connection, plan.generation).items() if speaks(name)}
    return aims(vector, plan.language, means)


class Words(NamedTuple):
    """What words find, and how much of the question the best of it says."""

    ranked: list[store.Ranked]
    coverage: float


NO_WORDS = Words([], 0.0)


def by_words(connection: Connection, plan: Plan, together: word_store.TermStatistics | None = None) -> Words:
    """By BM25: exact scores of the rows that the postings rank highest, and of the rows that have none yet.

    `together`: the statistics of all generations that are searched, where there are several.
    """
    statistics = word_store.term_statistics(connection, plan.generation, [term.lexeme for term in plan.terms])
    weights = weigh(plan.terms, together or statistics)
    statistics = replace(statistics, mean_length=(together or statistics).mean_length)
    covered = postings.covered(postings.blocks(connection, plan.generation))
    fresh = word_store.rows_after(connection, plan.generation, covered, MOST_CANDIDATES + 1)
    scores = dict(_covered(connection, plan, weights, statistics)) if covered else {}
    if len(fresh) <= MOST_CANDIDATES:
        scores |= _exact(connection, plan, weights, statistics, word_store.Among(fresh))
    else:
        scores |= _fresh(connection, plan, weights, statistics, covered)
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: plan.depth]
    return Words(ranked, weights.coverage(ranked[0][1])) if ranked else NO_WORDS


def _covered(
    connection: Connection, plan: Plan, weights: Weights, statistics: word_store.TermStatistics
) -> list[store.Ranked]:
    found = sums(connection, plan.generation, weights.finding, statistics)
    condition = compile_condition(plan.condition)
    few = SCORED * plan.depth
    if condition is EVERYTHING:
        return _exact(connection, plan, weights, statistics, word_store.Among(found.best(few).tolist()))
    rows = found.best(max(few, MOST_CANDIDATES)).tolist()
    scored = _exact(connection, plan, weights, statistics, word_store.Among(rows))
    if len(scored) >= plan.depth or len(rows) < MOST_CANDIDATES:
        return scored
    passing = word_store.passing_rows(connection, plan.generation, condition, MOST_ALLOWED + 1)
    best = found.best(few, passing) if len(passing) <= MOST_ALLOWED else found.best(MOST_ALLOWED)
    return _exact(connection, plan, weights, statistics, word_store.Among(best.tolist()))


def _fresh(
    connection: Connection, plan: Plan, weights: Weights, statistics: word_store.TermStatistics, covered: int
) -> dict[int, float]:
    """While many rows come in: those that hold the rarest terms."""
    scores: dict[int, float] = {}
    for pattern in candidate_queries(list(weights.finding), statistics):
        matching = word_store.Matching(pattern, covered, MOST_CANDIDATES)
        scores.update(_exact(connection, plan, weights, statistics, matching))
        if len(scores) >= plan.k:
            break
    return scores


def _exact(
    connection: Connection,
    plan: Plan,
    weights: Weights,
    statistics: word_store.TermStatistics,
    candidates: word_store.Candidates,
) -> list[store.Ranked]:
    return word_store.bm25(
        connection,
        plan.generation,
        candidates,
        weights=weights.all,
        mean_length=statistics.mean_length,
        condition=compile_condition(plan.condition),
        depth=plan.depth,
    )

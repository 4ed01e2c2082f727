"""The ranking of one search: both legs, fused, looked into as deep as its hits need.

Terms
  round   one look-up of the legs. A later one, at twice the depth, leaves out the passages that are known already and
          the documents that may have no more hits: it is only taken where folding or `per_document` left fewer than k.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from kb_pipeline.search import parts
from kb_pipeline.search.fusion import WEIGHT, Fusion, Shares, by_shares, shares
from kb_pipeline.search.legs import NO_WORDS, Plan
from kb_pipeline.search.request import both
from kb_pipeline.search.result import Explanation
from kb_pipeline.search.selection import Candidate, folded, full_documents, selected
from kb_pipeline.store.conditions import Column, Membership, Not

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.search.request import Mode, SearchRequest
    from kb_pipeline.search.result import Clock
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.search import Ranked, Row

MOST_CANDIDATES = 10_000  # of a search; beyond, it may have fewer than k hits
FIRST_LOOK = 2  # times k: so many passages are read before more are


@dataclass(frozen=True)
class Ranking:
    """What the legs have found, best first. `is_fused`: both were asked. `is_whole`: nothing more would be found."""

    meaning: Sequence[Ranked] = ()
    words: Sequence[Ranked] = ()
    coverage: float = 0.0
    is_fused: bool = False
    is_whole: bool = False
    weight: float = WEIGHT
    fusion: Fusion = "convex"

    @cached_property
    def shares(self) -> dict[int, Shares]:
        return shares(self.meaning, self.words, self.coverage, self.weight, self.fusion)

    @cached_property
    def ranked(self) -> list[Ranked]:
        """The scores of a leg that was asked alone stay as they are."""
        return by_shares(self.shares) if self.is_fused else list(self.meaning or self.words)

    def explanation(self, row: Row, language_shift: float | None, rerank: float | None) -> Explanation:
        legs = self.shares[row.id]
        return Explanation(
            fused=sum(share.weight * share.normalised for share in legs.values()),
            meaning=legs.get("meaning"),
            words=legs.get("words"),
            coverage=self.coverage if self.words else None,
            language_shift=language_shift,
            rerank=rerank,
        )

    def followed_by(self, later: Ranking) -> Ranking:
        """With what a later round found, which is worse in each leg."""
        return replace(
            later,
            meaning=[*self.meaning, *later.meaning],
            words=[*self.words, *later.words],
            coverage=max(self.coverage, later.coverage),
        )


def look_up(connection: Connection, plans: Sequence[Plan], clock: Clock, weight: float, fusion: Fusion) -> Ranking:
    """One round, over each generation by its plan."""
    meaning: list[Ranked] = []
    words, covered = NO_WORDS
    mode = mode_of(plans)
    if mode != "lexical":
        with clock.step("vector"):
            meaning = parts.meaning(connection, plans)
    if mode != "vector":
        with clock.step("lexical"):
            words, covered = parts.words(connection, plans)
    is_whole = len(words) < plans[0].k if mode == "lexical" else len(meaning) < plans[0].depth
    return Ranking(meaning, words, covered, mode == "hybrid", is_whole, weight, fusion)


def mode_of(plans: Sequence[Plan]) -> Mode:
    """What is looked up in any of the generations."""
    modes = {plan.mode for plan in plans}
    return modes.pop() if len(modes) == 1 else "hybrid"


def read_candidates(
    connection: Connection,
    plans: Sequence[Plan],
    request: SearchRequest,
    ranking: Ranking,
    rows: dict[int, Row],
    least: int,
) -> list[Candidate]:
    """The best passages of `ranking`, at least `least` and as many as k hits need, or all.

    `rows`: what was read already; what is read now is added.
    """
    look = max(FIRST_LOOK * request.k, least)
    while True:
        best = ranking.ranked[:look]
        rows |= parts.rows(connection, plans, [row for row, _ in best if row not in rows])
        candidates = [Candidate(rows[row], score) for row, score in best if row in rows]
        if request.fold:
            candidates = folded(candidates)
        if look >= len(ranking.ranked) or len(selected(candidates, request)) == request.k:
            return candidates
        look *= 2


def next_round(
    plans: Sequence[Plan], request: SearchRequest, ranking: Ranking, candidates: Sequence[Candidate]
) -> list[Plan]:
    """`plans` without what is known, and twice as deep."""
    full = full_documents(candidates, request)
    no_more = Not(Membership(Column("document_id"), full)) if full else None
    further: list[Plan] = []
    for part, plan in enumerate(plans):
        ids = parts.known_ids(part, ranking.ranked)
        known = Not(Membership(Column("id"), ids)) if ids else None
        further.append(replace(plan, condition=both(both(plan.condition, known), no_more), k=2 * plan.k))
    return further

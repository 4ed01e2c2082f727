"""Which of the ranked passages become hits.

Terms
  candidate   a passage with its place in the ranking.
  group       what one hit will show: a passage, and with `merge` also its neighbours in the document.
  copies      candidates that say the same as an earlier one, see `search.duplicates`; its hit names where they stand.

Candidates are taken in the order of the ranking until there are k hits, so a hit stands where its best passage does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kb_pipeline.search.duplicates import grouped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kb_pipeline.search.request import SearchRequest
    from kb_pipeline.store.search import Row


@dataclass(frozen=True, slots=True)
class Candidate:
    """`copies`: the rows that say the same, in the order of the ranking."""

    row: Row
    score: float
    copies: tuple[Row, ...] = ()


@dataclass(slots=True)
class Group:
    """`best` stands highest in the ranking; `others` are its neighbours, each next to one that is in the group."""

    best: Candidate
    others: list[Candidate] = field(default_factory=list)

    @property
    def parts(self) -> list[Candidate]:
        """In the order of the document."""
        return sorted([self.best, *self.others], key=lambda part: part.row.ordinal)

    def touches(self, row: Row) -> bool:
        return self.best.row.document_id == row.document_id and any(
            abs(part.row.ordinal - row.ordinal) == 1 for part in (self.best, *self.others)
        )


def folded(candidates: Sequence[Candidate]) -> list[Candidate]:
    """`candidates` without those that say the same as an earlier one, which has them as its copies."""
    return [
        Candidate(first.row, first.score, tuple(copy.row for copy in copies))
        for first, *copies in grouped(candidates, lambda candidate: candidate.row.content)
    ]


def reordered(candidates: Sequence[Candidate], scores: Mapping[int, float]) -> list[Candidate]:
    """By the reranker's `scores` (row -> score), which become theirs; those without one come after, in their order,
    each with the lowest."""
    lowest = min(scores.values(), default=0.0)
    ranked = [candidate for candidate in candidates if candidate.row.id in scores]
    ranked.sort(key=lambda candidate: -scores[candidate.row.id])
    others = [candidate for candidate in candidates if candidate.row.id not in scores]
    return [replace(candidate, score=scores.get(candidate.row.id, lowest)) for candidate in [*ranked, *others]]


def selected(candidates: Sequence[Candidate], request: SearchRequest) -> list[Group]:
    """At most `request.k` groups out of `candidates`, which have no copies among them."""
    groups: list[Group] = []
    hits_of: Counter[int] = Counter()
    for candidate in candidates:
        if len(groups) == request.k:
            break
        document = candidate.row.document_id
        touched = [group for group in groups if group.touches(candidate.row)] if request.merge else []
        if touched:
            first, *later = touched
            first.others.append(candidate)
            for group in later:  # the candidate closes the gap between two
                first.others += [group.best, *group.others]
                groups.remove(group)
                hits_of[document] -= 1
        elif request.per_document is None or hits_of[document] < request.per_document:
            groups.append(Group(candidate))
            hits_of[document] += 1
    return groups


def full_documents(candidates: Sequence[Candidate], request: SearchRequest) -> tuple[int, ...]:
    """The documents that have as many candidates as they may have hits: more of them would be passed over."""
    if request.per_document is None or request.merge:
        return ()
    counts = Counter(candidate.row.document_id for candidate in candidates)
    return tuple(document for document, count in counts.items() if count >= request.per_document)

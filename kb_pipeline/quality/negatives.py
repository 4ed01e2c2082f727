"""Passages that look like an answer and are none: what a model learns most from.

Terms
  positive   a passage that answers a question: of an evaluation set's part for tuning, or by judgment.
  candidate  a passage near to the question by the vectors of the generation that is searched.
  sibling    of a positive: a passage of its section, or next to it in the document. It often answers as well.
  hard       a candidate that stays after the guards, which keep out answers that nobody marked (false negatives):
             no positive of the question nor what says the same, no sibling of one, and a similarity of at most
             MOST_OF_POSITIVE of the positive's (de Souza P. Moreira et al.: NV-Retriever, 2024: of the ways to filter,
             a share of the positive's score did best). Similarities count from that to passages of no concern: with
             some models even these have .8 of the positive's.

A passage that was judged wrong for the question comes first, whatever its score: a person looked at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kb_pipeline.search.duplicates import grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PER_QUESTION = 5
MOST_OF_POSITIVE = 0.95  # of the positive's similarity
DEPTH = 60  # candidates that are looked at


@dataclass(frozen=True, slots=True)
class Candidate:
    """`score`: cosine similarity to the question. `judged_wrong`: by people, for this question."""

    document_id: int
    chunk_key: str
    ordinal: int
    section_path: tuple[str, ...]
    path: str
    content: str
    score: float
    judged_wrong: bool = False

    @property
    def key(self) -> tuple[int, str]:
        return self.document_id, self.chunk_key


@dataclass(frozen=True, slots=True)
class Negative:
    passage: Candidate
    why: Literal["mined", "judged"]


@dataclass(frozen=True, slots=True)
class Mined:
    """`provenance`: where the question comes from."""

    query: str
    positive: Candidate
    negatives: tuple[Negative, ...]
    provenance: str


@dataclass(frozen=True, slots=True)
class Triplet:
    """What a model is tuned on, as texts that were masked before they were stored. `provenance`: where the question
    comes from."""

    query: str
    positive: str
    negatives: tuple[str, ...]
    provenance: str


def hard_negatives(
    positives: Sequence[Candidate],
    candidates: Sequence[Candidate],
    *,
    unrelated: float = 0.0,
    margin: float = 0.0,
    confirmed: Callable[[Sequence[Candidate]], Sequence[Candidate]] | None = None,
) -> tuple[Negative, ...]:
    """At most PER_QUESTION, the hardest first after those that people judged wrong.

    `unrelated`: the mean similarity of the question to passages that chance chose. `margin`: by how much more a
    candidate has to lie below the best positive. `confirmed`: of some candidates those that a second opinion, such as a
    cross-encoder, finds no answer in either.
    """
    if not positives:
        return ()
    best = max(positive.score for positive in positives)
    most = unrelated + MOST_OF_POSITIVE * (best - unrelated) - margin
    kept = [candidate for candidate in candidates if _may_be_wrong(candidate, positives)]
    said = [Negative(candidate, "judged") for candidate in kept if candidate.judged_wrong]
    near = sorted((each for each in kept if not each.judged_wrong and each.score <= most), key=lambda each: -each.score)
    near = [group[0] for group in grouped(near[:DEPTH], lambda each: each.content)]
    if confirmed is not None:
        near = list(confirmed(near[: 2 * PER_QUESTION]))
    return tuple([*said, *(Negative(candidate, "mined") for candidate in near)][:PER_QUESTION])


def _may_be_wrong(candidate: Candidate, positives: Sequence[Candidate]) -> bool:
    return not any(
        candidate.key == positive.key
        or _is_sibling(candidate, positive)
        or len(grouped([positive, candidate], lambda each: each.content)) == 1
        for positive in positives
    )


def _is_sibling(one: Candidate, other: Candidate) -> bool:
    if one.document_id != other.document_id:
        return False
    shares_section = bool(one.section_path) and one.section_path == other.section_path
    return shares_section or abs(one.ordinal - other.ordinal) <= 1

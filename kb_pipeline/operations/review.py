"""Cases of feedback as a reviewer sees and decides them: no passage that the reviewer may not read is among them.

A case is shown to whoever may read one of its passages, and to everyone with the right where the last search for it
found nothing. What it is about follows from the question, which is masked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kb_pipeline.quality.judgments import State, Verdict, same_question, verdicts
from kb_pipeline.search import documents
from kb_pipeline.store.database import database_errors
from kb_pipeline.store.feedback import Reason
from kb_pipeline.store.quality import judgments as store
from kb_pipeline.store.quality.judgments import Case, PassageKey
from kb_pipeline.store.reading import PlacedPassage

if TYPE_CHECKING:
    from kb_pipeline.access.principal import Principal
    from kb_pipeline.search.retrieve import Connect

MOST_LOOKED_AT = 500  # cases, those that most people met


@dataclass(frozen=True, slots=True)
class ReviewPassage(PlacedPassage):
    """`rank`: in the last search for the question; None where that did not show it. `named`: somebody said that it
    would have been right. `state`: what votes and decisions come to; None without any. `for_it`, `against_it`: weights
    of the votes of `people`. `reviewed`: a person decided, which overrules them."""

    rank: int | None
    named: bool
    state: State | None
    for_it: float
    against_it: float
    people: int
    reviewed: bool


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """`query`: masked. `people`: who asked in vain or judged. `found_nothing`: some search for it. `quarantined`:
    people contradict each other about a passage, so nothing follows from it until somebody decides."""

    query: str
    last_at: datetime
    people: int
    found_nothing: bool
    reasons: list[Reason]
    quarantined: bool
    passages: tuple[ReviewPassage, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """About a question that was asked. `undecided`: decisions on these are taken back. `closed`: whether nothing more
    is to be decided, until something new is said of it; None: as it was."""

    query: str
    right: tuple[PassageKey, ...] = ()
    wrong: tuple[PassageKey, ...] = ()
    undecided: tuple[PassageKey, ...] = ()
    closed: bool | None = None


def review_cases(connect: Connect, principal: Principal, limit: int) -> list[ReviewCase]:
    """What waits for a person, the questions of most people first."""
    with database_errors(), connect() as connection:
        cases = store.cases(connection, MOST_LOOKED_AT)
        shown = store.shown(connection, [case.event_id for case in cases])
        named = store.named(connection, [case.query for case in cases])
        judged = _by_question(verdicts(store.votes(connection), store.decided(connection)))
    about = {case.query: _ranks(case, shown, named, judged) for case in cases}
    passages = documents.passages_at(connect, principal, [key for ranks in about.values() for key in ranks])
    sees_all = principal.condition() is None
    found = []
    for case in cases:
        verdict_on = judged.get(same_question(case.query), {})
        readable = tuple(
            _passage(passages[key], rank, key in named.get(case.query, ()), verdict_on.get(key))
            for key, rank in about[case.query].items()
            if key in passages
        )
        if readable or sees_all or not shown.get(case.event_id):
            found.append(_case(case, readable))
    return found[:limit]


def decide(connect: Connect, principal: Principal, decision: Decision) -> bool:
    """Store all of it or nothing; False where the question was never asked, or a passage is not there to be read."""
    keys = [*decision.right, *decision.wrong, *decision.undecided]
    if len(documents.passages_at(connect, principal, keys)) < len(set(keys)):
        return False
    with database_errors(), connect() as connection:
        return store.review(
            connection,
            decision.query,
            judged={**dict.fromkeys(decision.right, True), **dict.fromkeys(decision.wrong, False)},
            undecided=decision.undecided,
            closed=decision.closed,
            by=principal.name,
        )


def _by_question(found: Sequence[Verdict]) -> dict[str, dict[PassageKey, Verdict]]:
    judged: dict[str, dict[PassageKey, Verdict]] = defaultdict(dict)
    for verdict in found:
        judged[same_question(verdict.query)][PassageKey(verdict.document_id, verdict.chunk_key)] = verdict
    return judged


def _ranks(
    case: Case,
    shown: Mapping[int, Mapping[PassageKey, int]],
    named: Mapping[str, Sequence[PassageKey]],
    judged: Mapping[str, Mapping[PassageKey, Verdict]],
) -> dict[PassageKey, int | None]:
    """The passages of a case: named ones first, since they may be the answer, then those that were shown."""
    here, others = shown.get(case.event_id, {}), judged.get(same_question(case.query), {})
    in_order: list[PassageKey] = [*named.get(case.query, ()), *here, *others]
    return {**dict.fromkeys(in_order), **here}


def _case(case: Case, passages: tuple[ReviewPassage, ...]) -> ReviewCase:
    return ReviewCase(
        query=case.query,
        last_at=case.last_at,
        people=case.people,
        found_nothing=case.found_nothing,
        reasons=case.reasons,
        quarantined=any(passage.state == "contradictory" for passage in passages),
        passages=passages,
    )


def _passage(placed: PlacedPassage, rank: int | None, named: bool, verdict: Verdict | None) -> ReviewPassage:
    return ReviewPassage(
        **asdict(placed),
        rank=rank,
        named=named,
        state=verdict.state if verdict else None,
        for_it=verdict.for_it if verdict else 0.0,
        against_it=verdict.against_it if verdict else 0.0,
        people=verdict.people if verdict and not verdict.reviewed else 0,
        reviewed=bool(verdict and verdict.reviewed),
    )

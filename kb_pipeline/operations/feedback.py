"""What people say of searches, turned into judgments, by a person or by enough of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kb_pipeline.chunking.language import language_of
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.questions import Import, add_questions
from kb_pipeline.quality.importers import LONGEST_QUOTE
from kb_pipeline.quality.judgments import Verdict, same_question, verdicts
from kb_pipeline.store.quality import judgments as store
from kb_pipeline.store.quality.judgments import Case, CaseHit
from kb_pipeline.store.quality.questions import Answer, Question

if TYPE_CHECKING:
    from kb_pipeline.site import Site


class OpenCase(NamedTuple):
    """`hits`: of the last search for it, those that are still there."""

    case: Case
    hits: list[CaseHit]


def open_cases(site: Site, limit: int) -> list[OpenCase]:
    """What waits for a person, the questions of most people first."""
    with site.connect() as connection:
        return [OpenCase(case, store.case_hits(connection, case.event_id)) for case in store.cases(connection, limit)]


def all_verdicts(site: Site) -> list[Verdict]:
    with site.connect() as connection:
        return verdicts(store.votes(connection), store.decided(connection))


def decide(site: Site, query: str, *, document_id: int, chunk_key: str, is_right: bool, by: str) -> None:
    """A person says whether a passage answers `query`, which overrules all votes on it.

    Raises SettingsError where there is no such passage.
    """
    with site.connect() as connection:
        if not store.decide(connection, query, document_id=document_id, chunk_key=chunk_key, is_right=is_right, by=by):
            raise SettingsError("There is no such passage any more; search again and judge what is there now.")


def close(site: Site, query: str, *, by: str) -> None:
    """Nothing more is to be decided about `query`, until something new is said of it."""
    with site.connect() as connection:
        store.close(connection, query, by=by)


def export(site: Site, name: str) -> Import | None:
    """Put every question with a right passage into the set `name`; None where there is none yet."""
    answers: dict[str, list[Verdict]] = {}
    for verdict in all_verdicts(site):
        if verdict.state == "right":
            answers.setdefault(same_question(verdict.query), []).append(verdict)
    questions = [
        Question(
            found[0].query,
            tuple(
                Answer(verdict.path, verdict.quote[:LONGEST_QUOTE], document_id=verdict.document_id)
                for verdict in found
            ),
            language=language_of(found[0].query),
            provenance="judgment",
        )
        for found in answers.values()
    ]
    return add_questions(site, name, questions) if questions else None


def erase(site: Site, person: str) -> tuple[int, int]:
    """Remove what a person said and asked; how many words and searches that were."""
    with site.connect() as connection:
        return store.erase(connection, person)

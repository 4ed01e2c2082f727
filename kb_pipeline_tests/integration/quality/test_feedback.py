"""From votes in the database to questions of an evaluation set, and out of it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.operations import feedback
from kb_pipeline.operations.search import search
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.store.feedback import Judgment, record
from kb_pipeline.store.quality.questions import questions_of

if TYPE_CHECKING:
    from kb_pipeline.search.result import SearchResult
    from kb_pipeline_tests.sites import TestSite


def asked(kb: TestSite, query: str) -> SearchResult:
    return search(kb.site, SearchRequest(query, mode="lexical"))


def say(kb: TestSite, result: SearchResult, voter: str, rank: int = 1, **what: object) -> None:
    assert result.event_id is not None
    given = Judgment(result.event_id, rank, "anyone", voter, **what)  # type: ignore[arg-type]
    assert record(kb.connection, [given])


def test_votes_become_questions_and_what_did_not_help_becomes_cases(kb: TestSite) -> None:
    kb.write("a/one.md", "# One\n\nThe melting point of tin is 232 degrees.\n")
    kb.write("a/two.md", "# Two\n\nThe melting point of lead is 327 degrees.\n")
    kb.refresh()
    tin, gold, lead = asked(kb, "melting tin"), asked(kb, "zzz gold"), asked(kb, "melting lead")
    for voter in ("ann", "bob"):
        say(kb, tin, voter, helpful=True)
    say(kb, lead, "ann", 0, helpful=False, reason="not_found")
    cases = {each.case.query: each for each in feedback.open_cases(kb.site, 10)}
    assert set(cases) == {"zzz gold", "melting lead"}
    assert cases["zzz gold"].case.found_nothing
    assert cases["melting lead"].case.reasons == ["not_found"]
    assert cases["melting lead"].hits[0].path == "a/two.md"
    assert gold.hits == ()

    assert [(verdict.query, verdict.state) for verdict in feedback.all_verdicts(kb.site)] == [("melting tin", "right")]
    hit = cases["melting lead"].hits[0]
    where = {"document_id": hit.document_id, "chunk_key": hit.chunk_key}
    feedback.decide(kb.site, "melting lead", **where, is_right=True, by="carol")  # type: ignore[arg-type]
    feedback.close(kb.site, "melting lead", by="carol")
    assert [each.case.query for each in feedback.open_cases(kb.site, 10)] == ["zzz gold"]

    result = feedback.export(kb.site, "judged")
    assert result is not None
    assert result.new == 2
    exported = questions_of(kb.connection, "judged")
    assert {(question.question, question.answers[0].path) for question in exported} == {
        ("melting tin", "a/one.md"),
        ("melting lead", "a/two.md"),
    }
    assert {question.provenance for question in exported} == {"judgment"}

    say(kb, lead, "dee", 0, helpful=False)  # something new is said, so the case is open again
    assert "melting lead" in {each.case.query for each in feedback.open_cases(kb.site, 10)}


def test_a_named_passage_is_a_vote_and_a_gone_one_is_none(kb: TestSite) -> None:
    kb.write("a/one.md", "# One\n\nThe melting point of tin is 232 degrees.\n")
    kb.refresh()
    result = asked(kb, "melting")
    hit = result.hits[0]
    there = {"document_id": hit.document_id, "chunk_key": hit.chunk_key}
    say(kb, result, "ann", 0, helpful=False, right_passage=there)
    say(kb, result, "bob", 0, helpful=False, right_passage={"document_id": 999, "chunk_key": "0"})
    assert [(verdict.people, verdict.for_it) for verdict in feedback.all_verdicts(kb.site)] == [(1, 1.0)]
    with pytest.raises(SettingsError, match="no such passage"):
        feedback.decide(kb.site, "melting", document_id=999, chunk_key="0", is_right=True, by="ann")
    (kb.documents / "a/one.md").unlink()
    kb.refresh(allow_mass_delete=True)
    assert feedback.all_verdicts(kb.site) == []
    assert feedback.export(kb.site, "judged") is None


def test_a_person_is_forgotten(kb: TestSite) -> None:
    kb.write("a/one.md", "# One\n\nThe melting point of tin is 232 degrees.\n")
    kb.refresh()
    result = asked(kb, "melting")
    hit = result.hits[0]
    say(kb, result, "chat/ann", helpful=True)
    say(kb, result, "chatty", helpful=True)
    feedback.decide(kb.site, "melting", document_id=hit.document_id, chunk_key=hit.chunk_key, is_right=True, by="chat")
    assert feedback.erase(kb.site, "chat") == (1, 0)
    assert kb.connection.execute("SELECT voter FROM feedback").fetchall() == [("chatty",)]
    assert kb.connection.execute("SELECT decided_by FROM judgments").fetchall() == [("",)]
    assert feedback.erase(kb.site, "anyone") == (0, 1)
    assert kb.count("feedback") == 0

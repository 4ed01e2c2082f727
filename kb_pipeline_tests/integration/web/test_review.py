"""The review queue over HTTP: cases, decisions, and nothing that a reviewer may not read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.access import keys
from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.operations import feedback
from kb_pipeline_tests.integration.web.serving import served
from kb_pipeline_tests.integration.web.test_access import key_for
from kb_pipeline_tests.sites import TestSite, embedding_server, kb, parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from kb_pipeline_tests.instant_embedding_server import InstantServer

__all__ = ["embedding_server", "kb", "parsers"]


@pytest.fixture
def client(kb: TestSite, embedding_server: InstantServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    kb.write("a/tin.md", "# Tin\n\nThe melting point of tin is 232 degrees.\n")
    kb.write("a/lead.md", "# Lead\n\nThe melting point of lead is 327 degrees.\n")
    kb.write("secret/zinc.md", "# Zinc\n\nThe melting point of zinc is 419 degrees.\n")
    kb.write("secret/_meta.yaml", "groups: [council]\n")
    kb.refresh()
    for name in ("OLDEST", "YOUNGEST"):
        monkeypatch.setattr(keys, name, 0.0)  # a new key is known at once
    connect = partial(EmbeddingClient.connect, embedding_server.base_url, patience=0.1)
    with served(lambda: kb.site.database_url, connect, site=kb.site) as client:
        yield client


def ask(client: httpx.Client, query: str) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/v1/search", json={"query": query, "mode": "lexical"}).json()
    return found


def say(client: httpx.Client, answer: dict[str, Any], session: str, rank: int = 0, **what: Any) -> None:
    said = {"event_id": answer["event_id"], "rank": rank, "session": session, **what}
    assert client.post("/v1/feedback", json=said).status_code == 204


def cases(client: httpx.Client, headers: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    return {case["query"]: case for case in client.get("/v1/review/cases", headers=headers).json()["cases"]}


def key_of(passage: dict[str, Any]) -> dict[str, Any]:
    return {"document_id": passage["document_id"], "chunk_key": passage["chunk_key"]}


def decide(client: httpx.Client, query: str, **what: Any) -> int:
    return client.post("/v1/review/decisions", json={"query": query, **what}).status_code


def standing(case: dict[str, Any]) -> dict[str, Any]:
    return {passage["source_file"]: (passage["state"], passage["rank"]) for passage in case["passages"]}


def test_a_case_has_the_question_what_was_shown_votes_and_the_correction(client: httpx.Client) -> None:
    ask(client, "zyxwv")
    tin, lead = ask(client, "melting tin"), ask(client, "melting lead")
    say(client, tin, "ann", 0, helpful=False, reason="wrong_document", right_passage=key_of(lead["hits"][0]))
    found = cases(client)
    assert set(found) == {"zyxwv", "melting tin"}
    assert (found["zyxwv"]["found_nothing"], found["zyxwv"]["passages"]) == (True, [])
    case = found["melting tin"]
    assert case["reasons"] == ["wrong_document"]
    (named,) = [passage for passage in case["passages"] if passage["named"]]
    assert case["passages"][0] == named
    assert named["source_file"] == "a/lead.md"
    assert (named["state"], named["people"], named["for_it"]) == ("open", 1, 1.0)
    assert "327" in named["content"]


def test_what_people_contradict_each_other_about_is_shown_as_such(client: httpx.Client) -> None:
    tin = ask(client, "melting tin")
    for session, helpful in (("ann", True), ("bob", False)):
        say(client, tin, session, 1, helpful=helpful)
    case = cases(client)["melting tin"]
    assert case["quarantined"]
    assert standing(case)["a/tin.md"] == ("contradictory", 1)
    assert decide(client, "melting tin", right=[key_of(case["passages"][0])]) == 204
    case = cases(client)["melting tin"]
    assert not case["quarantined"]
    assert standing(case)["a/tin.md"] == ("right", 1)


def test_decisions_become_judgments_can_be_taken_back_and_close_a_case(client: httpx.Client, kb: TestSite) -> None:
    tin = ask(client, "melting tin")
    say(client, tin, "ann", 0, helpful=False)
    first, second = (key_of(hit) for hit in tin["hits"][:2])
    assert decide(client, "melting tin", right=[first], wrong=[second], closed=True) == 204
    assert cases(client) == {}
    states = {verdict.chunk_key: (verdict.state, verdict.reviewed) for verdict in feedback.all_verdicts(kb.site)}
    assert states == {first["chunk_key"]: ("right", True), second["chunk_key"]: ("wrong", True)}
    assert decide(client, "melting tin", undecided=[first, second], closed=False) == 204
    assert feedback.all_verdicts(kb.site) == []
    assert set(cases(client)) == {"melting tin"}


def test_what_nobody_asked_and_what_is_gone_cannot_be_decided(client: httpx.Client) -> None:
    tin = ask(client, "melting tin")
    there = key_of(tin["hits"][0])
    assert decide(client, "never asked", right=[there]) == 404
    assert decide(client, "melting tin", right=[there, {"document_id": 999, "chunk_key": "0"}]) == 404
    assert decide(client, "melting tin", right=[{"document_id": 0, "chunk_key": "0"}]) == 400
    assert decide(client, "melting tin", right=[there], wrong=[there]) == 400
    assert decide(client, "melting tin", more=True) == 400


def test_a_reviewer_sees_and_decides_nothing_that_he_may_not_read(client: httpx.Client, kb: TestSite) -> None:
    url = kb.site.database_url
    whole = ask(client, "melting")  # by anyone, before there are keys
    only_zinc = ask(client, "melting zinc 419")
    zinc = key_of(next(hit for hit in whole["hits"] if hit["source_file"] == "secret/zinc.md"))
    tin = ask(client, "tin 232")
    say(client, whole, "ann", 0, helpful=False)
    say(client, tin, "ann", 0, helpful=False, right_passage=zinc)
    assert {hit["source_file"] for hit in only_zinc["hits"]} >= {"secret/zinc.md"}
    reviewer = key_for(url, "reviewer", rights=("review",))
    council = key_for(url, "council", rights=("review",), groups=("council",))
    for query in ("melting", "tin 232"):
        seen = {passage["source_file"] for passage in cases(client, headers=reviewer)[query]["passages"]}
        assert seen <= {"a/tin.md", "a/lead.md"}
        assert "secret/zinc.md" in {
            passage["source_file"] for passage in cases(client, headers=council)[query]["passages"]
        }
    refused = client.post("/v1/review/decisions", json={"query": "melting", "right": [zinc]}, headers=reviewer)
    assert refused.status_code == 404
    assert (
        client.post("/v1/review/decisions", json={"query": "melting", "right": [zinc]}, headers=council).status_code
        == 204
    )


def test_a_case_of_which_a_reviewer_may_read_nothing_is_not_his(client: httpx.Client, kb: TestSite) -> None:
    zinc = ask(client, "zinc")
    assert [hit["source_file"] for hit in zinc["hits"]] == ["secret/zinc.md"]
    say(client, zinc, "ann", 0, helpful=False)
    reviewer = key_for(kb.site.database_url, "reviewer", rights=("review",))
    council = key_for(kb.site.database_url, "council", rights=("review",), groups=("council",))
    assert set(cases(client, headers=reviewer)) == set()
    assert set(cases(client, headers=council)) == {"zinc"}


def test_only_who_has_the_right_review_may_ask(client: httpx.Client, kb: TestSite) -> None:
    rights = ("search", "read", "original", "feedback", "write", "admin")
    other = key_for(kb.site.database_url, "other", rights=rights)
    assert client.get("/v1/review/cases").status_code == 401
    assert client.get("/v1/review/cases", headers=other).status_code == 403
    assert client.post("/v1/review/decisions", json={"query": "a"}, headers=other).status_code == 403

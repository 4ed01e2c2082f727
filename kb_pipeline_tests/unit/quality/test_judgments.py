"""Votes become judgments only where independent people agree; nobody steers them alone."""

from __future__ import annotations

from kb_pipeline.quality.judgments import Verdict, verdicts, weigh
from kb_pipeline.store.quality.judgments import Decided, Vote


def vote(voter: str, helpful: bool = True, *, query: str = "q", key: str = "a", content: str | None = "text") -> Vote:
    return Vote(query, 1, key, voter, helpful, None, "a.md" if content else None, content)


def states(found: list[Verdict]) -> dict[str, str]:
    return {verdict.chunk_key: verdict.state for verdict in found}


def test_two_people_make_a_judgment_and_one_does_not() -> None:
    assert states(verdicts([vote("ann")], [])) == {"a": "open"}
    assert states(verdicts([vote("ann"), vote("bob")], [])) == {"a": "right"}
    assert states(verdicts([vote("ann", False), vote("bob", False)], [])) == {"a": "wrong"}


def test_a_thousand_votes_of_one_person_are_one() -> None:
    assert states(verdicts([vote("ann")] * 1000, [])) == {"a": "open"}
    asked_in_other_case = [vote("ann", query="What is IT?"), vote("ann", query="what is  it?")]
    assert states(verdicts(asked_in_other_case, [])) == {"a": "open"}


def test_who_votes_much_has_at_most_a_quarter_of_all_weight() -> None:
    votes = [vote("mallory", query=f"q{number}") for number in range(1000)]
    votes += [vote(f"person {number}", query=f"q{number}") for number in range(30)]
    weights = weigh(votes)
    assert weights["person 1"] == 1
    assert weights["mallory"] * 1000 <= 0.2501 * (weights["mallory"] * 1000 + 30)
    # with one more person the flooder's side has little weight: it takes others to agree
    assert verdicts([*votes, vote("mallory", False, query="x"), vote("eve", False, query="x")], [])[-1].state == "wrong"
    assert verdicts([*votes, vote("mallory", False, query="x")], [])[-1].state == "open"


def test_contradiction_is_quarantined_until_a_person_decides() -> None:
    votes = [vote("ann"), vote("bob"), vote("cem", False), vote("dee", False)]
    assert states(verdicts(votes, [])) == {"a": "contradictory"}
    decided = verdicts(votes, [Decided("q", 1, "a", "text", False, "a.md")])
    assert states(decided) == {"a": "wrong"}
    assert decided[0].reviewed


def test_one_dissenter_among_many_is_outvoted() -> None:
    votes = [vote(f"person {number}") for number in range(9)] + [vote("ann", False)]
    assert states(verdicts(votes, [])) == {"a": "right"}


def test_passages_that_are_gone_are_left_out() -> None:
    assert verdicts([vote("ann", content=None), vote("bob", content=None)], []) == []

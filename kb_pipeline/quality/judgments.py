"""From what people say of hits to what may be relied on.

Terms
  vote      of one person on one passage for one question; the last word counts, so a thousand clicks are one vote.
  weight    of a person's votes. Whoever votes much counts less with each, so that nobody has more than SHARE of all
            weight as soon as enough people vote for that to be possible.
  verdict   what the votes on a passage come to: *right* or *wrong* where LEAST_PEOPLE independent people agree,
            *contradictory* where they do not, which is quarantined until a person decides; *open* while too few voted.
            What a reviewer decided overrules all votes.

Sessions of one key are people of their own: a program asks for many. Only these verdicts make a judgment; that an
answer as a whole did not help opens a case and makes none.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kb_pipeline.store.quality.judgments import Decided, Vote

SHARE = 0.25  # of all weight, at most, for one person
LEAST_PEOPLE = 2
LEAST_WEIGHT = 1.0  # on the side that wins
MOST_AGAINST = 0.25  # of the weight on a passage, where the others are still believed
ROUNDS = 100

State = Literal["right", "wrong", "contradictory", "open"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`quote`: what the passage says. `for_it`, `against_it`: weights. `reviewed`: a person decided."""

    query: str
    document_id: int
    chunk_key: str
    path: str
    quote: str
    state: State
    for_it: float
    against_it: float
    people: int
    reviewed: bool = False


def verdicts(votes: Sequence[Vote], decided: Sequence[Decided]) -> list[Verdict]:
    """Of every passage that is still there and that somebody voted or decided on."""
    there = [vote for vote in votes if vote.path is not None and vote.content is not None]
    weights = weigh(there)
    on: dict[tuple[str, int, str], dict[str, Vote]] = defaultdict(dict)
    for vote in there:
        on[same_question(vote.query), vote.document_id, vote.chunk_key][vote.voter] = vote
    found = {passage: _verdict(list(cast.values()), weights) for passage, cast in on.items()}
    for each in decided:
        passage = same_question(each.query), each.document_id, each.chunk_key
        found[passage] = Verdict(
            each.query,
            each.document_id,
            each.chunk_key,
            each.path,
            each.quote,
            "right" if each.is_right else "wrong",
            *(0.0, 0.0, 1),
            reviewed=True,
        )
    return list(found.values())


def weigh(votes: Sequence[Vote]) -> dict[str, float]:
    """Voter → weight of each vote, from 0 to 1."""
    counts: dict[str, int] = defaultdict(int)
    for vote in votes:
        counts[vote.voter] += 1
    most = float(max(counts.values(), default=0))
    if len(counts) * SHARE > 1:
        for _ in range(ROUNDS):  # down to where the most active person has just SHARE of what all have
            most = min(most, SHARE * sum(min(count, most) for count in counts.values()))
    return {voter: min(count, most) / count for voter, count in counts.items()}


def same_question(query: str) -> str:
    """Equal for what only differs in case, width and blanks."""
    return " ".join(unicodedata.normalize("NFKC", query).casefold().split())


def _verdict(votes: Sequence[Vote], weights: Mapping[str, float]) -> Verdict:
    first = votes[0]
    for_it = sum(weights[vote.voter] for vote in votes if vote.helpful)
    against_it = sum(weights[vote.voter] for vote in votes if not vote.helpful)
    return Verdict(
        first.query,
        first.document_id,
        first.chunk_key,
        first.path or "",
        first.content or "",
        _state(for_it, against_it, len(votes)),
        round(for_it, 3),
        round(against_it, 3),
        len(votes),
    )


def _state(for_it: float, against_it: float, people: int) -> State:
    if min(for_it, against_it) > MOST_AGAINST * (for_it + against_it):
        return "contradictory"
    if people < LEAST_PEOPLE or max(for_it, against_it) < LEAST_WEIGHT:
        return "open"
    return "right" if for_it > against_it else "wrong"

"""Which questions may train, which choose, and which decide.

A model that has seen a question, or another one about the same document, has an advantage there that it will not have
elsewhere. So questions that touch stay together.

Terms
  touch    two questions touch when they have a document in common, or say nearly the same.
  cluster  questions that touch one another, directly or by others between them.
  leak     a question of the frozen test that touches one that may train or choose.

What was put somewhere stays there: a test that moved would be no frozen one. A new question goes where those are that
it touches; where these are in several parts, it is left unused. New clusters are dealt out by a hash of their first
question, so that the same file is split alike everywhere. What a language model wrote never decides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from kb_pipeline.chunking.lexemes import query_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kb_pipeline.store.quality.questions import Question, Split

TUNE, DEV = 0.4, 0.2  # shares of the clusters; the rest is the frozen test
LEAST_RESEMBLANCE = 0.7  # of the words of two questions that say nearly the same
WIDEST = 0.5  # share of all questions; a wider cluster hangs together by documents that answer everything


@dataclass(frozen=True, slots=True)
class Leak:
    """`test`, of the frozen test, touches `other`, which is not in it. `shared`: the document; '' where both say nearly
    the same."""

    test: str
    other: str
    shared: str


def split(questions: Sequence[Question]) -> list[Question]:
    """`questions` with their splits; those that have one keep it.

    Where one document joins more than half of all questions, documents cannot be kept apart, and only questions that
    say nearly the same stay together; `leaks` then names what is shared.
    """
    clusters = _clusters(questions, by_document=True)
    if len(questions) > 1 and max(map(len, clusters), default=0) > WIDEST * len(questions):
        clusters = _clusters(questions, by_document=False)
    found = list(questions)
    for members in clusters:
        part = _part([questions[member] for member in members])
        for member in members:
            if found[member].split == "unused":
                found[member] = replace(found[member], split=_allowed(found[member], part))
    return found


def leaks(questions: Sequence[Question]) -> list[Leak]:
    """The questions of the frozen test that touch one that may train or choose, each with one of those."""
    found: dict[str, Leak] = {}
    for one, other, shared in _touching(questions, by_document=True):
        first, second = questions[one], questions[other]
        if "unused" not in (first.split, second.split) and (first.split == "test") != (second.split == "test"):
            test, seen = (first, second) if first.split == "test" else (second, first)
            found.setdefault(test.question, Leak(test.question, seen.question, shared))
    return list(found.values())


def _part(members: Sequence[Question]) -> Split:
    """Where a cluster belongs: where its members are already, and 'unused' where these are in several parts."""
    known = {member.split for member in members} - {"unused"}
    if len(known) > 1:
        return "unused"
    if known:
        return known.pop()
    first = min(member.question for member in members)
    place = int.from_bytes(hashlib.sha256(first.encode()).digest()[:8], "big") / 2**64
    if all(member.provenance == "synthetic" for member in members):
        place *= TUNE + DEV
    return "tune" if place < TUNE else "dev" if place < TUNE + DEV else "test"


def _allowed(question: Question, part: Split) -> Split:
    return "unused" if part == "test" and question.provenance == "synthetic" else part


def _clusters(questions: Sequence[Question], *, by_document: bool) -> list[list[int]]:
    """Places of questions, those that touch together."""
    parents = list(range(len(questions)))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for one, other, _ in _touching(questions, by_document=by_document):
        parents[root(other)] = root(one)
    members: dict[int, list[int]] = defaultdict(list)
    for place in range(len(questions)):
        members[root(place)].append(place)
    return list(members.values())


def _touching(questions: Sequence[Question], *, by_document: bool) -> Iterator[tuple[int, int, str]]:
    """Pairs of places that touch, and by what; of all pairs about one document only those of neighbours among them, and
    those across splits, which a leak may be."""
    if by_document:
        about: dict[str, list[int]] = defaultdict(list)
        for place, question in enumerate(questions):
            for path in dict.fromkeys(answer.path for answer in question.answers if answer.path):
                about[path].append(place)
        for path, places in about.items():
            first_of: Mapping[Split, int] = {questions[place].split: place for place in reversed(places)}
            yield from ((one, other, path) for one, other in _pairs(places, set(first_of.values())))
    yield from ((one, other, "") for one, other in _alike([question.question for question in questions]))


def _pairs(places: Sequence[int], firsts: set[int]) -> Iterator[tuple[int, int]]:
    yield from pairwise(places)
    for first in sorted(firsts):
        yield from ((first, place) for place in places if place != first)


def _alike(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of texts that say nearly the same: of the words that either holds, most are in both."""
    words = [frozenset(term.lexeme for term in query_terms(text)) for text in texts]
    holding: dict[str, list[int]] = defaultdict(list)
    for place, found in enumerate(words):
        for word in found:
            holding[word].append(place)
    for place, found in enumerate(words):
        # Two sets that share so much share one of the rarest words of each.
        needed = len(found) - int(LEAST_RESEMBLANCE * len(found)) + 1
        rarest = sorted(found, key=lambda word: (len(holding[word]), word))[:needed]
        for other in _later(place, (holding[word] for word in rarest)):
            shared = len(found & words[other])
            if shared >= LEAST_RESEMBLANCE * (len(found) + len(words[other]) - shared):
                yield place, other


def _later(place: int, lists: Iterable[Sequence[int]]) -> list[int]:
    return sorted({other for places in lists for other in places if other > place})

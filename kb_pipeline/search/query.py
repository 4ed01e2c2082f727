"""What a person types into the search field: words, phrases, and what is to be left out.

    annual leave                passages about these words
    "annual leave" days         only passages that hold the phrase, word by word
    leave -sick                 no passage that holds the word in any of its forms
    leave -"sick leave"         no passage that holds the phrase

Quotation marks may be straight, typographic or Chinese brackets (「」). A hyphen leaves out only at the beginning of
a word that starts with a letter: -5 is a number. A quotation mark without its partner means nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from kb_pipeline.chunking.lexemes import LONGEST_LEXEME, Occurrence, occurrences
from kb_pipeline.search.request import both
from kb_pipeline.store.conditions import Node, Not, Or, Says
from kb_pipeline.store.words import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PHRASE = r"\"([^\"]+)\"|“([^”]+)”|「([^」]+)」"
_OPERATOR = re.compile(rf"(?P<out>(?<!\S)-)?(?:{_PHRASE})|(?<!\S)-(?P<word>[^\W\d_]\S*)")
_LITERAL = "AB"  # the weights of words as the text says them


@dataclass(frozen=True, slots=True)
class Query:
    """`text`: without signs and without what is left out; the other fields are texts."""

    text: str
    phrases: tuple[str, ...] = ()
    without_phrases: tuple[str, ...] = ()
    without_words: tuple[str, ...] = ()


def parse_query(typed: str) -> Query:
    phrases: list[str] = []
    without_phrases: list[str] = []
    without_words: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        if match["word"]:
            without_words.append(match["word"])
            return " "
        phrase = match[2] or match[3] or match[4]
        (without_phrases if match["out"] else phrases).append(phrase)
        return " " if match["out"] else f" {phrase} "

    text = _OPERATOR.sub(replaced, typed)
    if not (phrases or without_phrases or without_words):
        return Query(typed)
    return Query(" ".join(text.split()), tuple(phrases), tuple(without_phrases), tuple(without_words))


def query_condition(query: Query, forms: Callable[[str], Sequence[str]]) -> Node | None:
    """Which rows `query`, as it was typed, allows; None: all. `forms`: every form in which a text may be stored."""
    conditions: list[Node] = []
    for phrase in query.phrases:
        patterns = _patterns(forms(phrase), literal=True)
        if patterns:
            conditions.append(_any(patterns))
    unwanted = [
        *(pattern for phrase in query.without_phrases for pattern in _patterns(forms(phrase), literal=True)),
        *(pattern for word in query.without_words for pattern in _patterns(forms(word), literal=False)),
    ]
    if unwanted:
        conditions.append(Not(_any(unwanted)))
    return _all(conditions)


def _patterns(texts: Sequence[str], *, literal: bool) -> list[str]:
    patterns = (_pattern(text, literal=literal) for text in texts)
    return list(dict.fromkeys(pattern for pattern in patterns if pattern))


def _any(patterns: Sequence[str]) -> Node:
    node: Node = Says(patterns[0])
    for pattern in patterns[1:]:
        node = Or(node, Says(pattern))
    return node


def _all(conditions: Sequence[Node]) -> Node | None:
    node: Node | None = None
    for condition in conditions:
        node = both(node, condition)
    return node


def _pattern(text: str, *, literal: bool) -> str | None:
    """A tsquery for rows that say `text`, `literal` or in other forms of its words; None where it has no words."""
    chain = _chain(occurrences(text), literal=literal)
    if not chain or any(len(occurrence.lexeme.encode()) > LONGEST_LEXEME for occurrence in chain):
        return None
    weight = f":{_LITERAL}" if literal else ""
    pattern = quoted(chain[0].lexeme) + weight
    for before, after in pairwise(chain):
        pattern += f" <{after.place - before.place}> {quoted(after.lexeme)}{weight}"
    return pattern


def _chain(said: Sequence[Occurrence], *, literal: bool) -> list[Occurrence]:
    """At every place the lexeme that says most: of a Chinese pair and its first character the pair, of a code and its
    first part the whole; of a word and its stem as asked for."""
    of_place: dict[int, Occurrence] = {}
    for occurrence in said:
        if occurrence.role == ("stem" if literal else "beside"):
            continue
        held = of_place.get(occurrence.place)
        if held is None or len(occurrence.lexeme) > len(held.lexeme):
            of_place[occurrence.place] = occurrence
    chain = [of_place[place] for place in sorted(of_place)]
    # The last character of a run is said by the pair before it.
    return [
        occurrence
        for before, occurrence in zip([None, *chain], chain, strict=False)
        if before is None
        or len(occurrence.lexeme) > 1
        or occurrence.place - before.place != 1
        or not before.lexeme.endswith(occurrence.lexeme)
        or occurrence.lexeme.isascii()
    ]

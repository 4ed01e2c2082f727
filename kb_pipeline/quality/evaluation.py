"""A set of questions put to a search, and what came back.

Terms
  slice     questions that have something in common: the collection of their answers, their language (and that of the
            answers, where it is another: zh→en), their kind, a term of the glossary that they say, their provenance.
  unasked   questions whose documents are gone. They are counted and left out: a figure is about what is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.chunking.lexemes import occurrences
from kb_pipeline.progress import track
from kb_pipeline.quality.measures import DEPTH, MEASURES, Measured, Ranked, measured, ranked
from kb_pipeline.quality.statistics import Figure, Gain, figure, gain
from kb_pipeline.search.glossary import said_at
from kb_pipeline.search.request import SearchRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kb_pipeline.quality.places import Located, Passage
    from kb_pipeline.search.glossary import Glossary
    from kb_pipeline.search.result import Hit, SearchResult

OVERALL = "all"


Scores = Mapping[int, Measured]
Slices = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search answered to a question."""

    located: Located
    hits: tuple[Hit, ...]
    found: Ranked
    measured: Measured


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`slices`: name, such as language: zh → the questions of it, by id; `OVERALL` are all that were asked."""

    generation: str
    outcomes: tuple[Outcome, ...]
    slices: Slices
    unasked: tuple[Located, ...]

    @property
    def coverage(self) -> float:
        asked = len(self.outcomes)
        return asked / (asked + len(self.unasked)) if asked else 0.0

    @property
    def scores(self) -> Scores:
        """Question → how well it was answered."""
        return {outcome.located.question_id: outcome.measured for outcome in self.outcomes}

    def figures(self) -> dict[str, dict[str, Figure]]:
        """Slice → measure → its figure."""
        scores = self.scores
        return {
            name: {measure: figure([scores[each].value(measure) for each in members]) for measure in MEASURES}
            for name, members in self.slices.items()
        }


Gains = Mapping[str, Mapping[str, Gain]]


def evaluate(
    located: Sequence[Located],
    ask: Callable[[SearchRequest], SearchResult],
    name: str,
    glossary: Glossary,
    *,
    generation: str | None = None,
    collections: tuple[str, ...] = (),
) -> Evaluation:
    """Put every question that has a place to `ask`, of `generation` (None: those that are searched) and `collections`
    (none: all); nothing is logged as a search. `name`: of what is asked, for people."""
    outcomes = []
    asked = [each for each in located if each.places]
    with track(f"asking {name}", len(asked)) as steps:
        for each in asked:
            request = SearchRequest(
                each.question.question, DEPTH, collections=collections, generation=generation, logged=False
            )
            hits = ask(request).hits
            found = ranked(each.places, map(_passages, hits))
            outcomes.append(Outcome(each, hits, found, measured(each.places, found)))
            steps.advance()
    unasked = tuple(each for each in located if not each.places)
    return Evaluation(name, tuple(outcomes), slices(asked, glossary), unasked)


def compare(parts: Slices, before: Scores, after: Scores) -> Gains:
    """Slice → measure → how much better `after` is, over the questions that both were asked."""
    gains: dict[str, dict[str, Gain]] = {}
    for name, members in parts.items():
        both = [each for each in members if each in before and each in after]
        if both:
            gains[name] = {
                measure: gain(
                    [before[each].value(measure) for each in both], [after[each].value(measure) for each in both]
                )
                for measure in MEASURES
            }
    return gains


def _passages(hit: Hit) -> frozenset[Passage]:
    """That a hit shows or that say the same."""
    shown = {(hit.document_id, key) for key in (hit.chunk_key, *hit.chunk_keys)}
    return frozenset(shown | {(place.document_id, place.chunk_key) for place in hit.also_in})


def slices(located: Sequence[Located], glossary: Glossary) -> Slices:
    found: dict[str, list[int]] = defaultdict(list)
    for each in located:
        for name in (OVERALL, *_names(each), *(f"term: {term}" for term in _terms(each.question.question, glossary))):
            found[name].append(each.question_id)
    return {name: tuple(found[name]) for name in sorted(found, key=lambda name: (name != OVERALL, name))}


def _names(located: Located) -> list[str]:
    question = located.question
    others = [language for language in located.languages if language != question.language]
    across = others and question.language not in located.languages
    language = f"{question.language}→{'+'.join(others)}" if across else question.language
    names = [f"collection: {collection}" for collection in located.collections]
    names += [f"language: {language}", f"provenance: {question.provenance}"]
    return names + ([f"kind: {question.kind}"] if question.kind else [])


def _terms(text: str, glossary: Glossary) -> list[str]:
    """The first term of each group of which `text` says a term."""
    if not glossary.groups:
        return []
    said = {(occurrence.lexeme, occurrence.place) for occurrence in occurrences(text)}
    return [group.terms[0] for group in glossary.groups if any(_says(said, term) for term in group.terms)]


def _says(said: set[tuple[str, int]], term: str) -> bool:
    places = said_at(term)
    starts = [place for lexeme, place in said if places and lexeme == places[0][0]]
    return any(all((lexeme, start + far) in said for lexeme, far in places) for start in starts)

"""What a company calls things: terms that mean the same, by which a query is looked up as well.

    - [SLA, 服务水平协议, service level agreement]
    - terms: [T1, tier-one capital, 一级资本]
      collections: [risk]

Terms
  group   terms that mean the same, in all collections or in those that are named.
  hint    something in the file that helps nobody: two groups with one term, a term that occurs nowhere.

A query that says a term of a group is looked up by the others, too; they count half. Words only: an embedding model has
its own idea of what means the same.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import yaml

from kb_pipeline.chunking.lexemes import Term, occurrences, query_terms
from kb_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

# Of a term that the question does not say, beside the one that it says: seven characters do not outweigh one acronym.
GLOSSARY_WEIGHT = 0.5
MOST_BYTES = 10_000_000
_Places = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`collections`: empty for all."""

    terms: tuple[str, ...]
    collections: frozenset[str] = frozenset()

    def holds_for(self, collections: Collection[str]) -> bool:
        """Whether a search of these collections (none: all) may find something by it."""
        return not self.collections or not collections or not self.collections.isdisjoint(collections)


class Glossary:
    """Groups, found by the first lexeme of their terms."""

    def __init__(self, groups: Iterable[Group]) -> None:
        self.groups = tuple(groups)
        self._by_first: dict[str, list[tuple[_Places, str, Group]]] = defaultdict(list)
        for group in self.groups:
            for term in group.terms:
                if places := said_at(term):
                    self._by_first[places[0][0]].append((places, term, group))

    def expansion(self, text: str, collections: Collection[str]) -> list[Term]:
        """What `text` is to be looked up by besides its own words, which stay as they are."""
        if not self._by_first:
            return []
        said = {(occurrence.lexeme, occurrence.place) for occurrence in occurrences(text)}
        weights: dict[str, float] = {}
        for lexeme, place in sorted(said, key=lambda at: at[1]):
            for places, term, group in self._by_first.get(lexeme, ()):
                if group.holds_for(collections) and all((other, place + far) in said for other, far in places):
                    for other in group.terms:
                        words = _finding(other) if other != term else []
                        weight = GLOSSARY_WEIGHT * min(len(_finding(term)) / max(len(words), 1), 1.0)
                        weights |= {word: max(weight, weights.get(word, 0.0)) for word in words}
        own = {term.lexeme for term in query_terms(text)}
        return [Term(word, weight, asked=False) for word, weight in weights.items() if word not in own]


def _finding(term: str) -> list[str]:
    """The lexemes by which a term is looked up; its very words do not count where their stems do."""
    return [found.lexeme for found in query_terms(term) if found.weight == 1]


NO_GLOSSARY = Glossary(())


def said_at(term: str) -> _Places:
    """The lexemes by which a term is known in any of its forms, each with how far it stands behind the first."""
    found = [occurrence for occurrence in occurrences(term) if occurrence.role != "beside"]
    return tuple((occurrence.lexeme, occurrence.place - found[0].place) for occurrence in found)


def load_glossary(file: Path | None) -> Glossary:
    """What `file` says now. Raises SettingsError where it cannot be read or is no glossary."""
    if file is None:
        return NO_GLOSSARY
    try:
        status = file.stat()
    except OSError as error:
        raise SettingsError(f"The glossary {file} cannot be read ({error.strerror}); see [glossary].") from None
    if status.st_size > MOST_BYTES:
        raise SettingsError(f"The glossary {file} is larger than {MOST_BYTES // 1_000_000} MB; keep to terms.")
    return _loaded(file, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _loaded(file: Path, *_version: int) -> Glossary:
    """`_version` makes a changed file another one."""
    try:
        content = yaml.load(file.read_text("utf-8"), yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"The glossary {file} is no YAML in UTF-8: {reason}.") from None
    if not isinstance(content or [], list):
        raise SettingsError(f"The glossary {file} is no list; write one group of terms a line: - [SLA, 服务水平协议].")
    return Glossary(_group(file, number, entry) for number, entry in enumerate(content or [], start=1))


def _group(file: Path, number: int, entry: Any) -> Group:
    terms: Any = entry
    collections: Any = []
    if isinstance(entry, dict) and entry.keys() <= {"terms", "collections"}:
        terms, collections = entry.get("terms"), entry.get("collections", [])
    if not _texts(terms) or not _texts(collections) or len(terms) < 2:
        raise SettingsError(
            f"Group {number} of the glossary {file} is no list of two or more terms; a term such as 1 or yes needs "
            "quotation marks."
        )
    return Group(tuple(terms), frozenset(collections))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def hints(glossary: Glossary, known_lexemes: Collection[str], collections: Collection[str]) -> list[str]:
    """What helps nobody. `known_lexemes`: of those of the glossary, what occurs; `collections`: that there are."""
    found: list[str] = []
    for group in glossary.groups:
        for term in group.terms:
            places = said_at(term)
            if not places:
                found.append(f"{term!r} has no word that could be looked up.")
            elif not all(lexeme in known_lexemes for lexeme, _ in places):
                found.append(f"{term!r} occurs nowhere in the knowledge base.")
        found += [f"There is no collection {name}." for name in sorted(group.collections - set(collections))]
    return list(dict.fromkeys([*found, *_repeated(glossary.groups)]))


def _repeated(groups: Sequence[Group]) -> list[str]:
    """Terms that stand twice: a chain of groups does not make one, and a term beside itself says nothing."""
    first: dict[_Places, str] = {}
    found = []
    for group in groups:
        seen: set[_Places] = set()
        for term in group.terms:
            places = said_at(term)
            if places in seen:
                found.append(f"{term!r} stands twice in one group.")
            elif places in first and places:
                found.append(f"{term!r} stands in two groups; join them if all of it means the same.")
            seen.add(places)
            first.setdefault(places, term)
    return found

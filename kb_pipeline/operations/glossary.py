"""Checking a site's glossary against what its knowledge base says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.search.glossary import hints, load_glossary, said_at
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import EVERYTHING
from kb_pipeline.store.generations import active_generations
from kb_pipeline.store.words import term_statistics

if TYPE_CHECKING:
    from kb_pipeline.site import Site


@dataclass(frozen=True, slots=True)
class GlossaryCheck:
    groups: int
    terms: int
    hints: list[str]


def check_glossary(site: Site) -> GlossaryCheck:
    """Raises SettingsError where the file is no glossary."""
    glossary = load_glossary(site.settings.glossary.file)
    terms = [term for group in glossary.groups for term in group.terms]
    lexemes = {lexeme for term in terms for lexeme, _ in said_at(term)}
    known: set[str] = set()
    collections: list[str] = []
    connection = site.connect()
    with connection.transaction():
        for generation in active_generations(connection):
            frequencies = term_statistics(connection, generation, sorted(lexemes)).frequencies
            known |= {lexeme for lexeme, rows in frequencies.items() if rows}
            collections += store.collections(connection, generation, EVERYTHING)
    return GlossaryCheck(len(glossary.groups), len(terms), hints(glossary, known, collections))

"""Evaluation sets of a site: what is imported is masked, its answers are found among the documents, and it is split."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kb_pipeline.chunking.language import language_of
from kb_pipeline.errors import SettingsError
from kb_pipeline.operations.search import Ask, mask_query, searching
from kb_pipeline.progress import track
from kb_pipeline.quality.importers import LONGEST_QUOTE, read_questions
from kb_pipeline.quality.places import Located, locate
from kb_pipeline.quality.quotes import Quote
from kb_pipeline.quality.splits import Leak, leaks, split
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.store.quality import questions as store
from kb_pipeline.store.quality.questions import Answer, Document, Question

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kb_pipeline.site import Site

LOOKED_UP = 120  # characters of a quote by which its document is looked for
LEAST_SAID = 0.5  # of a quote, in one passage: it may have been cut in two
NAME = re.compile(r"[\w.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Import:
    """`new`: questions that were not there before; `unfound`: questions of which no document is here."""

    name: str
    questions: int
    new: int
    unfound: int
    splits: dict[str, int]
    leaks: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SetShown:
    """`located`: its questions with their places; `leaks`: what the frozen test has in common with the rest."""

    name: str
    located: list[Located]
    leaks: list[Leak]

    @property
    def coverage(self) -> float:
        return sum(bool(found.places) for found in self.located) / len(self.located) if self.located else 0.0


def import_questions(site: Site, path: Path, name: str, *, asked: Path | None = None) -> Import:
    """Put what `path` holds into the set `name`; see `quality.importers` for what it may be.

    Raises SettingsError, which names the place of a mistake; then nothing was stored.
    """
    if not NAME.fullmatch(name):
        raise SettingsError("The name of a set has up to 64 letters, digits, dots, - and _; choose such a one.")
    imported = read_questions(path, asked)
    found = _found(site, imported.questions, whole_documents=imported.whole_documents)
    return add_questions(site, name, found)


def add_questions(site: Site, name: str, added: Sequence[Question]) -> Import:
    """Store masked questions whose documents are known, and split the whole set anew but for what has a split."""
    with site.connect() as connection:
        new = store.put(connection, name, added)
        stored = store.questions_of(connection, name)
        parts = {question.id: question.split for question in split(stored) if question.id is not None}
        store.set_splits(connection, parts)
        stored = [replace(question, split=parts[question.id]) for question in stored if question.id is not None]
        return Import(
            name=name,
            questions=len(added),
            new=new,
            unfound=sum(not any(answer.document_id for answer in question.answers) for question in added),
            splits={part: sum(question.split == part for question in stored) for part in store.SPLITS},
            leaks=len(leaks(stored)),
        )


def show(site: Site, name: str) -> SetShown:
    """Raises SettingsError where there is no such set."""
    with site.connect() as connection:
        questions = store.questions_of(connection, name)
        return SetShown(name, locate(connection, questions), leaks(questions))


def _found(site: Site, questions: Sequence[Question], *, whole_documents: bool) -> list[Question]:
    """`questions` masked, with the documents that their answers stand in."""
    names = {answer.path for question in questions for answer in question.answers if answer.path}
    stored = {name: site.names.stored_path(name) for name in sorted(names)}
    with site.connect() as connection:
        documents = store.documents_named(connection, list(stored.values()))
    finder = _Finder(site, {name: documents.get(path, []) for name, path in stored.items()}, searching(site))
    found = []
    with track("finding where the answers stand", len(questions)) as steps:
        for question in questions:
            answers = (finder.found(answer, whole_documents=whole_documents) for answer in question.answers)
            text = mask_query(site, question.question, ())[0]
            found.append(
                replace(
                    question,
                    question=text,
                    answers=tuple(dict.fromkeys(answers)),
                    language=question.language or language_of(text),
                )
            )
            steps.advance()
    return found


@dataclass(slots=True)
class _Finder:
    """Finds the documents of answers: by the name that they give, else by their quote."""

    site: Site
    named: Mapping[str, Sequence[Document]]
    ask: Ask
    _by_quote: dict[str, Document | None] = field(default_factory=dict)

    def found(self, answer: Answer, *, whole_documents: bool) -> Answer:
        """Masked, with its document; without a quote where the document of that name is all the answer."""
        candidates = self.named.get(answer.path or "", ())
        certain = candidates[0] if len(candidates) == 1 else None
        document = certain or self._saying(answer.quote, {candidate.id for candidate in candidates})
        masker = self.site.maskers.of(document.collection) if document else self.site.maskers.strictest
        name = self.site.names.stored_path(answer.path) if answer.path else None
        return replace(
            answer,
            path=document.path if document else name,
            document_id=document.id if document else None,
            quote="" if whole_documents and certain else masker.mask(answer.quote).text[:LONGEST_QUOTE],
        )

    def _saying(self, quote: str, among: set[int]) -> Document | None:
        """The document, one of `among` unless that is empty, that says most of `quote`."""
        words = re.sub(r"[\W_]+", " ", quote[:LOOKED_UP]).strip()
        if not words:
            return None
        if quote not in self._by_quote:
            wanted = Quote(self.site.maskers.strictest.mask(quote).text)
            hits = self.ask(SearchRequest(words, mode="lexical", rerank=False, logged=False)).hits
            covers = [(wanted.covered_by(hit.content), hit) for hit in hits if not among or hit.document_id in among]
            covered, best = max(covers, key=lambda each: each[0], default=(0.0, None))
            is_said = best is not None and covered >= LEAST_SAID
            self._by_quote[quote] = (
                Document(best.document_id, best.source_file, best.collection) if best and is_said else None
            )
        return self._by_quote[quote]

"""Where the answers of questions stand among the passages that there are now.

Terms
  place     passages that answer a question equally well: those that hold one quote, those of one page, or of one
            document. Answers that share a passage are one place. A search has found a place when one of its hits is any
            of the place's passages, or says the same.
  split     a place whose quote no passage holds whole: it was cut in two.
  gone      an answer whose document was deleted, or whose words it no longer says. A question all of whose answers are
            gone cannot be asked; *coverage* is the share that can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.quality.quotes import PART, WHOLE, Quote
from kb_pipeline.store.quality.questions import chunks_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.quality.questions import Answer, Question, StoredChunk

Passage = tuple[int, str]  # document_id and chunk_key
DOCUMENTS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Place:
    passages: frozenset[Passage]
    grade: int
    is_split: bool = False


@dataclass(frozen=True, slots=True)
class Located:
    """A question with its places, none of which is empty. `collections` and `languages`: of the passages."""

    question: Question
    places: tuple[Place, ...]
    collections: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    @property
    def question_id(self) -> int:
        """Of a stored question."""
        if self.question.id is None:
            raise ValueError("the question was not stored")
        return self.question.id

    @property
    def is_split(self) -> bool:
        return any(place.is_split for place in self.places)


def locate(connection: Connection, questions: Sequence[Question]) -> list[Located]:
    """Each of `questions` with its places, none where all of its answers are gone."""
    found: list[Located] = []
    for batch in _batches(questions):
        documents = {answer.document_id for question in batch for answer in question.answers if answer.document_id}
        chunks = chunks_of(connection, sorted(documents))
        found += [_located(question, chunks) for question in batch]
    return found


def _batches(questions: Sequence[Question]) -> Iterator[list[Question]]:
    batch: list[Question] = []
    documents: set[int] = set()
    for question in questions:
        batch.append(question)
        documents |= {answer.document_id for answer in question.answers if answer.document_id}
        if len(documents) >= DOCUMENTS_AT_ONCE:
            yield batch
            batch, documents = [], set()
    if batch:
        yield batch


def _located(question: Question, chunks: dict[int, list[StoredChunk]]) -> Located:
    places = []
    holding: list[StoredChunk] = []
    for answer in question.answers:
        answering, is_split = _answering(answer, chunks.get(answer.document_id or 0, []))
        if answering:
            passages = frozenset((chunk.document_id, chunk.chunk_key) for chunk in answering)
            places.append(Place(passages, answer.grade, is_split))
            holding += answering
    return Located(
        question,
        tuple(_joined(places)),
        tuple(sorted({chunk.collection for chunk in holding})),
        tuple(sorted({chunk.language for chunk in holding if chunk.language != "other"})),
    )


def _answering(answer: Answer, chunks: Sequence[StoredChunk]) -> tuple[list[StoredChunk], bool]:
    """The passages of its document that answer, and whether the quote was cut."""
    if answer.quote:
        quote = Quote(answer.quote)
        covers = [(quote.covered_by(chunk.content), chunk) for chunk in chunks]
        whole = [chunk for covered, chunk in covers if covered >= WHOLE]
        return (whole, False) if whole else ([chunk for covered, chunk in covers if covered >= PART], True)
    if answer.page_number is not None:
        return [chunk for chunk in chunks if _is_on(chunk, answer.page_number)], False
    return list(chunks), False


def _is_on(chunk: StoredChunk, page: int) -> bool:
    return chunk.page_number is not None and chunk.page_number <= page <= (chunk.page_end or chunk.page_number)


def _joined(places: Iterable[Place]) -> list[Place]:
    """`places`, those that share a passage as one."""
    found: list[Place] = []
    for place in places:
        sharing = [other for other in found if other.passages & place.passages]
        whole = [place, *sharing]
        found = [other for other in found if other not in sharing]
        found.append(
            Place(
                frozenset().union(*(other.passages for other in whole)),
                max(other.grade for other in whole),
                any(other.is_split for other in whole),
            )
        )
    return found

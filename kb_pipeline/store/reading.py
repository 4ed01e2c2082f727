"""Documents as they are stored: which there are, their passages in order, and the elements that those are made of.

`condition` says which rows of the serving table may be read, as in `store.search`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row

from kb_pipeline.parsing.elements import CleanedDocument, unpack
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.sql import Composed

    from kb_pipeline.store.conditions import Condition
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation


@dataclass(frozen=True, slots=True)
class CollectionCount:
    """`passages`: of its documents, as they are searched. `bytes`: of their files. `first_at`: when the first was
    found."""

    name: str
    documents: int
    passages: int
    bytes: int
    first_at: datetime

    def and_more(self, other: CollectionCount) -> CollectionCount:
        """With what another generation holds of the same collection."""
        return CollectionCount(
            self.name,
            self.documents + other.documents,
            self.passages + other.passages,
            self.bytes + other.bytes,
            min(self.first_at, other.first_at),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentEntry:
    """`size`: of the file, in bytes. `changed_at`: when a scan last found it changed. `loaded_at`: since when what it
    says can be found. `chunks`: its passages."""

    id: int
    source_file: str
    collection: str
    size: int
    changed_at: datetime
    loaded_at: datetime
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(DocumentEntry):
    """`format`, `page_count`: None where it is not known, or pages mean nothing. `warnings`: of its parsing. `fields`:
    the declared ones that it has."""

    format: str | None
    page_count: int | None
    warnings: list[str]
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk; `ordinal`: its place in its document, from 0."""

    chunk_key: str
    ordinal: int
    content: str
    page_number: int | None
    page_end: int | None
    section_title: str | None
    section_path: list[str]
    language: str
    token_count: int
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlacedPassage:
    """A chunk with where it stands."""

    document_id: int
    chunk_key: str
    source_file: str
    collection: str
    page_number: int | None
    page_end: int | None
    section_path: list[str]
    content: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the file lies that a document's text was made of; `path`: as it is stored."""

    source: str
    path: str
    content_hash: bytes


def collections(connection: Connection, generation: Generation, condition: Condition) -> list[CollectionCount]:
    parameters = {**condition.parameters, "generation": generation.id}
    rows = connection.execute(_query("collections", generation, condition), parameters, prepare=False)
    return [CollectionCount(*row) for row in rows]


def documents(
    connection: Connection, generation: Generation, condition: Condition, *, after: int, most: int
) -> list[DocumentEntry]:
    """In order of their ids, those behind `after`."""
    parameters = {**condition.parameters, "generation": generation.id, "after": after, "most": most}
    with connection.cursor(row_factory=class_row(DocumentEntry)) as cursor:
        return cursor.execute(_query("documents", generation, condition), parameters, prepare=False).fetchall()


def document(connection: Connection, generation: Generation, condition: Condition, document: int) -> Document | None:
    parameters = {**condition.parameters, "generation": generation.id, "document": document}
    with connection.cursor(row_factory=class_row(Document)) as cursor:
        return cursor.execute(_query("document", generation, condition), parameters, prepare=False).fetchone()


def passages(
    connection: Connection, generation: Generation, condition: Condition, document: int, *, after: int, most: int
) -> list[Passage]:
    """In their order, those behind the ordinal `after`."""
    parameters = {**condition.parameters, "document": document, "after": after, "most": most}
    with connection.cursor(row_factory=class_row(Passage)) as cursor:
        return cursor.execute(_query("chunks", generation, condition), parameters, prepare=False).fetchall()


def ordinal(
    connection: Connection, generation: Generation, condition: Condition, document: int, chunk_key: str
) -> int | None:
    parameters = {**condition.parameters, "document": document, "chunk_key": chunk_key}
    row = connection.execute(_query("ordinal", generation, condition), parameters, prepare=False).fetchone()
    return None if row is None else int(row[0])


def passages_at(
    connection: Connection, generation: Generation, condition: Condition, places: Sequence[tuple[int, str]]
) -> list[PlacedPassage]:
    """Those of `places`, each a document and the key of a chunk, that are there."""
    documents, chunks = [document for document, _ in places], [chunk for _, chunk in places]
    parameters = {**condition.parameters, "documents": documents, "chunks": chunks}
    with connection.cursor(row_factory=class_row(PlacedPassage)) as cursor:
        return cursor.execute(_query("placed", generation, condition), parameters, prepare=False).fetchall()


def elements(
    connection: Connection, generation: Generation, condition: Condition, document: int
) -> CleanedDocument | None:
    """What the chunks of a document were made of."""
    parameters = {**condition.parameters, "document": document}
    statement = _query("elements", generation, condition)
    row = connection.execute(statement, parameters, prepare=False, binary=True).fetchone()
    return unpack(row[0]) if row else None


def origin(connection: Connection, document: int) -> Origin | None:
    """None for a document that is not there, or went away. Whether it may be read is not asked here."""
    with connection.cursor(row_factory=class_row(Origin)) as cursor:
        return cursor.execute(query("reading", "origin"), {"document": document}).fetchone()


def _query(name: str, generation: Generation, condition: Condition) -> Composed:
    return query("reading", name, table=generation.table, condition=condition.sql)

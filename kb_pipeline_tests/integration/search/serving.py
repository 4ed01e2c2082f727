"""A serving table filled by hand, so that searching is tested without the stages before it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pgvector import HalfVector
from psycopg import sql
from psycopg.types.json import Jsonb

from kb_pipeline.chunking.language import language_of
from kb_pipeline.chunking.lexemes import occurrences
from kb_pipeline.store.database import register_types
from kb_pipeline.store.generations import Generation, GenerationKey, activate_first, ensure_generation
from kb_pipeline.store.tsvector import TsVector
from kb_pipeline_tests.instant_embedding_server import instant_vector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    from numpy.typing import NDArray

    from kb_pipeline.embedding.client import ModelIdentity
    from kb_pipeline.store.database import Connection

# Column -> its type, in the order of the copied rows.
COLUMNS = {
    "document_id": "int8",
    "chunk_key": "text",
    "ordinal": "int4",
    "content": "text",
    "embedding": "halfvec",
    "source_file": "text",
    "collection": "text",
    "page_number": "int4",
    "page_end": "int4",
    "section_title": "text",
    "section_path": "text[]",
    "language": "text",
    "token_count": "int4",
    "metadata": "jsonb",
    "lexemes": "tsvector",
}


@dataclass(frozen=True)
class Passage:
    content: str
    source_file: str = "handbook.md"
    collection: str = "policies"
    page_number: int | None = None
    section_path: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    document_id: int | None = None  # by default each passage is a document of its own
    ordinal: int = 0
    groups: tuple[str, ...] = ("everyone",)

    @property
    def text(self) -> str:
        return "\n".join(filter(None, [" > ".join(self.section_path), self.content]))


def make_generation(
    connection: Connection,
    identity: ModelIdentity,
    *,
    dimension: int | None = None,
    instruction: str = "",
    collection: str | None = None,
) -> Generation:
    key = GenerationKey(
        model_fingerprint=identity.fingerprint,
        model=identity.name,
        native_dimension=identity.native_dimension,
        dimension=dimension or identity.native_dimension,
        query_instruction=instruction,
        collection=collection,
    )
    generation = ensure_generation(connection, key)
    activate_first(connection, generation)
    return generation


def fill(
    connection: Connection,
    generation: Generation,
    passages: Iterable[Passage],
    *,
    embed: Callable[[str], NDArray[np.float32]] | None = None,
) -> None:
    """Insert `passages`; by default each gets the vector that the instant server gives its content."""
    register_types(connection)
    vector_of = embed or (lambda text: instant_vector(text, generation.native_dimension))
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        generation.table, sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    with connection.transaction(), connection.cursor() as cursor, cursor.copy(copy) as writer:
        writer.set_types(list(COLUMNS.values()))
        for number, passage in enumerate(passages):
            vector = vector_of(passage.content)[: generation.dimension]
            lexemes = occurrences(passage.text)
            writer.write_row(
                (
                    passage.document_id or number + 1,
                    hashlib.sha256(f"{passage.content}{passage.ordinal or ''}".encode()).hexdigest()[:32],
                    passage.ordinal,
                    passage.content,
                    HalfVector(vector),
                    passage.source_file,
                    passage.collection,
                    passage.page_number,
                    passage.page_number,
                    passage.section_path[-1] if passage.section_path else None,
                    list(passage.section_path),
                    language_of(passage.content),
                    lexemes[-1].place if lexemes else 1,
                    Jsonb(passage.metadata),
                    TsVector(lexemes),
                )
            )

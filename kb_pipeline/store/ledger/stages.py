"""What stages write and read again: elements and the policies they were masked under, chunks, vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.chunking.chunks import Chunk
from kb_pipeline.chunking.lexemes import PlainOccurrence
from kb_pipeline.fields.values import plain_given
from kb_pipeline.parsing.elements import CleanedDocument, pack, unpack
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger.pending import PendingChunks, PendingParse
from kb_pipeline.store.queries import query
from kb_pipeline.store.tsvector import TsVector
from kb_pipeline.store.vectors import embedding_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ParsePolicy:
    """What a parse fingerprint stands for: `version` is everything but the policy, which is plain JSON."""

    parse_fingerprint: str
    version: str
    policy: Mapping[str, Any]
    created_at: datetime | None = None  # when it was first asked for


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """The chunks of one document, what they were made from, and what each says for full-text search."""

    made_from: PendingChunks
    chunks: Sequence[Chunk]
    occurrences: Sequence[Sequence[PlainOccurrence]]


def insert_elements(connection: Connection, parsed: Sequence[tuple[PendingParse, CleanedDocument]]) -> None:
    """Store what was parsed, in the order given; elements that are there already stay."""
    rows = [
        {
            "content_hash": job.content_hash,
            "extension": job.extension,
            "parse_fingerprint": job.parse_fingerprint,
            "format": document.metadata.get("format", ""),
            "page_count": document.page_count,
            "element_count": len(document.elements),
            "dropped_count": len(document.dropped),
            "privacy_counts": Jsonb(dict(document.privacy_counts)),
            "warnings": list(document.warnings),
            "seconds": document.seconds,
            "coverage": document.coverage,
            "metadata": Jsonb(plain_given(document.metadata)),
            "payload": pack(document),
        }
        for job, document in parsed
    ]
    with connection.cursor() as cursor:
        cursor.executemany(query("stages", "insert_elements"), rows)  # all in one round trip


def register_policies(connection: Connection, policies: Sequence[ParsePolicy]) -> None:
    """Remember what parse fingerprints stand for."""
    for policy in policies:
        connection.execute(
            query("stages", "register_policy"),
            {
                "parse_fingerprint": policy.parse_fingerprint,
                "parse_version": policy.version,
                "policy": Jsonb(dict(policy.policy)),
            },
        )


def policies(connection: Connection) -> list[ParsePolicy]:
    """What every parse fingerprint that was ever asked for stands for, the newest first."""
    with connection.cursor(row_factory=class_row(ParsePolicy)) as cursor:
        return cursor.execute(query("stages", "policies")).fetchall()


def elements_to_mask_further(
    connection: Connection, jobs: Sequence[PendingParse], follows: Sequence[tuple[str, str]]
) -> dict[int, str]:
    """Document id -> the parse fingerprint of stored elements that only need to be masked further.

    `follows`: (fingerprint asked for, fingerprint whose elements will do).
    """
    rows = connection.execute(
        query("stages", "elements_to_mask_further"),
        {
            "ids": [job.id for job in jobs],
            "content_hashes": [job.content_hash for job in jobs],
            "extensions": [job.extension for job in jobs],
            "wanted": [job.parse_fingerprint for job in jobs],
            "followers": [follower for follower, _ in follows],
            "followed": [followed for _, followed in follows],
        },
    )
    return dict(rows.fetchall())


def stored_elements(connection: Connection, job: PendingParse, parse_fingerprint: str) -> CleanedDocument | None:
    """The elements of the job's bytes that were made under another fingerprint."""
    row = connection.execute(
        query("stages", "elements"),
        {"content_hash": job.content_hash, "extension": job.extension, "parse_fingerprint": parse_fingerprint},
        binary=True,
    ).fetchone()
    return unpack(row[0]) if row else None


def forget_superseded_elements(connection: Connection, content_hashes: Sequence[bytes], wanted: Sequence[str]) -> None:
    """Remove elements of other policies than those of `wanted` fingerprints, for contents that have theirs now."""
    connection.execute(
        query("stages", "forget_superseded_elements"),
        {"content_hashes": list(content_hashes), "wanted": list(wanted)},
    )


def superseded_texts(connection: Connection, documents: Sequence[int], wanted: Sequence[str]) -> list[bytes]:
    """The texts of `documents` that were masked under other policies than those of `wanted` fingerprints."""
    rows = connection.execute(query("stages", "superseded_texts"), {"ids": list(documents), "wanted": list(wanted)})
    return [row[0] for row in rows]


def forget_vectors(connection: Connection, text_hashes: Sequence[bytes]) -> None:
    """Remove the vectors of those texts that no chunk holds any more."""
    connection.execute(query("stages", "forget_vectors"), {"text_hashes": list(text_hashes)})


def load_elements(connection: Connection, jobs: Sequence[PendingChunks]) -> dict[int, CleanedDocument]:
    """Document id -> its elements."""
    rows = connection.execute(
        query("stages", "elements_of_batch"),
        {
            "ids": [job.id for job in jobs],
            "content_hashes": [job.content_hash for job in jobs],
            "extensions": [job.extension for job in jobs],
            "parse_fingerprints": [job.parse_fingerprint for job in jobs],
        },
        binary=True,
    )
    return {document: unpack(payload) for document, payload in rows}


def replace_chunks(connection: Connection, chunked: Mapping[int, ChunkedDocument]) -> None:
    """Replace the chunks of documents, given by document id.

    What the serving tables hold is untouched: the old chunks stay searchable until the swap.
    """
    connection.execute(query("stages", "delete_chunks"), {"ids": list(chunked)})
    with connection.cursor() as cursor, cursor.copy(query("stages", "copy_chunks")) as copy:
        copy.set_types(
            ["int8", "text", "int4", "bytea", "text", "int4", "int4", "text[]", "text", "int4", "tsvector", "jsonb"]
        )
        for document, made in chunked.items():
            for chunk, occurrences in zip(made.chunks, made.occurrences, strict=True):
                copy.write_row(_chunk_row(document, chunk, occurrences))
    made_from = [made.made_from for made in chunked.values()]
    connection.execute(
        query("stages", "set_chunked"),
        {
            "ids": list(chunked),
            "content_hashes": [job.content_hash for job in made_from],
            "extensions": [job.extension for job in made_from],
            "parse_fingerprints": [job.parse_fingerprint for job in made_from],
            "chunk_fingerprints": [job.chunk_fingerprint for job in made_from],
            "chunks": [len(made.chunks) for made in chunked.values()],
            "tokens": [sum(chunk.token_count for chunk in made.chunks) for made in chunked.values()],
        },
    )


def insert_embeddings(
    connection: Connection, model: str, hashes: Sequence[bytes], vectors: NDArray[np.float32]
) -> None:
    """Store native vectors, (n, native dimension), and commit.

    Straight into the table by COPY BINARY; when another run stored one of the texts meanwhile, again
    through a temporary table that skips what is there. In order of the hash, so that two runs with some
    of the same texts wait for each other instead of deadlocking.
    """
    try:
        with connection.transaction():
            _copy(connection, "copy_embeddings", embedding_rows(hashes, model, vectors))
    except psycopg.errors.UniqueViolation:
        with connection.transaction():
            connection.execute(query("stages", "stage_embeddings"))
            _copy(connection, "copy_staged_embeddings", embedding_rows(hashes, model, vectors))
            connection.execute(query("stages", "merge_staged_embeddings"))


def _copy(connection: Connection, statement: str, rows: Iterable[bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy(query("stages", statement)) as copy:
        for piece in rows:
            copy.write(piece)


def _chunk_row(document: int, chunk: Chunk, occurrences: Sequence[PlainOccurrence]) -> tuple[Any, ...]:
    return (
        document,
        chunk.chunk_key,
        chunk.ordinal,
        chunk.text_hash,
        chunk.content,
        chunk.page_number,
        chunk.page_end,
        list(chunk.section_path),
        chunk.language,
        chunk.token_count,
        TsVector(occurrences),
        Jsonb(dict(chunk.metadata)),
    )

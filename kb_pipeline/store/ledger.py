"""Reading and writing the ledger: sources, documents, elements, chunks, embeddings, failures.

Functions take an open connection and leave the transaction to the caller, except those whose
docstring says that they commit. A *shard* is the set of documents whose `shard_hash` starts with
given hex digits; every question about pending work is asked for a list of shards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from kb_pipeline.chunking.chunks import Chunk, embedded_text
from kb_pipeline.errors import DocumentError
from kb_pipeline.parsing.elements import CleanedDocument, pack, unpack
from kb_pipeline.source.diff import KnownDocument
from kb_pipeline.source.listing import Entry, collection_of, shard_hash
from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query
from kb_pipeline.store.tsvector import TsVector
from kb_pipeline.store.vectors import embedding_rows

UNREGISTERED = 0  # identities count from 1
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIGNATURE_SEPARATOR = "\n//\n"
FIRST_RETRY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class StageFingerprints:
    """What the settings ask of a collection's documents: how they are parsed and how they are chunked."""

    parse: str
    chunk: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The shards that a question is about (names of `digits` hex digits), and what is asked of their documents.

    `collection_fingerprints` holds the collections that differ from the default `fingerprints`.
    """

    digits: int
    shards: Sequence[str]
    fingerprints: StageFingerprints
    collection_fingerprints: Mapping[str, StageFingerprints]


@dataclass(frozen=True, slots=True)
class Source:
    """`id` is UNREGISTERED for one that the ledger does not know yet; no document belongs to it."""

    id: int
    uri: str
    scanned_at: datetime | None
    names_policy: str | None = None


@dataclass(frozen=True, slots=True)
class ParsePolicy:
    """What a parse fingerprint stands for: `version` is everything but the policy, which is plain JSON."""

    parse_fingerprint: str
    version: str
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PendingParse:
    """A document whose elements are missing."""

    id: int
    uri: str
    path: str
    collection: str
    content_hash: bytes
    parse_fingerprint: str

    @property
    def input_version(self) -> str:
        return f"{self.content_hash.hex()}:{self.parse_fingerprint}"


@dataclass(frozen=True, slots=True)
class PendingChunks:
    """A document whose chunks are missing or were made from something else."""

    id: int
    path: str
    collection: str
    content_hash: bytes
    parse_fingerprint: str
    chunk_fingerprint: str

    @property
    def version(self) -> str:
        return f"{self.content_hash.hex()}:{self.parse_fingerprint}:{self.chunk_fingerprint}"


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """The chunks of one document, and the full-text tokens of each."""

    version: str
    chunks: Sequence[Chunk]
    tokens: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class DirtyShard:
    shard: str
    documents: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    uri: str
    path: str
    collection: str
    stage: str
    error: str
    reason: str
    attempts: int
    failed_at: datetime
    next_retry: datetime | None


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """`chunks`: how many the searched table holds of it; `failure`: why it could not be processed."""

    id: int
    source: str
    path: str
    collection: str
    size: int
    changed_at: datetime
    chunks: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class TextTotals:
    """`texts` to embed, their estimated `tokens`, and how many chunks are `reused`: need no text of their own."""

    texts: int
    tokens: int
    reused: int


# Sources and documents


def register_source(connection: Connection, uri: str) -> None:
    connection.execute(query("documents", "register_source"), {"uri": uri})


def sources(connection: Connection) -> list[Source]:
    with connection.cursor(row_factory=class_row(Source)) as cursor:
        return cursor.execute(query("documents", "sources")).fetchall()


def signatures(connection: Connection, source: int) -> frozenset[str]:
    """What the ledger believes the source holds, one line per file; see `source.listing`."""
    rows = connection.execute(query("documents", "signatures"), {"source": source}, binary=True)
    return frozenset(line for (text,) in rows for line in text.split(SIGNATURE_SEPARATOR))


def known_documents(connection: Connection, source: int, paths: Sequence[str]) -> dict[str, KnownDocument]:
    with connection.cursor(row_factory=class_row(KnownDocument)) as cursor:
        cursor.execute(query("documents", "known_documents"), {"source": source, "paths": list(paths)})
        return {document.path: document for document in cursor}


@contextmanager
def source_lock(connection: Connection, source: int) -> Iterator[None]:
    """While this lasts nobody else applies a scan of this source; it ends with the connection, too.

    The connection must be in autocommit mode: the lock spans many transactions.
    """
    connection.execute(query("documents", "lock_source"), {"source": source})
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(query("documents", "unlock_source"), {"source": source})


def documents_by_source(connection: Connection) -> dict[int, int]:
    """Source id -> how many documents it has, where it has any."""
    return dict(connection.execute(query("documents", "documents_by_source")).fetchall())


def delete_source_documents(connection: Connection, source: int) -> int:
    """Mark all documents of a source as gone, as `delete_documents` does; how many that are."""
    return connection.execute(query("documents", "delete_source_documents"), {"source": source}).rowcount


def delete_source(connection: Connection, source: int) -> bool:
    """Forget a source that has no documents any more; False while it has."""
    return connection.execute(query("documents", "delete_source"), {"source": source}).rowcount > 0


def mark_scanned(connection: Connection, source: int) -> None:
    connection.execute(query("documents", "mark_scanned"), {"source": source})


def set_names_policy(connection: Connection, source: int, policy: str) -> None:
    """Remember that all paths of a source are stored as `policy` asks."""
    connection.execute(query("documents", "set_names_policy"), {"source": source, "policy": policy})


def collections(connection: Connection) -> list[str]:
    """The collections of all live documents."""
    return [row[0] for row in connection.execute(query("documents", "collections"))]


def insert_documents(
    connection: Connection, source: Source, found: Sequence[tuple[Entry, bytes | None]]
) -> dict[str, int]:
    """Add entries with their content hashes, in one statement; returns path -> document id."""
    rows = {entry.path: _entry_parameters(source, entry) | {"content_hash": digest} for entry, digest in found}
    if not rows:
        return {}
    names = next(iter(rows.values()))
    columns = {name: [row[name] for row in rows.values()] for name in names}
    inserted = connection.execute(query("documents", "insert_documents"), columns | {"source": source.id})
    return dict(inserted.fetchall())


def update_document(connection: Connection, document: int, entry: Entry, content_hash: bytes | None) -> None:
    connection.execute(
        query("documents", "update_document"),
        {
            "id": document,
            "size": entry.size,
            "modified_ns": entry.modified_ns,
            "etag": entry.etag,
            "content_hash": content_hash,
        },
    )


def move_document(connection: Connection, source: Source, document: int, entry: Entry) -> None:
    """Give a document its new path; nothing of it is processed again."""
    parameters = _entry_parameters(source, entry) | {"id": document, "source": source.id}
    connection.execute(query("documents", "forget_deleted_path"), parameters)
    connection.execute(query("documents", "move_document"), parameters)


def delete_documents(connection: Connection, documents: Sequence[int]) -> None:
    """Mark documents as gone; the last stage takes their rows out."""
    connection.execute(query("documents", "delete_documents"), {"ids": list(documents)})


def leaving_documents(connection: Connection, scope: Scope) -> list[int]:
    """Documents that were deleted and whose rows are still there."""
    rows = connection.execute(query("documents", "leaving_documents"), _shard_parameters(scope))
    return [row[0] for row in rows]


def purge_documents(connection: Connection, scope: Scope) -> int:
    """Remove deleted documents that no serving table holds any more."""
    return connection.execute(query("documents", "purge_documents"), _shard_parameters(scope)).rowcount


def lock_documents(connection: Connection, documents: Iterable[int]) -> dict[int, bytes | None]:
    """Lock rows in id order, so that two runs cannot deadlock, and return their content hashes."""
    rows = connection.execute(query("documents", "lock_documents"), {"ids": list(documents)})
    return dict(rows.fetchall())


def count_documents(connection: Connection) -> int:
    """Live documents."""
    row = connection.execute(query("documents", "document_counts")).fetchone()
    return int(row[0]) if row else 0


def counts_by_collection(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    return _rows(connection, "documents", "counts_by_collection", _shard_parameters(scope))


def shard_figures(connection: Connection, scope: Scope) -> dict[str, dict[str, int]]:
    """shard -> its live documents, their chunks and tokens, and how many have a failure."""
    rows = _rows(connection, "documents", "shard_figures", _shard_parameters(scope))
    return {row.pop("shard"): row for row in rows}


def recent_documents(connection: Connection, scope: Scope, limit: int = 10) -> list[dict[str, Any]]:
    return _rows(connection, "documents", "recent_documents", _shard_parameters(scope) | {"limit": limit})


def elements_by_format(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    return _rows(connection, "stages", "elements_by_format", _shard_parameters(scope))


def shard_elements(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    """Per shard and format: documents, pages, seconds of parsing, and the least coverage."""
    return _rows(connection, "stages", "shard_elements", _shard_parameters(scope))


def privacy_counts(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    """path, collection, and how many values of each entity were masked, of every live document with elements."""
    return _rows(connection, "stages", "privacy_counts", _shard_parameters(scope))


def shard_privacy(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    """Per shard and entity: how many values were masked."""
    return _rows(connection, "stages", "shard_privacy", _shard_parameters(scope))


def shard_failures(connection: Connection, scope: Scope, stage: str) -> list[dict[str, Any]]:
    """Per shard and kind of error: documents that failed in `stage`."""
    return _rows(connection, "stages", "shard_failures", _shard_parameters(scope) | {"stage": stage})


def warned_documents(connection: Connection, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """path and warning, those of the documents that changed last first."""
    return _rows(connection, "stages", "warned_documents", _shard_parameters(scope) | {"limit": limit})


def newest_elements(connection: Connection, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """How the documents that were parsed last came out: counts, no text."""
    return _rows(connection, "stages", "newest_elements", _shard_parameters(scope) | {"limit": limit})


def newest_chunks(connection: Connection, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """How the documents that changed last were cut: counts, no text."""
    return _rows(connection, "stages", "newest_chunks", _shard_parameters(scope) | {"limit": limit})


def columns(connection: Connection, table: str) -> list[dict[str, Any]]:
    """name, type and description of each column of a table or view."""
    return _rows(connection, "documents", "columns", {"table": table})


def live_paths(connection: Connection, paths: Sequence[str]) -> set[str]:
    """Which of `paths` are documents now."""
    return {row[0] for row in connection.execute(query("documents", "live_paths"), {"paths": list(paths)})}


def list_documents(connection: Connection, collection: str | None, after: int, limit: int) -> list[ListedDocument]:
    """Live documents in order of their id, from the one behind `after` on."""
    parameters = {"collection": collection, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(ListedDocument)) as cursor:
        return cursor.execute(query("documents", "list_documents"), parameters).fetchall()


# What is pending


def pending_elements(connection: Connection, scope: Scope) -> list[PendingParse]:
    with connection.cursor(row_factory=class_row(PendingParse)) as cursor:
        return cursor.execute(query("wanted", "pending_elements"), _wanted_parameters(scope)).fetchall()


def pending_chunks(connection: Connection, scope: Scope) -> list[PendingChunks]:
    with connection.cursor(row_factory=class_row(PendingChunks)) as cursor:
        return cursor.execute(query("wanted", "pending_chunks"), _wanted_parameters(scope)).fetchall()


def pending_text_totals(connection: Connection, scope: Scope, generation: int, model: str) -> TextTotals:
    parameters = _shard_parameters(scope) | {"generation": generation, "model": model}
    with connection.cursor(row_factory=class_row(TextTotals)) as cursor:
        cursor.execute(query("wanted", "pending_text_totals"), parameters)
        totals = cursor.fetchone()
    assert totals is not None  # noqa: S101 - an aggregate always gives a row
    return totals


def pending_texts(connection: Connection, scope: Scope, model: str, page: int = 2000) -> Iterator[tuple[bytes, str]]:
    """(text hash, embedded text) of every text without a vector, once each, in order of the hash.

    Read page by page, each in a transaction of its own: embedding may take hours, and a snapshot held
    that long would keep PostgreSQL from cleaning up.
    """
    parameters = _shard_parameters(scope) | {"model": model, "limit": page}
    after = b""
    while True:
        rows = connection.execute(query("wanted", "pending_texts"), parameters | {"after": after}).fetchall()
        for text_hash, section_path, content in rows:
            yield text_hash, embedded_text(section_path, content)
        if len(rows) < page:
            return
        after = rows[-1][0]


def documents_with_texts(connection: Connection, text_hashes: Sequence[bytes]) -> list[tuple[int, str]]:
    """(document id, chunks version) of the live documents that hold one of the texts."""
    return connection.execute(query("wanted", "documents_with_texts"), {"text_hashes": list(text_hashes)}).fetchall()


def pending_loads(connection: Connection, scope: Scope, generation: int, model: str) -> list[tuple[int, bool]]:
    """(document id, whether it is leaving) of what the serving table lacks or still has."""
    parameters = _shard_parameters(scope) | {"generation": generation, "model": model}
    return connection.execute(query("wanted", "pending_loads"), parameters).fetchall()


def dirty_shards(connection: Connection, scope: Scope, generation: int | None, model: str | None) -> list[DirtyShard]:
    parameters = _wanted_parameters(scope) | {"generation": generation, "model": model}
    with connection.cursor(row_factory=class_row(DirtyShard)) as cursor:
        return cursor.execute(query("wanted", "dirty_shards"), parameters).fetchall()


def pending_reasons(
    connection: Connection, scope: Scope, generation: int | None, model: str | None, parse_version: str
) -> dict[str, int]:
    """Why the documents that `dirty_shards` counts wait -> how many, the most frequent first.

    new, changed, moved, deleted: nobody worked on what a scan found; policy, parse, chunk: what is asked for changed;
    vectors: of the generation, or its rows; retry: failed before, due again. `parse_version`: see ParsePolicy.
    """
    parameters = _wanted_parameters(scope) | {"generation": generation, "model": model, "parse_version": parse_version}
    return dict(connection.execute(query("reasons", "pending_reasons"), parameters).fetchall())


# What stages write


def insert_elements(connection: Connection, parsed: Sequence[tuple[PendingParse, CleanedDocument]]) -> None:
    """Store what was parsed, in the order given; elements that are there already stay."""
    rows = [
        {
            "content_hash": job.content_hash,
            "parse_fingerprint": job.parse_fingerprint,
            "format": document.metadata.get("format", ""),
            "page_count": document.page_count,
            "element_count": len(document.elements),
            "dropped_count": len(document.dropped),
            "privacy_counts": Jsonb(dict(document.privacy_counts)),
            "warnings": list(document.warnings),
            "seconds": document.seconds,
            "coverage": document.coverage,
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
            "wanted": [job.parse_fingerprint for job in jobs],
            "followers": [follower for follower, _ in follows],
            "followed": [followed for _, followed in follows],
        },
    )
    return dict(rows.fetchall())


def stored_elements(connection: Connection, content_hash: bytes, parse_fingerprint: str) -> CleanedDocument | None:
    row = connection.execute(
        query("stages", "elements"),
        {"content_hash": content_hash, "parse_fingerprint": parse_fingerprint},
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


def load_elements(connection: Connection, jobs: Sequence[PendingChunks]) -> dict[tuple[bytes, str], CleanedDocument]:
    rows = connection.execute(
        query("stages", "elements_of_batch"),
        {
            "content_hashes": [job.content_hash for job in jobs],
            "parse_fingerprints": [job.parse_fingerprint for job in jobs],
        },
        binary=True,
    )
    return {(content_hash, parse): unpack(payload) for content_hash, parse, payload in rows}


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
            for chunk, tokens in zip(made.chunks, made.tokens, strict=True):
                copy.write_row(_chunk_row(document, chunk, tokens))
    connection.execute(
        query("stages", "set_chunks_versions"),
        {"ids": list(chunked), "versions": [made.version for made in chunked.values()]},
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


# Failures


def record_failure(connection: Connection, document: int, stage: str, input_version: str, error: DocumentError) -> None:
    connection.execute(
        query("stages", "fail_document"),
        {
            "document": document,
            "stage": stage,
            "input_version": input_version,
            "error": type(error).__name__,
            "reason": str(error),
            "first_delay": FIRST_RETRY if error.transient else None,
        },
    )


def clear_failures(connection: Connection, stages: Sequence[str], documents: Sequence[int]) -> None:
    """Forget that `documents` failed in one of `stages`: they got through."""
    connection.execute(query("stages", "clear_failures"), {"stages": list(stages), "ids": list(documents)})


def forget_failures(connection: Connection, documents: Sequence[int]) -> None:
    """Forget every failure of documents whose bytes are others now."""
    connection.execute(query("stages", "forget_failures"), {"ids": list(documents)})


def failures(connection: Connection, scope: Scope, limit: int | None = None) -> list[Failure]:
    """The quarantine, newest first."""
    with connection.cursor(row_factory=class_row(Failure)) as cursor:
        return cursor.execute(query("stages", "failures"), _shard_parameters(scope) | {"limit": limit}).fetchall()


def count_failures(connection: Connection, scope: Scope) -> int:
    """Documents that have a failure."""
    row = connection.execute(query("stages", "count_failures"), _shard_parameters(scope)).fetchone()
    return int(row[0]) if row else 0


def retry_failures(connection: Connection) -> int:
    """Make every failure due now; returns how many documents have one."""
    row = connection.execute(query("stages", "retry_failures")).fetchone()
    return int(row[0]) if row else 0


# Parameters


def _entry_parameters(source: Source, entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "shard_hash": shard_hash(source.uri, entry.path),
        "collection": collection_of(entry.path),
        "size": entry.size,
        "modified_ns": entry.modified_ns,
        "etag": entry.etag,
    }


def _shard_parameters(scope: Scope) -> dict[str, Any]:
    return {"digits": scope.digits, "shards": list(scope.shards)}


def _wanted_parameters(scope: Scope) -> dict[str, Any]:
    special = scope.collection_fingerprints
    return _shard_parameters(scope) | {
        "parse_fingerprint": scope.fingerprints.parse,
        "chunk_fingerprint": scope.fingerprints.chunk,
        "collections": list(special),
        "parse_fingerprints": [fingerprints.parse for fingerprints in special.values()],
        "chunk_fingerprints": [fingerprints.chunk for fingerprints in special.values()],
    }


def _chunk_row(document: int, chunk: Chunk, tokens: Sequence[str]) -> tuple[Any, ...]:
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
        TsVector(tuple(tokens)),
        Jsonb(dict(chunk.metadata)),
    )


def _rows(connection: Connection, file: str, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(file, name), parameters).fetchall()

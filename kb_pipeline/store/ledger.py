"""Reading and writing the ledger: sources, documents, elements, chunks, embeddings, failures.

Functions take an open connection and leave the transaction to the caller, except those whose
docstring says that they commit. A *shard* is the set of documents whose `shard_hash` starts with
given hex digits; every question about pending work is asked for a range of shards.

Lock order: a transaction that changes what belongs to documents locks them first, all at once and in the order of
their ids (`lock_documents`, `lock_paths`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from kb_pipeline.chunking.chunks import Chunk, embedded_text
from kb_pipeline.errors import DocumentError
from kb_pipeline.parsing.elements import CleanedDocument, pack, unpack
from kb_pipeline.source.diff import KnownDocument
from kb_pipeline.source.listing import EVERY_SHARD, Entry, ShardRange, collection_of, shard_hash, shard_range
from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query
from kb_pipeline.store.tsvector import TsVector
from kb_pipeline.store.vectors import embedding_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

UNREGISTERED = 0  # identities count from 1
REMEMBERED_TEXTS = 200_000  # far more than wait for their vectors at a time; 30 MB
SIGNATURE_SEPARATOR = "\n//\n"
FIRST_RETRY = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class StageFingerprints:
    """What the settings ask of a collection's documents: how they are parsed and how they are chunked."""

    parse: str
    chunk: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The shards from `first` to `last` (names of `digits` hex digits), and what is asked of their documents.

    `collection_fingerprints` holds the collections that differ from the default `fingerprints`.
    """

    digits: int
    first: str
    last: str
    fingerprints: StageFingerprints
    collection_fingerprints: Mapping[str, StageFingerprints]

    @property
    def range(self) -> ShardRange:
        """The first and the last `shard_hash` of its documents."""
        return shard_range(self.first, self.last)


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
    created_at: datetime | None = None  # when it was first asked for


@dataclass(frozen=True, slots=True)
class PendingParse:
    """A document whose elements are missing."""

    id: int
    uri: str
    path: str
    collection: str
    shard_hash: str
    content_hash: bytes
    extension: str
    parse_fingerprint: str
    input_version: str


@dataclass(frozen=True, slots=True)
class PendingChunks:
    """A document whose chunks are missing or were made from something else."""

    id: int
    path: str
    collection: str
    content_hash: bytes
    extension: str
    parse_fingerprint: str
    chunk_fingerprint: str
    input_version: str


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """The chunks of one document, what they were made from, and the full-text tokens of each."""

    made_from: PendingChunks
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


def signatures(connection: Connection, source: int, shards: ShardRange = EVERY_SHARD) -> frozenset[str]:
    """What the ledger believes the source holds in `shards`, one line per file; see `source.listing`."""
    parameters = {"source": source, "first": shards[0], "last": shards[1]}
    rows = connection.execute(query("documents", "signatures"), parameters, binary=True)
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
    statement = query("documents", "collections", chunked_collections=query("wanted", "chunked_collections"))
    return [row[0] for row in connection.execute(statement)]


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


def update_documents(connection: Connection, changed: Sequence[tuple[int, Entry, bytes | None]]) -> None:
    """Give documents what a listing says of them, and their content hashes."""
    columns = {
        "id": [document for document, _, _ in changed],
        "size": [entry.size for _, entry, _ in changed],
        "modified_ns": [entry.modified_ns for _, entry, _ in changed],
        "etag": [entry.etag for _, entry, _ in changed],
        "content_hash": [digest for _, _, digest in changed],
    }
    connection.execute(query("documents", "update_documents"), columns)


def move_documents(connection: Connection, source: Source, moves: Sequence[tuple[int, Entry]]) -> None:
    """Give documents their new paths; nothing of them is processed again."""
    lock_paths(connection, source, [entry.path for _, entry in moves], [document for document, _ in moves])
    rows = [_entry_parameters(source, entry) | {"id": document} for document, entry in moves]
    columns = {name: [row[name] for row in rows] for name in rows[0]} | {"source": source.id}
    connection.execute(query("documents", "forget_deleted_paths"), columns)
    connection.execute(query("documents", "move_documents"), columns)


def delete_documents(connection: Connection, documents: Sequence[int]) -> None:
    """Mark documents as gone; the last stage takes their rows out."""
    lock_documents(connection, documents)
    connection.execute(query("documents", "delete_documents"), {"ids": list(documents)})


def leaving_documents(connection: Connection, scope: Scope) -> list[int]:
    """Documents that were deleted and whose rows are still there."""
    rows = connection.execute(query("documents", "leaving_documents"), shard_parameters(scope))
    return [row[0] for row in rows]


def purge_documents(connection: Connection, scope: Scope) -> int:
    """Remove deleted documents that no serving table holds any more."""
    return connection.execute(query("documents", "purge_documents"), shard_parameters(scope)).rowcount


def lock_documents(connection: Connection, documents: Iterable[int]) -> dict[int, bytes | None]:
    """Lock rows in id order, so that two runs cannot deadlock, and return their content hashes."""
    rows = connection.execute(query("documents", "lock_documents"), {"ids": list(documents)})
    return dict(rows.fetchall())


def lock_paths(connection: Connection, source: Source, paths: Sequence[str], documents: Sequence[int] = ()) -> None:
    """Lock `documents`, and whatever the ledger holds at `paths`, in the same order as `lock_documents`."""
    parameters = {"source": source.id, "paths": list(paths), "ids": list(documents)}
    connection.execute(query("documents", "lock_paths"), parameters)


def count_documents(connection: Connection) -> int:
    """Live documents."""
    row = connection.execute(query("documents", "document_count")).fetchone()
    return int(row[0]) if row else 0


def counts_by_collection(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    return _rows(connection, "documents", "counts_by_collection", shard_parameters(scope))


def shard_figures(connection: Connection, scope: Scope) -> dict[str, dict[str, int]]:
    """shard -> its live documents, their chunks and tokens."""
    rows = _rows(connection, "documents", "shard_figures", shard_parameters(scope))
    return {row.pop("shard"): row for row in rows}


def recent_documents(connection: Connection, scope: Scope, limit: int = 10) -> list[dict[str, Any]]:
    return _rows(connection, "documents", "recent_documents", shard_parameters(scope) | {"limit": limit})


def elements_by_format(connection: Connection, scope: Scope, seconds: float | None = None) -> list[dict[str, Any]]:
    return _of_elements(connection, "elements_by_format", scope, seconds)


def shard_elements(connection: Connection, scope: Scope, seconds: float | None = None) -> list[dict[str, Any]]:
    """Per shard and format: documents, pages, seconds of parsing, and the least coverage."""
    return _of_elements(connection, "shard_elements", scope, seconds)


def privacy_counts(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    """path, collection, and how many values of each entity were masked, of every live document with elements."""
    return _of_elements(connection, "privacy_counts", scope, None)


def shard_privacy(connection: Connection, scope: Scope, seconds: float | None = None) -> list[dict[str, Any]]:
    """Per shard and entity: how many values were masked."""
    return _of_elements(connection, "shard_privacy", scope, seconds)


def shard_failures(connection: Connection, scope: Scope, stage: str) -> list[dict[str, Any]]:
    """Per shard and kind of error: documents that failed in `stage`."""
    return _rows(connection, "stages", "shard_failures", shard_parameters(scope) | {"stage": stage})


def warned_documents(
    connection: Connection, scope: Scope, limit: int, seconds: float | None = None
) -> list[dict[str, Any]]:
    """path and warning, those of the documents that changed last first."""
    return _of_elements(connection, "warned_documents", scope, seconds, limit=limit)


def _of_elements(
    connection: Connection, name: str, scope: Scope, seconds: float | None, **more: int
) -> list[dict[str, Any]]:
    """Ask about the elements that were made within the last `seconds`; None: about the newest of every document."""
    elements = query("stages", "all_elements" if seconds is None else "recent_elements")
    with connection.cursor(row_factory=dict_row) as cursor:
        parameters = shard_parameters(scope) | {"seconds": seconds} | more
        return cursor.execute(query("stages", name, elements=elements), parameters).fetchall()


def latest_elements(connection: Connection, scope: Scope, documents: int) -> list[tuple[str, CleanedDocument]]:
    """path and content of the documents that were parsed last."""
    found = _rows(connection, "stages", "latest_elements", shard_parameters(scope) | {"limit": documents})
    return [(row["path"], unpack(row["payload"])) for row in found]


def chunk_preview(connection: Connection, scope: Scope, limit: int = 10) -> list[dict[str, Any]]:
    return _rows(connection, "stages", "chunk_preview", shard_parameters(scope) | {"limit": limit})


# What is pending


def pending_elements(connection: Connection, scope: Scope) -> list[PendingParse]:
    with connection.cursor(row_factory=class_row(PendingParse)) as cursor:
        return cursor.execute(_wanted("pending_elements"), _wanted_parameters(scope)).fetchall()


def pending_chunks(connection: Connection, scope: Scope) -> list[PendingChunks]:
    with connection.cursor(row_factory=class_row(PendingChunks)) as cursor:
        return cursor.execute(_wanted("pending_chunks"), _wanted_parameters(scope)).fetchall()


def pending_text_totals(connection: Connection, scope: Scope, generation: int, model: str) -> TextTotals:
    with connection.cursor(row_factory=class_row(TextTotals)) as cursor:
        cursor.execute(_wanted("pending_text_totals"), loading_parameters(scope, generation, model))
        totals = cursor.fetchone()
    assert totals is not None  # noqa: S101 - an aggregate always gives a row
    return totals


def pending_texts(
    connection: Connection, scope: Scope, generation: int, model: str, page: int = 200
) -> Iterator[tuple[bytes, str]]:
    """(text hash, embedded text) of every text without a vector, document by document, so that documents get complete
    one after the other. A text comes once, but for one that is far from its first place and had no vector then either.

    Read `page` documents at a time, each in a transaction of its own: embedding may take hours, and a snapshot held
    that long would keep PostgreSQL from cleaning up.
    """
    rows = connection.execute(_wanted("documents_to_embed"), loading_parameters(scope, generation, model)).fetchall()
    documents = [row[0] for row in rows]
    given: dict[bytes, None] = {}
    for start in range(0, len(documents), page):
        parameters = {"ids": documents[start : start + page], "model": model}
        for text_hash, section_path, content in connection.execute(query("wanted", "pending_texts"), parameters):
            if text_hash in given:
                continue
            given[text_hash] = None
            if len(given) > REMEMBERED_TEXTS:
                del given[next(iter(given))]
            yield text_hash, embedded_text(section_path, content)


def documents_with_texts(connection: Connection, text_hashes: Sequence[bytes]) -> list[tuple[int, int]]:
    """(document id, revision) of the live documents that hold one of the texts."""
    return connection.execute(query("wanted", "documents_with_texts"), {"text_hashes": list(text_hashes)}).fetchall()


def pending_loads(connection: Connection, scope: Scope, generation: int, model: str) -> list[tuple[int, bool]]:
    """(document id, whether it is leaving) of what the serving table lacks or still has."""
    return connection.execute(_wanted("pending_loads"), loading_parameters(scope, generation, model)).fetchall()


def loaded_unnoted(connection: Connection, scope: Scope, generation: int, model: str) -> list[int]:
    """Documents that the serving table holds as they are, while the index of what is to be loaded names them."""
    rows = connection.execute(_wanted("loaded_unnoted"), loading_parameters(scope, generation, model))
    return [row[0] for row in rows]


def incomplete_documents(connection: Connection, scope: Scope, generation: int, model: str) -> int:
    """How many documents with chunks the generation does not hold in their current version."""
    row = connection.execute(_wanted("incomplete_documents"), loading_parameters(scope, generation, model)).fetchone()
    return int(row[0]) if row else 0


def dirty_shards(connection: Connection, scope: Scope, generation: int | None, model: str | None) -> list[DirtyShard]:
    parameters = _wanted_parameters(scope) | loading_parameters(scope, generation, model)
    with connection.cursor(row_factory=class_row(DirtyShard)) as cursor:
        return cursor.execute(_wanted("dirty_shards"), parameters).fetchall()


def pending_reasons(
    connection: Connection, scope: Scope, generation: int | None, model: str | None, parse_version: str
) -> dict[str, int]:
    """Why the documents that `dirty_shards` counts wait -> how many, the most frequent first.

    new, changed, moved, deleted: nobody worked on what a scan found; policy, parse, chunk: what is asked for changed;
    vectors: of the generation, or its rows; retry: failed before, due again. `parse_version`: see ParsePolicy.
    """
    parameters = _wanted_parameters(scope) | loading_parameters(scope, generation, model)
    rows = connection.execute(_wanted("pending_reasons"), parameters | {"parse_version": parse_version})
    return dict(rows.fetchall())


# What stages write


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
            for chunk, tokens in zip(made.chunks, made.tokens, strict=True):
                copy.write_row(_chunk_row(document, chunk, tokens))
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


# Failures


def record_failures(connection: Connection, stage: str, failed: Sequence[tuple[int, str, DocumentError]]) -> None:
    """Each a document, the input that failed, and why."""
    connection.execute(
        query("stages", "fail_documents"),
        {
            "stage": stage,
            "documents": [document for document, _, _ in failed],
            "input_versions": [version for _, version, _ in failed],
            "errors": [type(error).__name__ for _, _, error in failed],
            "reasons": [str(error) for _, _, error in failed],
            "first_delays": [FIRST_RETRY if error.transient else None for _, _, error in failed],
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
        return cursor.execute(query("stages", "failures"), shard_parameters(scope) | {"limit": limit}).fetchall()


def count_failures(connection: Connection, scope: Scope) -> int:
    """Documents that have a failure."""
    row = connection.execute(query("stages", "count_failures"), shard_parameters(scope)).fetchone()
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


def shard_parameters(scope: Scope) -> dict[str, Any]:
    first, last = scope.range
    return {"digits": scope.digits, "first": first, "last": last}


def loading_parameters(scope: Scope, generation: int | None, model: str | None) -> dict[str, Any]:
    """What `wanted.sql` calls unloaded, of one generation."""
    return shard_parameters(scope) | {"generation": generation, "model": model}


def _wanted(name: str) -> sql.Composed:
    """A query of `wanted.sql` with the pieces that it is built of."""
    pieces = {piece: query("wanted", piece) for piece in ("fingerprints", "chunked_collections", "unloaded")}
    pieces["unfinished"] = query("wanted", "unfinished", **pieces)
    pieces["dirty"] = query("wanted", "dirty", **pieces)
    return query("wanted", name, **pieces)


def _wanted_parameters(scope: Scope) -> dict[str, Any]:
    special = scope.collection_fingerprints
    return shard_parameters(scope) | {
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

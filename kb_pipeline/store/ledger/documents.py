"""Sources and documents: what there is, and what a scan changes of it.

Lock order: a transaction that changes what belongs to documents locks them first, all at once and in the order of
their ids (`lock_documents`, `lock_paths`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from kb_pipeline.source.diff import KnownDocument
from kb_pipeline.source.listing import EVERY_SHARD, Entry, ShardRange, collection_of, shard_hash
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger.scope import Scope, shard_parameters
from kb_pipeline.store.queries import query

UNREGISTERED = 0  # identities count from 1
SIGNATURE_SEPARATOR = "\n//\n"


@dataclass(frozen=True, slots=True)
class Source:
    """`id` is UNREGISTERED for one that the ledger does not know yet; no document belongs to it."""

    id: int
    uri: str
    scanned_at: datetime | None
    names_policy: str | None = None
    sidecars_policy: str | None = None
    patterns: str | None = None


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
class Progress:
    """How far a document has come. `size`, `modified_ns`: of the file that was seen. `failure`: why it failed."""

    document_id: int
    size: int
    modified_ns: int | None
    is_loaded: bool
    failure: str | None


def progress(connection: Connection, uri: str, path: str) -> Progress | None:
    """Of the document stored as `path` of a source; also while it is on its way out."""
    with connection.cursor(row_factory=class_row(Progress)) as cursor:
        return cursor.execute(query("documents", "progress"), {"uri": uri, "path": path}).fetchone()


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


def note_held_deletions(connection: Connection, counts: Mapping[str, int]) -> None:
    """Source uri -> how many documents of it are gone and stay until a person confirms it."""
    connection.execute(
        query("documents", "note_held_deletions"), {"uris": list(counts), "counts": list(counts.values())}
    )


def held_deletions(connection: Connection) -> dict[str, int]:
    """The sources that have some, and how many."""
    return dict(connection.execute(query("documents", "held_deletions")).fetchall())


def collections(connection: Connection) -> list[str]:
    """The collections of all live documents."""
    statement = query("documents", "collections", chunked_collections=query("pending", "chunked_collections"))
    return [row[0] for row in connection.execute(statement)]


def live_paths(connection: Connection, paths: Sequence[str]) -> set[str]:
    """Which of `paths` are documents now."""
    return {row[0] for row in connection.execute(query("documents", "live_paths"), {"paths": list(paths)})}


def list_documents(connection: Connection, collection: str | None, after: int, limit: int) -> list[ListedDocument]:
    """Live documents in order of their id, from the one behind `after` on."""
    parameters = {"collection": collection, "after": after, "limit": limit}
    with connection.cursor(row_factory=class_row(ListedDocument)) as cursor:
        return cursor.execute(query("documents", "list_documents"), parameters).fetchall()


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


def chunk_counts(connection: Connection, documents: Sequence[int]) -> dict[int, int]:
    """Document -> how many chunks it has."""
    return dict(connection.execute(query("documents", "chunk_counts"), {"ids": list(documents)}).fetchall())


def _entry_parameters(source: Source, entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "shard_hash": shard_hash(source.uri, entry.path),
        "collection": collection_of(entry.path),
        "size": entry.size,
        "modified_ns": entry.modified_ns,
        "etag": entry.etag,
    }

"""What every stage has to do, found by index; the terms are those of `pending.sql`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.chunking.chunks import embedded_text
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger.scope import Scope, shard_parameters
from kb_pipeline.store.queries import query

# Ids of generations; None: of the one that is to be made.
Targets = Sequence[int | None]

REMEMBERED_TEXTS = 200_000  # far more than wait for their vectors at a time; 30 MB


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
class DirtyShard:
    shard: str
    documents: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class TextTotals:
    """`texts` to embed, their estimated `tokens`, and how many chunks are `reused`: need no text of their own."""

    texts: int
    tokens: int
    reused: int


def pending_elements(connection: Connection, scope: Scope) -> list[PendingParse]:
    with connection.cursor(row_factory=class_row(PendingParse)) as cursor:
        return cursor.execute(_wanted("pending_elements"), _wanted_parameters(scope)).fetchall()


def pending_chunks(connection: Connection, scope: Scope) -> list[PendingChunks]:
    with connection.cursor(row_factory=class_row(PendingChunks)) as cursor:
        return cursor.execute(_wanted("pending_chunks"), _wanted_parameters(scope)).fetchall()


def pending_text_totals(connection: Connection, scope: Scope, generations: Targets, model: str) -> TextTotals:
    """Of the vectors of `model`, that of `generations`."""
    with connection.cursor(row_factory=class_row(TextTotals)) as cursor:
        parameters = loading_parameters(scope, generations) | {"model": model}
        cursor.execute(_wanted("pending_text_totals", generations), parameters)
        totals = cursor.fetchone()
    assert totals is not None  # noqa: S101 - an aggregate always gives a row
    return totals


def pending_texts(
    connection: Connection, scope: Scope, generations: Targets, model: str, page: int = 200
) -> Iterator[tuple[bytes, str]]:
    """(text hash, embedded text) of every text without a vector of `model`, that of `generations`, document by
    document, so that documents get complete one after the other. A text comes once, but for one that is far from its
    first place and had no vector then either.

    Read `page` documents at a time, each in a transaction of its own: embedding may take hours, and a snapshot held
    that long would keep PostgreSQL from cleaning up.
    """
    rows = connection.execute(
        _wanted("documents_to_embed", generations), loading_parameters(scope, generations)
    ).fetchall()
    documents = [row[0] for row in rows]
    given: dict[bytes, None] = {}
    for start in range(0, len(documents), page):
        parameters = {"ids": documents[start : start + page], "model": model}
        for text_hash, section_path, content in connection.execute(query("pending", "pending_texts"), parameters):
            if text_hash in given:
                continue
            given[text_hash] = None
            if len(given) > REMEMBERED_TEXTS:
                del given[next(iter(given))]
            yield text_hash, embedded_text(section_path, content)


def documents_with_texts(connection: Connection, text_hashes: Sequence[bytes]) -> list[tuple[int, int]]:
    """(document id, revision) of the live documents that hold one of the texts."""
    return connection.execute(query("pending", "documents_with_texts"), {"text_hashes": list(text_hashes)}).fetchall()


def pending_loads(connection: Connection, scope: Scope, generations: Targets) -> list[tuple[int, bool]]:
    """(document id, whether it is leaving) of what the serving table lacks or still has."""
    return connection.execute(_wanted("pending_loads", generations), loading_parameters(scope, generations)).fetchall()


def loaded_unnoted(connection: Connection, scope: Scope, generations: Targets) -> list[int]:
    """Documents that the serving table holds as they are, while the index of what is to be loaded names them."""
    rows = connection.execute(_wanted("loaded_unnoted", generations), loading_parameters(scope, generations))
    return [row[0] for row in rows]


def incomplete_documents(connection: Connection, scope: Scope, generations: Targets) -> int:
    """How many documents with chunks the generation does not hold in their current version."""
    row = connection.execute(
        _wanted("incomplete_documents", generations), loading_parameters(scope, generations)
    ).fetchone()
    return int(row[0]) if row else 0


def dirty_shards(connection: Connection, scope: Scope, generations: Targets) -> list[DirtyShard]:
    parameters = _wanted_parameters(scope) | loading_parameters(scope, generations)
    with connection.cursor(row_factory=class_row(DirtyShard)) as cursor:
        return cursor.execute(_wanted("dirty_shards", generations), parameters).fetchall()


def pending_reasons(
    connection: Connection,
    scope: Scope,
    generations: Targets,
    parse_version: str,
    collection_versions: Mapping[str, str],
) -> dict[str, int]:
    """Why the documents that `dirty_shards` counts wait -> how many, the most frequent first.

    new, changed, moved, deleted: nobody worked on what a scan found; policy, parse, chunk: what is asked for changed;
    vectors: of the generation, or its rows; retry: failed before, due again. `parse_version`: see ParsePolicy;
    `collection_versions`: those of collections whose own may be another.
    """
    parameters = _wanted_parameters(scope) | loading_parameters(scope, generations)
    versions = {"parse_version": parse_version, "parse_versions": Jsonb(dict(collection_versions))}
    rows = connection.execute(_wanted("pending_reasons", generations), parameters | versions)
    return dict(rows.fetchall())


def loading_parameters(scope: Scope, generations: Targets) -> dict[str, Any]:
    """What `pending.sql` calls unloaded."""
    return shard_parameters(scope) | {"generations": list(generations)}


def served() -> sql.Composed:
    """Whether the generation that is the parameter of that name is to hold a document `d`."""
    own = sql.SQL("(SELECT own.collection FROM generations own WHERE own.id = %(generation)s)")
    return query("pending", "serves", own=own, collection=sql.SQL("d.collection"))


def unloaded(generations: Targets) -> sql.Composed:
    """The query of that name; its parameters are `loading_parameters`."""
    return _pieces(generations)["unloaded"]


def _wanted(name: str, generations: Targets = ()) -> sql.Composed:
    """A query of `pending.sql` with the pieces that it is built of."""
    pieces = _pieces(generations)
    pieces["unfinished"] = query("pending", "unfinished", **pieces)
    pieces["dirty"] = query("pending", "dirty", **pieces)
    return query("pending", name, **pieces)


def _pieces(generations: Targets) -> dict[str, sql.Composed]:
    pieces = {piece: query("pending", piece) for piece in ("fingerprints", "chunked_collections", "targets")}
    own = sql.SQL("t.own")
    pieces["serves_document"] = query("pending", "serves", own=own, collection=sql.SQL("d.collection"))
    pieces["serves_collection"] = query("pending", "serves", own=own, collection=sql.SQL("n.collection"))
    # The planner has to see the numbers to know that few documents are noted at another generation.
    of_each = [query("pending", "unloaded", **pieces, generation=sql.Literal(one)) for one in generations or (None,)]
    return pieces | {"unloaded": sql.SQL(" UNION ALL ").join(of_each)}


def _wanted_parameters(scope: Scope) -> dict[str, Any]:
    special = scope.collection_fingerprints
    return shard_parameters(scope) | {
        "parse_fingerprint": scope.fingerprints.parse,
        "chunk_fingerprint": scope.fingerprints.chunk,
        "collections": list(special),
        "parse_fingerprints": [fingerprints.parse for fingerprints in special.values()],
        "chunk_fingerprints": [fingerprints.chunk for fingerprints in special.values()],
    }

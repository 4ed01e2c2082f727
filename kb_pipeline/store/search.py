"""The queries of a search, over the serving table of one generation.

`Ranked` is a row's id with its score, the best first. Everything here runs inside the transaction that
`snapshot` opens, except `record_event`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.errors import DatabaseUnavailable
from kb_pipeline.store.conditions import EVERYTHING, Condition
from kb_pipeline.store.database import register_types
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

# pgvector's ceiling. At a million rows, 200 finds 98 % of the true ten nearest, 100 finds 94 %.
MOST_EF_SEARCH = 1_000
EF_SEARCH = 200
TIMEOUT = 30_000  # milliseconds for one statement of a search

Ranked = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a serving table, as a hit shows it."""

    id: int
    content: str
    source_file: str
    page_number: int | None
    page_end: int | None
    section_title: str | None
    section_path: list[str]
    collection: str
    document_id: int
    chunk_key: str
    ordinal: int
    language: str
    metadata: dict[str, Any]
    fields: dict[str, Any] = field(default_factory=dict)


@contextmanager
def snapshot(connection: Connection, *, depth: int) -> Iterator[None]:
    """One read-only transaction that sees one state of the table, set up to find `depth` rows.

    `connection` must be idle. Raises DatabaseUnavailable when a statement takes too long.
    """
    try:
        with connection.transaction():
            connection.execute(query("search", "snapshot"))
            ef_search = min(max(EF_SEARCH, depth), MOST_EF_SEARCH)
            connection.execute(
                query("search", "session_settings"), {"ef_search": str(ef_search), "timeout": str(TIMEOUT)}
            )
            yield
    except psycopg.errors.QueryCanceled:
        raise DatabaseUnavailable(
            f"The search took longer than {TIMEOUT // 1000} seconds; narrow it or try again later."
        ) from None


def nearest(
    connection: Connection, generation: Generation, vector: np.ndarray, condition: Condition, depth: int
) -> list[Ranked]:
    """The rows nearest to `vector`, (dimension,) and of norm 1, by cosine similarity."""
    from pgvector import HalfVector

    register_types(connection)
    parameters = {**condition.parameters, "vector": HalfVector(vector), "depth": depth}
    parts = {"table": generation.table, "condition": condition.sql}
    found = connection.execute(query("search", "nearest", **parts), parameters, prepare=False).fetchall()
    if len(found) < depth and condition is not EVERYTHING:
        found = connection.execute(query("search", "nearest_exact", **parts), parameters, prepare=False).fetchall()
    return found


def language_means(connection: Connection, generation: Generation) -> dict[str, np.ndarray]:
    """Language -> the mean vector, (dimension,), of its rows; of languages with more than a few."""
    register_types(connection)
    rows = connection.execute(query("search", "language_means"), {"generation": generation.id})
    return {language: mean.to_numpy().astype("float32") for language, mean in rows}


def rows(connection: Connection, generation: Generation, ids: Sequence[int]) -> dict[int, Row]:
    with connection.cursor(row_factory=class_row(Row)) as cursor:
        cursor.execute(query("search", "rows", table=generation.table), {"ids": list(ids)})
        return {row.id: row for row in cursor}


def collections(connection: Connection, generation: Generation, condition: Condition) -> list[str]:
    """The collections that have rows which pass, in order."""
    statement = query("search", "collections", table=generation.table, condition=condition.sql)
    return [row[0] for row in connection.execute(statement, condition.parameters, prepare=False)]


def ping(connection: Connection) -> None:
    connection.execute(query("search", "ping"))


def record_event(
    connection: Connection,
    generation: Generation,
    *,
    text: str,
    mode: str,
    hits: Sequence[Mapping[str, Any]],
    principal: str,
    instruction: str | None,
) -> int | None:
    """Log a search and commit; None on a server that cannot be written to, such as a replica.

    `text` is the masked query, `instruction` that of its vector, `principal` the name of whose it is.
    """
    parameters = {
        "query": text,
        "mode": mode,
        "generation": generation.id,
        "hits": Jsonb(list(hits)),
        "principal": principal,
        "instruction": instruction,
    }
    try:
        with connection.transaction():
            row = connection.execute(query("search", "insert_event"), parameters).fetchone()
    except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege):
        return None
    return int(row[0]) if row else None

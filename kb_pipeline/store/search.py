"""The queries of a search, over the serving table of one generation.

`Ranked` is a row's id with its score, the best first. Everything here runs inside the transaction that
`snapshot` opens, except `record_event`.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql
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

MOST_EF_SEARCH = 1_000  # pgvector's ceiling
# Of rows among which 99 % of the true ten nearest are to be found an index scan looks at so many times the square root:
# measured with 1,024 dimensions 120 of 20,000 rows, 310 of 50,000 and 640 of 200,000.
EF_SEARCH_OF_ROOT = 1.4
LEAST_EF_SEARCH = 100
# What looking at a row costs on a walk through the index, in rows that are compared one after another.
WALK_COST = 5
DOUBTFUL = 4  # the planner may be wrong by so much before rows are not counted
BACKDROP_ROWS = 200  # at least as many tables hold; whole pages are read
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
def snapshot(connection: Connection, *, depth: int = 1, rows: int = 0) -> Iterator[None]:
    """One read-only transaction that sees one state of the table, set up to find the `depth` nearest of `rows`.

    `connection` must be idle. Raises DatabaseUnavailable when a statement takes too long.
    """
    try:
        with connection.transaction():
            connection.execute(query("search", "snapshot"))
            settings = {"ef_search": str(ef_search(depth, rows)), "timeout": str(TIMEOUT)}
            connection.execute(query("search", "session_settings"), settings)
            yield
    except psycopg.errors.QueryCanceled:
        raise DatabaseUnavailable(
            f"The search took longer than {TIMEOUT // 1000} seconds; narrow it or try again later."
        ) from None


def passes_few(connection: Connection, generation: Generation, condition: Condition, depth: int) -> bool:
    """Whether so few rows pass `condition` that comparing all of them is faster than walking the index for `depth`.

    Where it is not, the walk is set to look at so many rows at once that about `depth` of them pass. They are only
    counted where the planner expects few, and only as far as it matters: counting many would cost more than the search.
    """
    if condition is EVERYTHING:
        return False
    rows = max(generation.row_count, 1)
    most = math.ceil(math.sqrt(WALK_COST * depth * rows))
    parts = {"table": generation.table, "condition": condition.sql}
    explained = connection.execute(query("search", "estimate", **parts), condition.parameters, prepare=False).fetchone()
    assert explained is not None  # noqa: S101 - EXPLAIN always answers
    expected = explained[0][0]["Plan"]["Plan Rows"]
    if expected <= DOUBTFUL * most:
        parameters = {**condition.parameters, "most": most + 1}
        row = connection.execute(query("search", "count_passing", **parts), parameters, prepare=False).fetchone()
        counted = row[0] if row else 0
        if counted <= most:
            return True
        expected = max(expected, counted)
    connection.execute(query("search", "candidates"), {"ef_search": str(ef_search(depth, rows, expected / rows))})
    return False


def ef_search(depth: int, rows: int, share: float = 1.0) -> int:
    """How many rows an index scan looks at for the `depth` nearest of `rows`, of which a `share` passes a condition."""
    wanted = max(EF_SEARCH_OF_ROOT * math.sqrt(rows), LEAST_EF_SEARCH, depth)
    return min(math.ceil(wanted / min(max(share, 0.01), 1.0)), MOST_EF_SEARCH)


def nearest(
    connection: Connection,
    generation: Generation,
    vector: np.ndarray,
    condition: Condition,
    depth: int,
    *,
    exact: bool = False,
) -> list[Ranked]:
    """The rows nearest to `vector`, (dimension,) and of norm 1, by cosine similarity.

    `exact`: by comparing every row that passes; otherwise by the index, which may give up before it has found `depth`.
    """
    from pgvector import HalfVector

    register_types(connection)
    parameters = {**condition.parameters, "vector": HalfVector(vector), "depth": depth}
    name = "nearest_exact" if exact else "nearest"
    statement = query("search", name, table=generation.table, condition=condition.sql)
    return connection.execute(statement, parameters, prepare=False).fetchall()


@dataclass(frozen=True, slots=True)
class Backdrop:
    """Of the similarities to passages that chance chose; `deviation` is above 0."""

    mean: float
    deviation: float


def backdrop(connection: Connection, generation: Generation, vector: np.ndarray) -> Backdrop:
    """How similar `vector` is to any passage; the same passages each time."""
    from pgvector import HalfVector

    share = min(100.0, 100.0 * BACKDROP_ROWS / max(generation.row_count, 1))
    statement = query("search", "backdrop", table=generation.table, percent=sql.Literal(share))
    row = connection.execute(statement, {"vector": HalfVector(vector)}, prepare=False).fetchone()
    mean, deviation = row or (None, None)
    return Backdrop(mean or 0.0, deviation or 1.0)


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
    vector: np.ndarray | None,
) -> int | None:
    """Log a search and commit; None on a server that cannot be written to, such as a replica.

    `text` is the masked query, `vector`, (dimension,), what it was embedded as with `instruction`, `principal` the name
    of whose it is.
    """
    from pgvector import HalfVector

    register_types(connection)
    parameters = {
        "query": text,
        "mode": mode,
        "generation": generation.id,
        "hits": Jsonb(list(hits)),
        "principal": principal,
        "instruction": instruction,
        "vector": None if vector is None else HalfVector(vector),
    }
    try:
        with connection.transaction():
            row = connection.execute(query("search", "insert_event"), parameters).fetchone()
    except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege):
        return None
    return int(row[0]) if row else None

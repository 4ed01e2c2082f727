"""What is asked of a serving table to measure the recall of its index; see `search.recall`."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from kb_pipeline.store.conditions import EVERYTHING
from kb_pipeline.store.database import register_types
from kb_pipeline.store.queries import query
from kb_pipeline.store.search import ef_search, nearest, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

LOOKED_AT = 2_000  # newest entries of the log
Passage = tuple[int, str]  # document and chunk: the same in every generation


def logged_queries(connection: Connection, limit: int) -> list[tuple[str, list[Passage]]]:
    """(masked query, the passages that its last search showed), the newest first, each query once."""
    parameters = {"limit": limit, "looked_at": LOOKED_AT}
    rows: list[tuple[str, list[dict[str, Any]]]] = connection.execute(
        query("recall", "logged_queries"), parameters
    ).fetchall()
    return [(text, [(hit["document_id"], hit["chunk_key"]) for hit in hits]) for text, hits in rows]


def passage_vectors(connection: Connection, generation: Generation, limit: int) -> list[np.ndarray]:
    """Native vectors, (native dimension,), of passages that chance chooses; pages of the table are chosen, not rows."""
    register_types(connection)
    share = min(100.0, 100.0 * 20 * limit / max(generation.row_count, 1) + 0.1)
    statement = query("recall", "passage_vectors", table=generation.table, percent=sql.Literal(share))
    rows = connection.execute(statement, {"limit": limit, "model": generation.model_fingerprint})
    return [row[0].to_numpy().astype("float32") for row in rows]


def found(connection: Connection, generation: Generation, vectors: Sequence[np.ndarray], k: int) -> list[list[Passage]]:
    """For each vector, (dimension,), the k passages that a search by meaning finds. `connection` must be idle."""
    with snapshot(connection, depth=k, rows=generation.row_count):
        ids = [[row for row, _ in nearest(connection, generation, vector, EVERYTHING, k)] for vector in vectors]
    return _passages(connection, generation, ids)


def nearest_exactly(
    connection: Connection, generation: Generation, vectors: Sequence[np.ndarray], k: int
) -> list[list[Passage]]:
    """The k passages that are nearest, by comparing every row."""
    from pgvector import HalfVector

    register_types(connection)
    statement = query("recall", "exact", table=generation.table)
    ids = [
        [row[0] for row in connection.execute(statement, {"vector": HalfVector(vector), "k": k}, prepare=False)]
        for vector in vectors
    ]
    return _passages(connection, generation, ids)


@dataclass(frozen=True, slots=True)
class Cut:
    """A sample at one dimension: `found` and milliseconds for each question, bytes of vectors and index for a row."""

    dimension: int
    found: list[list[int]]
    milliseconds: list[float]
    bytes_per_row: float


@contextmanager
def sample(connection: Connection, generation: Generation, rows: int) -> Iterator[None]:
    """A temporary table of native vectors of at most `rows` passages, for the length of the block."""
    share = min(100.0, 100.0 * 4 * rows / max(generation.row_count, 1) + 0.1)
    parts = {"table": generation.table, "native": sql.Literal(generation.native_dimension)}
    parts |= {"percent": sql.Literal(share), "limit": sql.Literal(rows)}
    parts |= {"model": sql.Literal(generation.model_fingerprint)}
    register_types(connection)
    with connection.transaction():
        connection.execute(query("recall", "sample", **parts))
        yield


def sample_size(connection: Connection) -> int:
    row = connection.execute(query("recall", "count_sample")).fetchone()
    return int(row[0]) if row else 0


def hold_out(connection: Connection, count: int) -> list[np.ndarray]:
    """Take vectors out of the sample, to ask with them."""
    rows = connection.execute(query("recall", "held_out"), {"count": count})
    return [row[0].to_numpy().astype("float32") for row in rows]


def sample_truth(connection: Connection, vectors: Sequence[np.ndarray], k: int) -> list[list[int]]:
    """For each native vector the rows of the sample that are nearest, by comparing all."""
    return _ids(connection, "sample_truth", vectors, k)[0]


def cut(connection: Connection, dimension: int, vectors: Sequence[np.ndarray], k: int) -> Cut:
    """The sample at `dimension`, with an index, asked with `vectors` of that dimension."""
    connection.execute(query("recall", "cut_sample", dimension=sql.Literal(dimension)))
    connection.execute(query("recall", "index_cut"))
    rows = sample_size(connection)
    connection.execute(query("search", "session_settings"), {"ef_search": str(ef_search(k, rows)), "timeout": "0"})
    _ids(connection, "nearest_of_cut", vectors, k)  # warm
    found, milliseconds = _ids(connection, "nearest_of_cut", vectors, k)
    row = connection.execute(query("recall", "size_of_cut")).fetchone()
    connection.execute(query("recall", "drop_cut"))
    return Cut(dimension, found, milliseconds, (row[0] if row else 0) / max(rows, 1))


def _ids(
    connection: Connection, name: str, vectors: Sequence[np.ndarray], k: int
) -> tuple[list[list[int]], list[float]]:
    from pgvector import HalfVector

    found, milliseconds = [], []
    for vector in vectors:
        begun = time.perf_counter()
        rows = connection.execute(query("recall", name), {"vector": HalfVector(vector), "k": k}, prepare=False)
        found.append([row[0] for row in rows.fetchall()])
        milliseconds.append(1000 * (time.perf_counter() - begun))
    return found, milliseconds


def _passages(connection: Connection, generation: Generation, ids: Sequence[Sequence[int]]) -> list[list[Passage]]:
    wanted = {"ids": sorted({row for some in ids for row in some})}
    rows = connection.execute(query("recall", "passages", table=generation.table), wanted)
    known = {row: (document, chunk) for row, document, chunk in rows}
    return [[known[row] for row in some if row in known] for some in ids]

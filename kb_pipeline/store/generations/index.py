"""The vector index of a serving table, and the memory that building it takes."""

from __future__ import annotations

from psycopg import sql

from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations.generation import Generation, named_generation
from kb_pipeline.store.queries import query

# Of an HNSW index of 16 links: measured at a million rows of 1,024 dimensions, besides the vector itself.
INDEX_BYTES_BESIDES_VECTOR = 700
SMALLEST_INDEX_MEMORY = 64 << 20
MEMORY_SHARE = 4  # of the machine, where it is the database's; of somebody else's server nothing is known
MEMORY_ELSEWHERE = 1 << 30


def ensure_vector_index(connection: Connection, generation: Generation, *, memory: int | None = None) -> bool:
    """Build the HNSW index when it is missing; True when it was built. Commits.

    It is built after the first load: building it before would cost six times as much per row. `memory`: bytes of
    the machine that the database is on; None: somebody else's.
    """
    index = f"generation_{generation.id}_embedding"
    with connection.transaction():
        if _has_index(connection, index):
            return False
        connection.execute(query("generations", "lock_index"), {"index": index})
        if _has_index(connection, index):
            return False
        rows = named_generation(connection, generation.name).row_count
        wanted = index_memory(rows, generation.dimension, memory)
        connection.execute(query("generations", "index_memory"), {"memory": f"{wanted >> 10}kB"})
        connection.execute(
            query("serving_table", "create_vector_index", table=generation.table, index=sql.Identifier(index))
        )
    connection.execute(query("generations", "analyze", table=generation.table))
    return True


def ensure_search_indexes(connection: Connection, generation: Generation) -> None:
    """Build what only searches need, besides the vector index, where it was left out for loading. Commits."""
    with connection.transaction():
        index = f"generation_{generation.id}_search"
        connection.execute(query("generations", "lock_index"), {"index": index})
        given = {"table": f"generation_{generation.id}"}
        row = connection.execute(query("generations", "has_search_indexes"), given).fetchone()
        if not (row and row[0]):
            connection.execute(query("serving_table", "create_search_indexes", table=generation.table))


def has_vector_index(connection: Connection, generation: Generation) -> bool:
    return _has_index(connection, f"generation_{generation.id}_embedding")


def _has_index(connection: Connection, index: str) -> bool:
    row = connection.execute(query("generations", "has_vector_index"), {"index": index}).fetchone()
    return bool(row and row[0])


def index_memory(rows: int, dimension: int, machine: int | None) -> int:
    """Bytes in which the graph of `rows` vectors is built: what it needs, as far as the machine can give it.

    A build that does not fit goes on in the table, several times slower.
    """
    most = MEMORY_ELSEWHERE if machine is None else machine // MEMORY_SHARE
    return max(min(rows * (2 * dimension + INDEX_BYTES_BESIDES_VECTOR), most), SMALLEST_INDEX_MEMORY)

"""Generations: the serving tables, and which one is live.

A *generation* is one serving table with its model, dimension and query instructions. Exactly one is
*active*: the view `knowledge_chunks` shows it. A generation is *building* until it becomes active: the first one
when it holds documents, so that they are searchable while more come in, a later one when it holds every document
that has chunks. The one before the active one is *retired* and stays for rollback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.errors import SettingsError
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query, serving_table

# Full-text statistics are refreshed when the number of rows changed by more than this share.
STATISTICS_DRIFT = 0.1
WIDEST_DEFAULT = 1024  # dimensions that are served where the settings do not say
# Of an HNSW index of 16 links: measured at a million rows of 1,024 dimensions, besides the vector itself.
INDEX_BYTES_BESIDES_VECTOR = 700
SMALLEST_INDEX_MEMORY = 64 << 20
MEMORY_SHARE = 4  # of the machine, where it is the database's; of somebody else's server nothing is known
MEMORY_ELSEWHERE = 1 << 30
# Of a page of 8 kB what rows may fill, and of a row what stays in it besides the vector. PostgreSQL moves values out of
# line from 2 kB on, and takes no larger target than a page.
PAGE_BYTES = 8_160
ROW_BYTES_BESIDES_VECTOR = 250
SMALLEST_ROW_TARGET = 2_032


@dataclass(frozen=True, slots=True)
class Generation:
    """`dimension` is that of the serving table; `native_dimension` that of the stored vectors."""

    id: int
    name: str
    model_fingerprint: str
    model: str
    native_dimension: int
    dimension: int
    query_instruction: str
    collection_instructions: dict[str, str]
    state: str
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None
    row_count: int

    @property
    def table(self) -> sql.Identifier:
        return serving_table(self.id)

    def instruction_for(self, collections: Sequence[str]) -> str:
        """The instruction of a query over `collections` (empty: all). One query has one vector, so a collection's own
        counts where all that are searched share it."""
        own = {self.collection_instructions.get(name, self.query_instruction) for name in collections}
        return own.pop() if len(own) == 1 else self.query_instruction


@dataclass(frozen=True, slots=True)
class GenerationKey:
    """What distinguishes one generation from another: everything that vectors depend on."""

    model_fingerprint: str
    model: str
    native_dimension: int
    dimension: int
    query_instruction: str
    collection_instructions: Mapping[str, str] = field(default_factory=dict)

    def matches(self, generation: Generation) -> bool:
        return (self.model_fingerprint, self.dimension, self.query_instruction, dict(self.collection_instructions)) == (
            generation.model_fingerprint,
            generation.dimension,
            generation.query_instruction,
            generation.collection_instructions,
        )


def generations(connection: Connection) -> list[Generation]:
    with connection.cursor(row_factory=class_row(Generation)) as cursor:
        return cursor.execute(query("generations", "generation_columns")).fetchall()


def active_generation(connection: Connection) -> Generation | None:
    return next((generation for generation in generations(connection) if generation.state == "active"), None)


def working_generation(connection: Connection) -> Generation | None:
    """The active generation, or before there is one the newest: what a refresh works for."""
    known = generations(connection)
    active = (generation for generation in known if generation.state == "active")
    return next(active, known[-1] if known else None)


def serves_nothing(connection: Connection, generation: Generation) -> bool:
    """Whether a generation holds no document although there are some for it."""
    row = connection.execute(query("generations", "serves_nothing"), {"generation": generation.id}).fetchone()
    return row is not None and bool(row[0])


def named_generation(connection: Connection, name: str) -> Generation:
    """Raises SettingsError, which lists the names there are."""
    known = generations(connection)
    for generation in known:
        if generation.name == name:
            return generation
    names = ", ".join(generation.name for generation in known) or "none yet"
    raise SettingsError(f"There is no generation {name}; there are: {names}.")


def ensure_generation(connection: Connection, key: GenerationKey) -> Generation:
    """The generation of `key`, made when it is missing. Commits."""
    with connection.transaction():
        connection.execute(query("generations", "lock"))
        known = generations(connection)
        for generation in reversed(known):
            if key.matches(generation):
                return generation
        parameters = {"fingerprint": key.model_fingerprint, "name": key.model, "native_dimension": key.native_dimension}
        connection.execute(query("stages", "register_model"), parameters)
        row = connection.execute(
            query("generations", "insert"),
            {
                "model": key.model_fingerprint,
                "dimension": key.dimension,
                "query_instruction": key.query_instruction,
                "collection_instructions": Jsonb(dict(key.collection_instructions)),
            },
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING always gives a row
        table = serving_table(row[0])
        connection.execute(
            query("serving_table", "create_serving_table", table=table, dimension=sql.Literal(key.dimension))
        )
        target = sql.Literal(row_target(key.dimension))
        connection.execute(query("serving_table", "keep_vectors_in_rows", table=table, row_bytes=target))
        index = sql.Identifier(f"generation_{row[0]:d}_chunk")
        connection.execute(query("serving_table", "create_serving_indexes", table=table, index=index))
    return next(generation for generation in generations(connection) if generation.id == row[0])


def activate(connection: Connection, generation: Generation) -> None:
    """Make `generation` the one that is searched, in one transaction. Commits."""
    with connection.transaction():
        connection.execute(query("generations", "lock"))
        _activate(connection, generation.id)


def activate_first(connection: Connection, generation: Generation) -> bool:
    """The same where no generation is active that holds a document; True when it was done. Commits."""
    with connection.transaction():
        connection.execute(query("generations", "lock"))
        active = active_generation(connection)
        if active is not None and (active.id == generation.id or not serves_nothing(connection, active)):
            return False
        _activate(connection, generation.id)
    return True


def drop(connection: Connection, generation: Generation) -> None:
    """Remove a retired generation with its table, in one transaction; whoever reads the table is waited for. Commits.

    Raises SettingsError for one that is searched or built.
    """
    with connection.transaction():
        connection.execute(query("generations", "lock"))
        parameters = {"generation": generation.id}
        if connection.execute(query("generations", "lock_retired"), parameters).fetchone() is None:
            raise SettingsError(
                f"Generation {generation.name} is {generation.state}; only a retired one can be dropped."
            )
        connection.execute(query("serving_table", "drop_serving_table", table=generation.table))
        connection.execute(query("generations", "delete"), parameters)


def _activate(connection: Connection, generation: int) -> None:
    connection.execute(query("generations", "retire_active"))
    connection.execute(query("generations", "activate"), {"generation": generation})
    connection.execute(query("serving_table", "create_view", table=serving_table(generation)))
    connection.execute(query("serving_table", "describe_view"))


@dataclass(frozen=True, slots=True)
class Swap:
    """`loaded`: ids of the documents whose rows are now those of their chunks; `inserted`: rows."""

    loaded: list[int]
    inserted: int


def swap_documents(connection: Connection, generation: Generation, documents: Sequence[int]) -> Swap:
    """Bring the rows of `documents` in the serving table up to date, in one transaction, and commit.

    A reader sees all of a document's old chunks or all of its new ones. Rows whose chunk is unchanged
    stay where they are, so the vector index grows only by what is new. Of a document whose chunks lack
    vectors only the path is brought up to date. A generation that was dropped meanwhile takes nothing.
    """
    parameters = {"generation": generation.id, "model": generation.model_fingerprint}
    table = generation.table
    with connection.transaction():
        ledger.lock_documents(connection, documents)
        held = connection.execute(query("generations", "hold"), parameters).fetchone()
        if held is None:
            return Swap([], 0)
        given = parameters | {"ids": list(documents)}
        connection.execute(query("generations", "move_rows", table=table), given)
        connection.execute(query("generations", "record_moved"), given)
        rows = connection.execute(query("generations", "loadable_documents"), given).fetchall()
        loaded = [row[0] for row in rows]
        swap = parameters | {"ids": loaded}
        deleted = connection.execute(query("generations", "delete_stale_rows", table=table), swap).rowcount
        connection.execute(query("generations", "update_kept_rows", table=table), swap)
        inserted = connection.execute(
            query("generations", "insert_rows", table=table, dimension=sql.Literal(generation.dimension)), swap
        ).rowcount
        connection.execute(query("generations", "forget_loaded"), swap)
        connection.execute(query("generations", "record_loaded"), swap)
        if held[0] == "active":
            connection.execute(query("generations", "note_loaded"), given)
        if inserted or deleted:
            connection.execute(
                query("generations", "count_rows"), parameters | {"inserted": inserted, "deleted": deleted}
            )
    return Swap(loaded, inserted)


def note_loaded(connection: Connection, generation: Generation, documents: Sequence[int]) -> None:
    """Note that the active generation holds `documents` as they are, where it does, in one transaction. Commits."""
    with connection.transaction():
        ledger.lock_documents(connection, documents)
        connection.execute(query("generations", "note_loaded"), {"generation": generation.id, "ids": list(documents)})


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


def _has_index(connection: Connection, index: str) -> bool:
    row = connection.execute(query("generations", "has_vector_index"), {"index": index}).fetchone()
    return bool(row and row[0])


def index_memory(rows: int, dimension: int, machine: int | None) -> int:
    """Bytes in which the graph of `rows` vectors is built: what it needs, as far as the machine can give it.

    A build that does not fit goes on in the table, several times slower.
    """
    most = MEMORY_ELSEWHERE if machine is None else machine // MEMORY_SHARE
    return max(min(rows * (2 * dimension + INDEX_BYTES_BESIDES_VECTOR), most), SMALLEST_INDEX_MEMORY)


def row_target(dimension: int) -> int:
    """Bytes that a row of a serving table has at most, so that rows with their vectors fill a page without a rest.

    At 1,024 dimensions three rows fill a page: what is left of it beside the vectors takes text instead of lying idle.
    """
    rows = max(PAGE_BYTES // (2 * dimension + ROW_BYTES_BESIDES_VECTOR), 1)
    return min(max(PAGE_BYTES // rows - 32, SMALLEST_ROW_TARGET), PAGE_BYTES)


def refresh_statistics(connection: Connection, generation: Generation) -> bool:
    """Count lexemes again when enough rows came and went; True when it did. Commits.

    BM25 needs how many rows hold each lexeme. A slightly stale count moves no ranking; counting at
    every query would.
    """
    parameters = {"generation": generation.id}
    literal = sql.Literal(generation.id)
    if _churn_to_count(connection, parameters) is None:
        return False
    with connection.transaction():
        connection.execute(query("generations", "lock_statistics", generation=literal))
        churn = _churn_to_count(connection, parameters)
        if churn is None:
            return False
        statement = query("generations", "lexemes_statement", table=generation.table).as_string(connection)
        connection.execute(query("generations", "delete_lexemes"), parameters)
        connection.execute(query("generations", "insert_lexemes", generation=literal, statement=sql.Literal(statement)))
        connection.execute(query("generations", "record_statistics", generation=literal, table=generation.table))
        connection.execute(query("generations", "delete_languages"), parameters)
        connection.execute(query("generations", "record_languages", generation=literal, table=generation.table))
        connection.execute(query("generations", "forget_churn"), parameters | {"churn": churn})
    connection.execute(query("generations", "analyze", table=generation.table))
    return True


def _churn_to_count(connection: Connection, parameters: Mapping[str, Any]) -> int | None:
    """How many rows came or went since the lexemes were counted, when that is too many."""
    row = connection.execute(query("generations", "statistics"), parameters).fetchone()
    if row is None:
        return None  # dropped meanwhile
    churn, counted = row
    return None if counted is not None and churn <= STATISTICS_DRIFT * counted else int(churn)


def summaries(connection: Connection) -> list[dict[str, Any]]:
    """Each generation with its number of rows, for people to read."""
    return [
        {
            "name": generation.name,
            "state": generation.state,
            "model": generation.model,
            "dimension": generation.dimension,
            "rows": generation.row_count,
        }
        for generation in generations(connection)
    ]

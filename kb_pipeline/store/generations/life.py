"""The life of a generation: made, activated, dropped. Each step is one transaction."""

from __future__ import annotations

from psycopg import sql
from psycopg.types.json import Jsonb

from kb_pipeline.errors import SettingsError
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations.generation import (
    Generation,
    GenerationKey,
    active_generation,
    generations,
    serves_nothing,
)
from kb_pipeline.store.queries import query, serving_table

# Of a page of 8 kB what rows may fill, and of a row what stays in it besides the vector. PostgreSQL moves values out of
# line from 2 kB on, and takes no larger target than a page.
PAGE_BYTES = 8_160
ROW_BYTES_BESIDES_VECTOR = 250
SMALLEST_ROW_TARGET = 2_032


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


def row_target(dimension: int) -> int:
    """Bytes that a row of a serving table has at most, so that rows with their vectors fill a page without a rest.

    At 1,024 dimensions three rows fill a page: what is left of it beside the vectors takes text instead of lying idle.
    """
    rows = max(PAGE_BYTES // (2 * dimension + ROW_BYTES_BESIDES_VECTOR), 1)
    return min(max(PAGE_BYTES // rows - 32, SMALLEST_ROW_TARGET), PAGE_BYTES)


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

"""The life of a generation: made, activated, dropped. Each step is one transaction."""

from __future__ import annotations

from psycopg import sql
from psycopg.types.json import Jsonb

from kb_pipeline.errors import SettingsError
from kb_pipeline.store import view
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations.generation import (
    Generation,
    GenerationKey,
    active_generation,
    generations,
    serves_nothing,
)
from kb_pipeline.store.queries import query, serving_table


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
    view.show(connection, generation)

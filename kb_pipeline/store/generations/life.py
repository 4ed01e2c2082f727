"""The life of a generation: made, activated, retired, dropped. Each step is one transaction.

What another generation serves already is *behind* in a new one: documents that the new one lacks or holds in an earlier
version. A generation is only activated when nothing is behind, so a search never finds less than a moment before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from kb_pipeline.embedding.models import QueryAdapter
from kb_pipeline.errors import KbError, SettingsError
from kb_pipeline.store import ledger, view
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

# Whoever waits for a lock on a table keeps others waiting behind it, so it waits a little, several times.
PATIENCE = 2_000  # milliseconds
ATTEMPTS = 30
IN_THE_WAY = (
    "A query on the view knowledge_chunks or a load goes on and on, and the switch waits for it; end it, and try again."
)


@contextmanager
def build_lock(connection: Connection) -> Iterator[None]:
    """While this lasts nobody else builds; it ends with the connection, too, which must be in autocommit mode.

    Raises KbError when somebody does.
    """
    row = connection.execute(query("generations", "try_lock_build")).fetchone()
    if not (row and row[0]):
        raise KbError(
            "Another run is building a generation; wait until it has ended, or end it (what it has done is kept)."
        )
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(query("generations", "unlock_build"))


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
                "collection": key.collection,
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
        connection.execute(query("serving_table", "create_document_index", table=table, index=index))
        is_first = not any(generation.state == "active" for generation in known)
        if is_first or (key.collection is not None and not is_shared(connection, key.collection)):
            # It is searched while it is loaded.
            connection.execute(query("serving_table", "create_search_indexes", table=table))
    return next(generation for generation in generations(connection) if generation.id == row[0])


def row_target(dimension: int) -> int:
    """Bytes that a row of a serving table has at most, so that rows with their vectors fill a page without a rest.

    At 1,024 dimensions three rows fill a page: what is left of it beside the vectors takes text instead of lying idle.
    """
    rows = max(PAGE_BYTES // (2 * dimension + ROW_BYTES_BESIDES_VECTOR), 1)
    return min(max(PAGE_BYTES // rows - 32, SMALLEST_ROW_TARGET), PAGE_BYTES)


def activate(connection: Connection, generation: Generation, *, lacking: bool = False) -> int:
    """Make `generation` the one that is searched, unless something is behind in it; how many documents. Commits.

    `lacking`: also where something is. In one transaction, in which nothing is loaded into the one that is searched
    until then. Raises KbError where somebody's query or load is in the way for a minute.
    """
    for _ in range(ATTEMPTS):
        try:
            missing = 0
            with connection.transaction():
                connection.execute(query("generations", "patience"), {"milliseconds": str(PATIENCE)})
                connection.execute(query("generations", "lock"))
                serving = _serving(connection, generation)
                if serving is not None and serving.id != generation.id:
                    connection.execute(query("generations", "lock_writers", table=serving.table))
                    missing = behind(connection, generation)
                    if missing and not lacking:
                        return missing
                _activate(connection, generation)
        except psycopg.errors.LockNotAvailable:
            continue
        return missing
    raise KbError(IN_THE_WAY)


def behind(connection: Connection, generation: Generation) -> int:
    """How many documents that are searched now it lacks, or holds in an earlier version."""
    serving = _serving(connection, generation)
    if serving is None or serving.id == generation.id:
        return 0
    parameters = {"generation": generation.id, "model": generation.model_fingerprint, "held": serving.id}
    row = connection.execute(query("generations", "behind", served=ledger.served()), parameters).fetchone()
    return int(row[0]) if row else 0


def _serving(connection: Connection, generation: Generation) -> Generation | None:
    """The generation that serves now what `generation` is for."""
    return active_generation(connection, generation.collection) or active_generation(connection)


def last_retired(connection: Connection, collection: str | None = None) -> Generation | None:
    """The one that was searched before the active one."""
    retired = [
        (generation.retired_at, generation.id, generation)
        for generation in generations(connection)
        if generation.state == "retired" and generation.collection == collection and generation.retired_at is not None
    ]
    return max(retired, default=(None, None, None))[2]


def hand_back(connection: Connection, generation: Generation) -> None:
    """From now on the shared generation loads the documents of this one's collection, too. Commits."""
    connection.execute(query("generations", "hand_back"), {"generation": generation.id})


def retire(connection: Connection, generation: Generation, *, lacking: bool = False) -> int:
    """Have the shared generation serve the collection again that an active one is only for, unless something is behind
    in it; how many documents. Commits.

    `lacking`: also where something is. Raises KbError where somebody's query or load is in the way for a minute,
    SettingsError where there is no shared one.
    """
    for _ in range(ATTEMPTS):
        try:
            with connection.transaction():
                connection.execute(query("generations", "patience"), {"milliseconds": str(PATIENCE)})
                connection.execute(query("generations", "lock"))
                shared = active_generation(connection)
                if shared is None:
                    raise SettingsError(f"No other generation serves {generation.collection}; run kb ingest first.")
                connection.execute(query("generations", "lock_writers", table=generation.table))
                given: dict[str, Any] = {
                    "generation": shared.id,
                    "model": shared.model_fingerprint,
                    "held": generation.id,
                }
                given["collection"] = generation.collection
                of_collection = sql.SQL("d.collection = %(collection)s")
                row = connection.execute(query("generations", "behind", served=of_collection), given).fetchone()
                missing = int(row[0]) if row else 0
                if missing and not lacking:
                    return missing
                connection.execute(query("generations", "retire"), {"collection": generation.collection})
                view.hide(connection, generation)
        except psycopg.errors.LockNotAvailable:
            continue
        return missing
    raise KbError(IN_THE_WAY)


def set_adapter(connection: Connection, generation: Generation, adapter: QueryAdapter | None) -> None:
    """Queries go through the adapter from now on; None: through the model as it is. Commits."""
    parameters = {
        "generation": generation.id,
        "name": adapter and adapter.name,
        "folder": adapter and adapter.folder,
    }
    connection.execute(query("generations", "set_adapter"), parameters)


def activate_first(connection: Connection, generation: Generation) -> bool:
    """Make it the one that is searched where no generation is active that holds a document for it; True when it was
    done. Commits.
    """
    with connection.transaction():
        connection.execute(query("generations", "lock"))
        active = active_generation(connection, generation.collection)
        if active is None and generation.collection is not None and is_shared(connection, generation.collection):
            return False
        if active is not None and (active.id == generation.id or not serves_nothing(connection, active)):
            return False
        _activate(connection, generation)
    return True


def drop(connection: Connection, generation: Generation) -> None:
    """Remove a generation that is not searched, with its table, in one transaction. Commits.

    Whoever reads the table is waited for. Raises SettingsError for one that is searched.
    """
    with connection.transaction():
        connection.execute(query("generations", "lock"))
        parameters = {"generation": generation.id}
        if connection.execute(query("generations", "lock_unsearched"), parameters).fetchone() is None:
            raise SettingsError(
                f"Generation {generation.name} is {generation.state}; activate another one, then drop this one."
            )
        connection.execute(query("serving_table", "drop_serving_table", table=generation.table))
        connection.execute(query("generations", "delete"), parameters)


def _activate(connection: Connection, generation: Generation) -> None:
    connection.execute(query("generations", "retire"), {"collection": generation.collection})
    connection.execute(query("generations", "activate"), {"generation": generation.id})
    view.show(connection, generation)


def is_shared(connection: Connection, collection: str) -> bool:
    """Whether the generation that collections share holds a document of this one."""
    shared = active_generation(connection)
    given = {"generation": shared.id if shared else None, "collection": collection}
    row = connection.execute(query("generations", "holds_collection"), given).fetchone()
    return bool(row and row[0])

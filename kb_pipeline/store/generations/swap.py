"""Documents go in and out of a serving table, whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations.generation import Generation
from kb_pipeline.store.queries import query

COPY_MEMORY = "64MB"  # for putting the rows of one batch in order


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
        lacking = query("generations", "lacking", table=table)
        inserted = connection.execute(_insert_rows(generation, lacking), swap).rowcount
        connection.execute(query("generations", "forget_loaded"), swap)
        connection.execute(query("generations", "record_loaded"), swap)
        if held[0] == "active":
            connection.execute(query("generations", "note_loaded"), given)
        if inserted or deleted:
            connection.execute(
                query("generations", "count_rows"), parameters | {"inserted": inserted, "deleted": deleted}
            )
    return Swap(loaded, inserted)


def load_documents(connection: Connection, generation: Generation, documents: Sequence[int]) -> Swap:
    """The same for a generation that is built beside the one that is searched; many documents at a time. Commits.

    What it does not hold in any version is copied without asking row by row what is there.
    """
    parameters = {"generation": generation.id, "model": generation.model_fingerprint, "ids": list(documents)}
    with connection.transaction():
        ledger.lock_documents(connection, documents)
        if connection.execute(query("generations", "hold"), parameters).fetchone() is None:
            return Swap([], 0)
        connection.execute(query("generations", "memory"), {"memory": COPY_MEMORY})
        fresh = {row[0] for row in connection.execute(query("generations", "fresh_documents"), parameters)}
        rows = connection.execute(query("generations", "loadable_documents"), parameters | {"ids": list(fresh)})
        loaded = [row[0] for row in rows]
        new = parameters | {"ids": loaded}
        inserted = connection.execute(_insert_rows(generation, sql.SQL("true")), new).rowcount
        connection.execute(query("generations", "record_loaded"), new)
        connection.execute(query("generations", "count_rows"), parameters | {"inserted": inserted, "deleted": 0})
    held = [document for document in documents if document not in fresh]
    swap = swap_documents(connection, generation, held) if held else Swap([], 0)
    return Swap(loaded + swap.loaded, inserted + swap.inserted)


def _insert_rows(generation: Generation, wanted: sql.Composable) -> sql.Composed:
    parts = {"table": generation.table, "dimension": sql.Literal(generation.dimension), "wanted": wanted}
    return query("generations", "insert_rows", **parts)


def swap_beside(connection: Connection, generation: Generation, documents: Sequence[int]) -> bool:
    """Swap into a generation that is being built what was swapped into the one that is searched. Commits.

    False while an index is built on it, which would keep a load of the searched one waiting: whoever builds it looks
    again when the index is there.
    """
    try:
        with connection.transaction():
            connection.execute(query("generations", "may_write", table=generation.table))
            swap_documents(connection, generation, documents)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):  # the second: it was dropped
        return False
    return True


def note_loaded(connection: Connection, generation: Generation, documents: Sequence[int]) -> None:
    """Note that the active generation holds `documents` as they are, where it does, in one transaction. Commits."""
    with connection.transaction():
        ledger.lock_documents(connection, documents)
        connection.execute(query("generations", "note_loaded"), {"generation": generation.id, "ids": list(documents)})

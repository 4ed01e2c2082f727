"""Documents go in and out of a serving table, whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations.generation import Generation
from kb_pipeline.store.queries import query, serving_table

DOCUMENTS_PER_RELEASE = 500
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
    vectors only the path is brought up to date. One that moved here from the collection of another generation leaves
    that one's table in the same moment. A generation that was dropped meanwhile takes nothing.
    """
    parameters = {"generation": generation.id, "model": generation.model_fingerprint}
    parts = {"table": generation.table, "served": ledger.served()}
    with connection.transaction():
        ledger.lock_documents(connection, documents)
        held = connection.execute(query("generations", "hold"), parameters).fetchone()
        if held is None:
            return Swap([], 0)
        given = parameters | {"ids": list(documents)}
        others = (
            connection.execute(query("generations", "other_holders"), given).fetchall() if held[0] == "active" else []
        )
        left = [other for (other,) in others]
        for holder in (generation.id, *left):
            of_holder = given | {"generation": holder}
            connection.execute(query("generations", "move_rows", table=serving_table(holder)), of_holder)
            connection.execute(query("generations", "record_moved"), of_holder)
        rows = connection.execute(query("generations", "loadable_documents", **parts), given).fetchall()
        loaded = [row[0] for row in rows]
        swap = parameters | {"ids": loaded}
        deleted = connection.execute(query("generations", "delete_stale_rows", **parts), swap).rowcount
        connection.execute(query("generations", "update_kept_rows", **parts), swap)
        lacking = query("generations", "lacking", table=generation.table)
        inserted = connection.execute(_insert_rows(generation, lacking), swap).rowcount
        connection.execute(query("generations", "forget_loaded", **parts), swap)
        arrived = [row[0] for row in connection.execute(query("generations", "record_loaded", **parts), swap)]
        changes = {other: (0, _let_go(connection, other, arrived)) for other in left}
        if held[0] == "active":
            connection.execute(query("generations", "note_loaded"), given)
        changes[generation.id] = (inserted, deleted)
        for one in sorted(changes):
            _count_rows(connection, one, *changes[one])
    return Swap(loaded, inserted)


def release(connection: Connection, generation: Generation) -> int:
    """Take out of a serving table the documents that another generation serves; how many. Commits, batch by batch."""
    statement = query("generations", "held_unserved", served=ledger.served())
    unserved = [row[0] for row in connection.execute(statement, {"generation": generation.id})]
    for start in range(0, len(unserved), DOCUMENTS_PER_RELEASE):
        documents = unserved[start : start + DOCUMENTS_PER_RELEASE]
        with connection.transaction():
            ledger.lock_documents(connection, documents)
            if connection.execute(query("generations", "hold"), {"generation": generation.id}).fetchone() is None:
                return start
            still = connection.execute(statement, {"generation": generation.id})
            going = set(documents) & {row[0] for row in still}
            _count_rows(connection, generation.id, 0, _let_go(connection, generation.id, sorted(going)))
    return len(unserved)


def holds_unserved(connection: Connection, generation: Generation, own: Sequence[str]) -> bool:
    """Whether a serving table has rows that another generation serves; `own`: the collections that have one of theirs.

    While documents are taken over by another generation, or moved to its collection and wait for vectors of its model.
    """
    if generation.collection is None:
        statement = query("generations", "holds_of", table=generation.table)
    else:
        statement = query("generations", "holds_besides", table=generation.table)
    given = {"collections": list(own), "collection": generation.collection}
    row = connection.execute(statement, given).fetchone()
    return bool(row and row[0])


def _let_go(connection: Connection, generation: int, documents: Sequence[int]) -> int:
    """How many rows that deleted."""
    given = {"generation": generation, "ids": list(documents)}
    deleted = connection.execute(query("generations", "release_rows", table=serving_table(generation)), given).rowcount
    connection.execute(query("generations", "forget_held"), given)
    return deleted


def _count_rows(connection: Connection, generation: int, inserted: int, deleted: int) -> None:
    if inserted or deleted:
        given = {"generation": generation, "inserted": inserted, "deleted": deleted}
        connection.execute(query("generations", "count_rows"), given)


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
        served = ledger.served()
        fresh = {
            row[0] for row in connection.execute(query("generations", "fresh_documents", served=served), parameters)
        }
        loadable = query("generations", "loadable_documents", served=served)
        rows = connection.execute(loadable, parameters | {"ids": list(fresh)})
        loaded = [row[0] for row in rows]
        new = parameters | {"ids": loaded}
        inserted = connection.execute(_insert_rows(generation, sql.SQL("true")), new).rowcount
        connection.execute(query("generations", "record_loaded", served=served), new)
        _count_rows(connection, generation.id, inserted, 0)
    held = [document for document in documents if document not in fresh]
    swap = swap_documents(connection, generation, held) if held else Swap([], 0)
    return Swap(loaded + swap.loaded, inserted + swap.inserted)


def _insert_rows(generation: Generation, wanted: sql.Composable) -> sql.Composed:
    parts: dict[str, sql.Composable] = {
        "table": generation.table,
        "dimension": sql.Literal(generation.dimension),
        "wanted": wanted,
    }
    parts["served"] = ledger.served()
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

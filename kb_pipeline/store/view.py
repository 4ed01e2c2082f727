"""The views for whoever reads with SQL, each of one serving table with the declared fields.

`knowledge_chunks` shows the generation that all collections share; `knowledge_chunks_contracts` that of the collection
contracts, where it has one of its own. They show whoever was granted them everything. Beside each stands one for roles
that read what their groups may, where there are such roles: see `store.roles`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from psycopg import sql

from kb_pipeline.store import fields, roles
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

SHARED = "knowledge_chunks"
LONGEST_NAME = 63  # bytes, as PostgreSQL has it
DIGEST = 8


def name_of(collection: str | None) -> str:
    """The view of a collection's own generation; None: of the one that is shared. A name that is too long ends in hex
    digits of its hash."""
    if collection is None:
        return SHARED
    name = f"{SHARED}_{collection}"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(collection.encode()).hexdigest()[:DIGEST]
    return name.encode()[: LONGEST_NAME - DIGEST - 1].decode(errors="ignore") + "_" + digest


def show(connection: Connection, generation: Generation) -> None:
    """Have the view of its collection show a generation."""
    names = list(fields.declared(connection))
    view = sql.Identifier(name_of(generation.collection))
    parts: dict[str, sql.Composable] = {
        "table": generation.table,
        "fields": sql.SQL(""),
        "joined": sql.SQL(""),
    }
    if names:
        parts["fields"] = sql.SQL("").join(sql.SQL(", {}").format(sql.Identifier(name)) for name in names)
        parts["joined"] = query("serving_table", "join_fields")
    whole = {"view": view, "invoker": sql.Literal(False)}
    connection.execute(query("serving_table", "create_view", **parts, **whole))
    of = "" if generation.collection is None else f" for the collection {generation.collection}"
    said = sql.Literal(f"The passages that are searched{of}: those of the active generation.")
    connection.execute(query("serving_table", "describe_view", view=view, said=said))
    if roles.is_prepared(connection):
        of_readers = sql.Identifier(roles.SCHEMA, name_of(generation.collection))
        connection.execute(query("serving_table", "create_view", **parts, view=of_readers, invoker=sql.Literal(True)))
        roles.show(connection, of_readers, generation.table)


def hide(connection: Connection, generation: Generation) -> None:
    """Take away the view of a collection that has no generation of its own any more."""
    name = name_of(generation.collection)
    parts = {"view": sql.Identifier(name), "of_readers": sql.Identifier(roles.SCHEMA, name)}
    connection.execute(query("fields", "drop_view", **parts))

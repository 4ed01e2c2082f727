"""The view `knowledge_chunks`: the active generation with the declared fields, for whoever reads with SQL.

It shows whoever was granted it everything. Beside it stands one for roles that read what their groups may, where there
are such roles: see `store.roles`.
"""

from __future__ import annotations

from psycopg import sql

from kb_pipeline.store import fields, roles
from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query, serving_table

NAME = "knowledge_chunks"


def show(connection: Connection, generation: int) -> None:
    """Have the view show a generation."""
    names = list(fields.declared(connection))
    parts: dict[str, sql.Composable] = {
        "table": serving_table(generation),
        "fields": sql.SQL(""),
        "joined": sql.SQL(""),
    }
    if names:
        parts["fields"] = sql.SQL("").join(sql.SQL(", {}").format(sql.Identifier(name)) for name in names)
        parts["joined"] = query("serving_table", "join_fields")
    whole = {"view": sql.Identifier(NAME), "invoker": sql.Literal(False)}
    connection.execute(query("serving_table", "create_view", **parts, **whole))
    connection.execute(query("serving_table", "describe_view"))
    if roles.is_prepared(connection):
        readers = {"view": sql.Identifier(roles.SCHEMA, NAME), "invoker": sql.Literal(True)}
        connection.execute(query("serving_table", "create_view", **parts, **readers))
        roles.show(connection, generation)

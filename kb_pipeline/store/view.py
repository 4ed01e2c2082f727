"""The view `knowledge_chunks`: the active generation with the declared fields, for whoever reads with SQL."""

from __future__ import annotations

from psycopg import sql

from kb_pipeline.store import fields
from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query, serving_table


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
    connection.execute(query("serving_table", "create_view", **parts))
    connection.execute(query("serving_table", "describe_view"))

"""Declaring fields: columns of `document_fields` and of the view come and go with the settings."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.declaration import FieldType
from kb_pipeline.store import descriptions, view
from kb_pipeline.store.database import Connection
from kb_pipeline.store.fields import COLUMN_TYPES, declared
from kb_pipeline.store.generations import Generation, active_generations
from kb_pipeline.store.queries import query


def declare(connection: Connection, wanted: Mapping[str, FieldType]) -> bool:
    """Have exactly the fields `wanted`, in one transaction; True when there were others. Commits.

    A new one is empty until documents are described anew. Raises SettingsError when a view of somebody's own keeps a
    field from going.
    """
    if declared(connection) == dict(wanted):
        return False
    with connection.transaction():
        connection.execute(query("generations", "lock"))
        known = declared(connection)
        lost = [name for name, kind in known.items() if wanted.get(name) != kind]
        added = {name: kind for name, kind in wanted.items() if known.get(name) != kind}
        active = active_generations(connection)
        grants = [grant for generation in active for grant in _hide_view(connection, generation, lost)] if lost else []
        # In this order, as whoever describes documents holds the rows before it writes the columns.
        connection.execute(query("fields", "forget"), {"names": lost})
        for name in lost:
            connection.execute(query("fields", "drop_column", column=sql.Identifier(name)))
        for name, kind in added.items():
            connection.execute(query("fields", "add_column", **_column(name, kind)))
        connection.execute(query("fields", "declare"), {"names": list(added), "types": list(added.values())})
        for generation in active:
            view.show(connection, generation)
        for grant in grants:
            connection.execute(grant.encode())
        descriptions.read_again(connection)
    return True


def _column(name: str, kind: FieldType) -> dict[str, sql.Composable]:
    method = sql.SQL("gin" if kind == "list of text" else "btree")
    return {"column": sql.Identifier(name), "type": COLUMN_TYPES[kind], "method": method}


def _hide_view(connection: Connection, generation: Generation, lost: list[str]) -> list[str]:
    """Drop a view, which no column can leave, and return the statements that give its readers their rights again."""
    named = {"lost": lost, "view": view.name_of(generation.collection)}
    grants = [row[0] for row in connection.execute(query("fields", "view_grants"), named)]
    try:
        view.hide(connection, generation)
    except psycopg.errors.DependentObjectsStillExist:
        raise SettingsError(
            f"The field {', '.join(lost)} cannot go or change its type: a view of your own is built on "
            f"{named['view']}; drop that view, run kb ingest, and make it again."
        ) from None
    return grants

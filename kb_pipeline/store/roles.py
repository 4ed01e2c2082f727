"""Roles of PostgreSQL that read with SQL, each what its groups may.

They see one view, `knowledge_chunks` in a schema of its own, which asks with the rights of whoever asks; in its tables
row-level security shows a role the passages and fields of the documents that it may read. While there is no such role,
nothing of this is there: no table has policies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import class_row

from kb_pipeline.store.queries import query, serving_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kb_pipeline.store.database import Connection

SCHEMA = "kb_readers"
LONGEST_NAME = 63  # bytes of a name in PostgreSQL
_ACCESS, _FIELDS = sql.Identifier("document_access"), sql.Identifier("document_fields")


@dataclass(frozen=True, slots=True)
class SqlRole:
    """`collections`: None for all. `is_ours`: kb made the role itself, too."""

    name: str
    groups: list[str]
    collections: list[str] | None
    is_ours: bool
    created_at: datetime


def all_roles(connection: Connection) -> list[SqlRole]:
    with connection.cursor(row_factory=class_row(SqlRole)) as cursor:
        return cursor.execute(query("roles", "all")).fetchall()


def hold(connection: Connection, name: str) -> SqlRole | None:
    """Until the end of the transaction nobody else changes it."""
    with connection.cursor(row_factory=class_row(SqlRole)) as cursor:
        return cursor.execute(query("roles", "known"), {"name": name}).fetchone()


def role_exists(connection: Connection, name: str) -> bool:
    return _is(connection, "role_exists", name)


def bypasses(connection: Connection, name: str) -> bool:
    """Whether policies do not hold for a role that there is."""
    return _is(connection, "bypasses", name)


def open_relations(connection: Connection, name: str) -> list[str]:
    """Tables and views of ours that a role may read whole."""
    return [row[0] for row in connection.execute(query("roles", "open_relations"), {"name": name})]


def create_role(connection: Connection, name: str, password: str) -> None:
    """A role that may sign in and, in this database, finds the view of the readers first."""
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    role = sql.Identifier(name)
    connection.execute(query("roles", "create_role", role=role, password=sql.Literal(verifier)))
    database, tables = map(sql.Identifier, _place(connection))
    parts = {"database": database, "schema": sql.Identifier(SCHEMA), "tables": tables}
    connection.execute(query("roles", "set_path", role=role, **parts))


def admit(connection: Connection, name: str, groups: Sequence[str], collections: Sequence[str] | None) -> None:
    """Let a role read what these groups may, in these collections, and nothing else from now on."""
    role, policy = sql.Identifier(name), sql.Identifier(_policy(name))
    granted: sql.Composable = sql.SQL("true")
    if collections is not None:
        granted = sql.SQL("collection = ANY({}::text[])").format(sql.Literal(list(collections)))
    connection.execute(query("roles", "drop_policy", policy=policy))
    parts = {"policy": policy, "role": role, "groups": sql.Literal(list(groups)), "granted": granted}
    connection.execute(query("roles", "role_policy", **parts))
    connection.execute(query("roles", "join", readers=_readers(connection), role=role))


def expel(connection: Connection, role: SqlRole) -> None:
    """Take from a role what `admit` gave it, and the role itself away if it is ours."""
    name = sql.Identifier(role.name)
    connection.execute(query("roles", "drop_policy", policy=sql.Identifier(_policy(role.name))))
    connection.execute(query("roles", "leave", readers=_readers(connection), role=name))
    if role.is_ours:
        connection.execute(query("roles", "drop_role", role=name))


def record(connection: Connection, role: SqlRole) -> None:
    values = {"name": role.name, "groups": role.groups, "collections": role.collections, "is_ours": role.is_ours}
    connection.execute(query("roles", "record"), values)


def forget(connection: Connection, name: str) -> None:
    connection.execute(query("roles", "forget"), {"name": name})


def prepare(connection: Connection) -> None:
    """Have what all roles that read with SQL share."""
    name, readers = _readers_name(connection), _readers(connection)
    if not role_exists(connection, name):
        connection.execute(query("roles", "create_readers", readers=readers))
    parts = {"schema": sql.Identifier(SCHEMA), "tables": sql.Identifier(_place(connection)[1]), "readers": readers}
    connection.execute(query("roles", "create_schema", **parts))
    if _protect(connection, _ACCESS):
        connection.execute(query("roles", "grant_ids", readers=readers))
    _let_read(connection, _FIELDS)


def is_prepared(connection: Connection) -> bool:
    row = connection.execute(query("roles", "schema_exists", schema=sql.Literal(SCHEMA))).fetchone()
    return bool(row and row[0])


def show(connection: Connection, view: sql.Identifier, table: sql.Identifier) -> None:
    """Let readers read a view and the serving table that it shows, and no longer those that are not searched."""
    _let_read(connection, table)
    readers = _readers(connection)
    for (other,) in connection.execute(query("roles", "other_generations")).fetchall():
        connection.execute(query("roles", "withdraw", table=serving_table(other), readers=readers))
    connection.execute(query("roles", "grant", table=view, readers=readers))


def _let_read(connection: Connection, table: sql.Identifier) -> None:
    readers = _readers(connection)
    if _protect(connection, table):
        connection.execute(query("roles", "let_read_by_document", table=table, readers=readers))
    connection.execute(query("roles", "grant", table=table, readers=readers))


def _protect(connection: Connection, table: sql.Identifier) -> bool:
    """Turn row-level security on, and let all roles but readers see what they saw; False where that was done."""
    name = sql.Literal(table.as_string())
    row = connection.execute(query("roles", "is_protected", table=name)).fetchone()
    if row and row[0]:
        return False
    readers = sql.Literal(_readers_name(connection))
    connection.execute(query("roles", "protect", table=table, readers_name=readers))
    return True


def _readers(connection: Connection) -> sql.Identifier:
    """The role of which all are members. Roles belong to a whole server, so each database has one of its own."""
    return sql.Identifier(_readers_name(connection))


def _readers_name(connection: Connection) -> str:
    database, _ = _place(connection)
    return f"{SCHEMA}_{database}"[:LONGEST_NAME]


def _place(connection: Connection) -> tuple[str, str]:
    """The database, and the schema of our tables."""
    row = connection.execute(query("roles", "place")).fetchone()
    assert row is not None  # noqa: S101 - a row without a table
    return row[0], row[1]


def _policy(name: str) -> str:
    return f"kb:{name}"


def _is(connection: Connection, name: str, role: str) -> bool:
    row = connection.execute(query("roles", name), {"name": role}).fetchone()
    return bool(row and row[0])

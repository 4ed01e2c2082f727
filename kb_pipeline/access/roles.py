"""Roles of PostgreSQL for people who search with SQL: made, listed and ended."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.groups import EVERYONE
from kb_pipeline.store import roles as store
from kb_pipeline.store import view
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import active_generations
from kb_pipeline.store.roles import SqlRole

PASSWORD_BYTES = 24
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,59}")


@dataclass(frozen=True, slots=True)
class Admitted:
    """`password`: of a role that was made now; it is stored nowhere."""

    role: SqlRole
    password: str | None


def admit(connection: Connection, name: str, *, groups: Sequence[str], collections: Sequence[str]) -> Admitted:
    """Let a role, which is made where there is none, read with SQL what these groups may. Commits.

    `collections`: empty for all. What the role was given before is replaced. Raises SettingsError.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError("A role cannot have this name; use up to 60 small letters, digits and _ for one.")
    if any(not text.strip() or "\0" in text for text in (*groups, *collections)):
        raise SettingsError("A group or collection has no name; write one, or leave the option out.")
    wanted = [EVERYONE, *dict.fromkeys(unicodedata.normalize("NFC", group) for group in groups)]
    try:
        with connection.transaction():
            return _admit(connection, name, wanted, list(dict.fromkeys(collections)) or None)
    except psycopg.errors.InsufficientPrivilege:
        raise SettingsError(
            "The database user of kb may not make roles, schemas or policies; give it CREATEROLE and CREATE on the "
            "database, and the tables must be its own."
        ) from None


def _admit(connection: Connection, name: str, groups: list[str], collections: list[str] | None) -> Admitted:
    store.prepare(connection)
    known = store.hold(connection, name)
    password = None
    if store.role_exists(connection, name):
        _refuse_unsafe(connection, name)
    else:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        store.create_role(connection, name, password)
    is_ours = known.is_ours if known else password is not None
    role = SqlRole(name, groups[1:], collections, is_ours, known.created_at if known else datetime.now(UTC))
    store.record(connection, role)
    store.admit(connection, name, groups, collections)
    _refuse_unsafe(connection, name)
    for generation in active_generations(connection):
        view.show(connection, generation)
    return Admitted(role, password)


def end(connection: Connection, name: str) -> None:
    """Take its access from a role, and the role itself away if kb made it. Commits. Raises SettingsError."""
    with connection.transaction():
        role = store.hold(connection, name)
        if role is None:
            raise SettingsError("No such role reads with SQL; kb access list shows those that do.")
        try:
            store.expel(connection, role)
        except psycopg.errors.DependentObjectsStillExist:
            raise SettingsError(
                f"The role {name} has tables or rights of its own; run DROP OWNED BY {name} as an administrator, and "
                "try again."
            ) from None
        store.forget(connection, name)


def _refuse_unsafe(connection: Connection, name: str) -> None:
    """Raises SettingsError for a role that would see more."""
    if store.bypasses(connection, name):
        raise SettingsError(f"No policy holds for {name}, which is an administrator or an owner; choose another role.")
    open_relations = store.open_relations(connection, name)
    if open_relations:
        raise SettingsError(
            f"{name}, a role that it is a member of, or PUBLIC may read {', '.join(open_relations[:5])} whole; revoke "
            "that first."
        )

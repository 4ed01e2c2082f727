"""The API keys that were given out; of the keys themselves only hashes are here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import class_row

from kb_pipeline.errors import SettingsError
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kb_pipeline.store.database import Connection


@dataclass(frozen=True, slots=True)
class StoredKey:
    """`id`: the public part of the key. `collections`: None for all. `expires_at`: None for never."""

    id: str
    digest: bytes
    name: str
    groups: list[str]
    collections: list[str] | None
    rights: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def insert(
    connection: Connection,
    *,
    key_id: str,
    digest: bytes,
    name: str,
    groups: Sequence[str],
    collections: Sequence[str] | None,
    rights: Sequence[str],
    seconds: float | None,
) -> StoredKey:
    """A new key that is good for so many `seconds` (None: for ever).

    Raises SettingsError when another one has its name.
    """
    parameters = {
        "id": key_id,
        "digest": digest,
        "name": name,
        "groups": list(groups),
        "collections": None if collections is None else list(collections),
        "rights": list(rights),
        "seconds": seconds,
    }
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(StoredKey)) as cursor:
            stored = cursor.execute(query("keys", "insert"), parameters).fetchone()
    except psycopg.errors.UniqueViolation:
        raise SettingsError(f"There is a key {name} already; revoke it first or choose another name.") from None
    assert stored is not None  # noqa: S101 - what was inserted is returned
    return stored


def all_keys(connection: Connection) -> list[StoredKey]:
    """In the order in which they were made, also expired and revoked ones; none in a database without tables."""
    try:
        with connection.cursor(row_factory=class_row(StoredKey)) as cursor:
            return cursor.execute(query("keys", "all")).fetchall()
    except psycopg.errors.UndefinedTable:
        return []


def any_key(connection: Connection) -> bool:
    """Whether a key was ever made."""
    row = connection.execute(query("keys", "exist")).fetchone()
    return bool(row and row[0])


def revoke(connection: Connection, key: str) -> list[str]:
    """Revoke what has this id or name; the ids."""
    return [row[0] for row in connection.execute(query("keys", "revoke"), {"key": key})]


def record_use(connection: Connection, key_id: str, *, seconds: float) -> None:
    """Note that the key was used, unless that was noted in the last `seconds`; on a replica nothing is noted."""
    try:
        connection.execute(query("keys", "used"), {"id": key_id, "seconds": seconds})
    except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege):
        return

"""Connecting to PostgreSQL, and bringing its schema up to date.

Connections are made for PgBouncer's sake without server-side prepared statements; a setting is only
ever changed with SET LOCAL. Migrations are the numbered files in `sql/migrations`, applied once
each, in order, under an advisory lock, so that two processes that start at once are fine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from kb_pipeline.errors import DatabaseUnavailable, SettingsError
from kb_pipeline.store.queries import query
from kb_pipeline.store.tsvector import register_tsvector

Connection = psycopg.Connection[TupleRow]

# Any constant; it only has to differ from what other applications lock in the same database.
MIGRATION_LOCK = 0x6B625F6D
OLDEST_PGVECTOR = (0, 8, 0)
RECOMMENDED_PGVECTOR = (0, 8, 4)


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """Open a connection; `register_types` teaches it vectors.

    Raises DatabaseUnavailable, whose message names the server but never the password, and SettingsError
    when `url` is none.
    """
    where = display_url(url)
    try:
        connection = psycopg.connect(
            url, autocommit=autocommit, prepare_threshold=None, connect_timeout=10, application_name="kb_pipeline"
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            f"PostgreSQL at {where} cannot be reached ({_reason(error)}); start it or correct KB_DATABASE_URL."
        ) from None
    register_tsvector(connection)
    return connection


def _reason(error: psycopg.OperationalError) -> str:
    """What libpq says in a few words: of its last attempt, without the addresses it names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    return lines[-1].rpartition("failed: ")[2].removeprefix("FATAL:  ").rstrip(".") if lines else "no reason given"


def register_types(connection: psycopg.Connection[Any]) -> None:
    """Teach `connection` the vector types, once; a database without the extension is left as it is.

    Whatever sends or reads vectors calls this: it needs numpy and a round trip, and most connections have no
    use for either.
    """
    from psycopg.types import TypeInfo

    register_tsvector(connection)
    if connection.adapters.types.get("halfvec") is not None:
        return
    autocommit = connection.autocommit
    is_idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    if is_idle and not autocommit:
        connection.autocommit = True
    try:
        if TypeInfo.fetch(connection, "halfvec") is None:
            return
        from pgvector.psycopg import register_vector

        register_vector(connection)
    finally:
        if is_idle and not autocommit:
            connection.autocommit = False


def display_url(url: str) -> str:
    """The server of a URL without user and password, as it may stand in a message.

    Raises SettingsError when it is no PostgreSQL URL: then nobody can say which part of it is the password.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        parts = {"host": "@"}
    host, port = str(parts.get("host") or "the local socket"), str(parts.get("port") or "")
    if "@" in host or (not port.replace(",", "").isdigit() and port):
        raise SettingsError(
            "KB_DATABASE_URL is not a PostgreSQL URL; it looks like postgresql://user:password@host:5432/db, with "
            "@ : / ? # in a password written as %40 %3A %2F %3F %23."
        )
    if host.startswith("/"):
        return "the local socket"
    return f"{host}:{port}" if port else host


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn a lost connection or a full disk into one sentence; other database errors pass.

    Raises DatabaseUnavailable.
    """
    try:
        yield
    except (psycopg.errors.DiskFull, psycopg.errors.ConfigurationLimitExceeded):
        raise DatabaseUnavailable(
            "PostgreSQL has no disk space left; free some and run again: nothing that was committed is lost."
        ) from None
    except (psycopg.errors.AdminShutdown, psycopg.errors.CrashShutdown, psycopg.errors.CannotConnectNow):
        raise DatabaseUnavailable(
            "PostgreSQL is shutting down or recovering; run again in a moment: nothing that was committed is lost."
        ) from None
    except psycopg.OperationalError as error:
        if error.sqlstate is not None:
            raise
        raise DatabaseUnavailable(
            "The connection to PostgreSQL was lost; run again: nothing that was committed is lost."
        ) from None


def migrate(url: str) -> list[str]:
    """Apply the migrations that are missing and return their names.

    Raises DatabaseUnavailable when pgvector is missing or older than 0.8.0, SettingsError when the
    database was migrated by a newer release.
    """
    with connect(url, autocommit=True) as connection:
        if _is_current(connection):
            return []
        with connection.transaction():
            connection.execute(query("schema", "lock"), [MIGRATION_LOCK])
            _require_pgvector(connection)
            try:
                connection.execute(query("schema", "create_migrations_table"))
            except psycopg.errors.InsufficientPrivilege:
                raise DatabaseUnavailable(
                    "This database user may not create tables; have an administrator run GRANT CREATE ON SCHEMA "
                    "public, or name a database that the user owns."
                ) from None
            done = {row[0] for row in connection.execute(query("schema", "applied_migrations"))}
            available = _migrations()
            unknown = done - set(available)
            if unknown:
                raise SettingsError(
                    f"The database was set up by a newer release (migration {max(unknown)}); install that release."
                )
            missing = sorted(set(available) - done)
            for name in missing:
                connection.execute(sql.SQL(available[name]))
                connection.execute(query("schema", "record_migration"), [name])
        return missing


def recorded_key(connection: Connection) -> str | None:
    """The id of the key that this database's pseudonyms were made with; None before there are any."""
    row = connection.execute(query("schema", "recorded_key")).fetchone()
    return None if row is None else str(row[0])


def record_key(connection: Connection, key_id: str) -> None:
    """Remember the key of a database that has none yet."""
    connection.execute(query("schema", "record_key"), {"key_id": key_id})


def replace_key(connection: Connection, key_id: str) -> None:
    """From now on this database's key is another; what is stored under the old one waits to be masked anew."""
    connection.execute(query("schema", "replace_key"), {"key_id": key_id})


def pgvector_version(connection: Connection) -> tuple[int, ...] | None:
    """The installed version of the extension, or None."""
    row = connection.execute(query("schema", "installed_pgvector")).fetchone()
    return None if row is None else _version(row[0])


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _require_pgvector(connection: Connection) -> None:
    try:
        connection.execute(query("schema", "create_extension"))
    except (psycopg.errors.UndefinedFile, psycopg.errors.FeatureNotSupported):
        raise DatabaseUnavailable(
            "PostgreSQL has no pgvector; install the pgvector package of your PostgreSQL version on the server."
        ) from None
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseUnavailable(
            "This database user may not create the extension; have an administrator run CREATE EXTENSION vector."
        ) from None
    installed = pgvector_version(connection)
    if installed is None or installed < OLDEST_PGVECTOR:
        raise DatabaseUnavailable(
            "pgvector is older than 0.8.0; upgrade it (0.8.4 or newer) and run ALTER EXTENSION vector UPDATE."
        )


def _migrations() -> dict[str, str]:
    folder = resources.files("kb_pipeline.store").joinpath("sql", "migrations")
    return {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in folder.iterdir()}


def _is_current(connection: Connection) -> bool:
    row = connection.execute(query("schema", "migrations_table_exists")).fetchone()
    if row is None or row[0] is None:
        return False
    return {row[0] for row in connection.execute(query("schema", "applied_migrations"))} == set(_migrations())

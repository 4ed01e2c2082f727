"""Connecting to PostgreSQL, and bringing its schema up to date.

Connections are made for PgBouncer's sake without server-side prepared statements; a setting is only
ever changed with SET LOCAL. Migrations are the numbered files in `sql/migrations`, applied once
each, in order, under an advisory lock, so that two processes that start at once are fine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow, class_row

from kb_pipeline.errors import DatabaseUnavailable, SettingsError
from kb_pipeline.store.queries import query
from kb_pipeline.store.tsvector import register_tsvector

Connection = psycopg.Connection[TupleRow]

# Any constant; it only has to differ from what other applications lock in the same database.
MIGRATION_LOCK = 0x6B625F6D
OLDEST_PGVECTOR = (0, 8, 0)
SOUND_PGVECTOR = (0, 8, 4)  # older ones can damage an HNSW index
RECOMMENDED_PGVECTOR = (0, 8, 7)
# libpq gives no SQLSTATE for a connection that was refused, only words.
_NO_CONNECTION_LEFT = re.compile("too many (clients|connections)|connection slots are reserved|no more connections")


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
        reason = _reason(error)
        if _NO_CONNECTION_LEFT.search(reason):
            raise DatabaseUnavailable(f"PostgreSQL at {where} {_REFUSALS['53300'].format(reason=reason)}.") from None
        raise DatabaseUnavailable(
            f"PostgreSQL at {where} cannot be reached ({reason}); start it or correct KB_DATABASE_URL."
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


# What PostgreSQL refuses that is no fault of ours, by the beginning of its SQLSTATE, the longest first: what is said
# of it. Its own words name objects and limits there, never a row.
_REFUSALS = {
    "57014": "cancelled a statement ({reason}); set statement_timeout to 0 for this role (ALTER ROLE … SET "
    "statement_timeout = 0) and run again",
    "55P03": "waited too long for a lock ({reason}); end what holds it, or set lock_timeout to 0 for this role, and "
    "run again",
    "40P01": "ended a deadlock with another run; run again",
    "40001": "refused a change that another run was faster with; run again",
    "25P03": "ended a connection that waited in a transaction; set idle_in_transaction_session_timeout to 0 for this "
    "role and run again",
    "25P04": "ended a transaction ({reason}); set transaction_timeout to 0 for this role and run again",
    "57P05": "ended a connection that waited; set idle_session_timeout to 0 for this role and run again",
    "25006": "lets this connection only read ({reason}); name the primary server in KB_DATABASE_URL, or set "
    "default_transaction_read_only to off for this role",
    "42501": "refused this role a right ({reason}); have the owner of the tables grant it, or name that role in "
    "KB_DATABASE_URL",
    "53300": "has no connection left ({reason}); raise max_connections or the role's CONNECTION LIMIT, or end others",
    "53200": "has no memory left ({reason}); lower its work_mem or maintenance_work_mem, or give it more",
    "53": "has no disk space left, or may use no more of it ({reason}); free some, or raise its limit, and run again",
    "57P": "is shutting down or recovering; run again in a moment",
    "58": "cannot read or write its files ({reason}); look at its log and its disk",
    "XX001": "found its own files damaged or failed ({reason}); look at its log, and restore a backup if it says so",
    "XX002": "found a damaged index ({reason}); run REINDEX on what its log names",
    "08": "or a pooler before it ended the connection ({reason}); run again",
}


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what PostgreSQL refuses, and a lost connection, into one sentence; our own defects pass.

    Raises DatabaseUnavailable.
    """
    try:
        yield
    except psycopg.Error as error:
        said = _refusal(error)
        if said is None:
            raise
        raise DatabaseUnavailable(f"{said}: nothing that was committed is lost.") from None


def _refusal(error: psycopg.Error) -> str | None:
    """What happened and what to do, without the end of the sentence; None for a defect of ours."""
    if error.sqlstate is None:
        lost = isinstance(error, psycopg.OperationalError)
        return "The connection to PostgreSQL was lost; run again" if lost else None
    for start in sorted(_REFUSALS, key=len, reverse=True):
        if error.sqlstate.startswith(start):
            reason = (error.diag.message_primary or error.sqlstate).rstrip(".")
            return f"PostgreSQL {_REFUSALS[start].format(reason=reason)}"
    return None


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


@dataclass(frozen=True, slots=True)
class RoleRights:
    """What the role of a connection may do. `owns`: build an index on the tables; `closed_tables`: those of which it
    may not read or write every row."""

    role: str
    may_create: bool
    may_stage: bool
    owns: bool
    only_reads: bool
    closed_tables: list[str]


def role_rights(connection: Connection) -> RoleRights:
    """Of a database that was migrated."""
    with connection.cursor(row_factory=class_row(RoleRights)) as cursor:
        found = cursor.execute(query("schema", "role_rights")).fetchone()
    assert found is not None  # noqa: S101 - the table was made by a migration
    return found


def time_limits(connection: Connection) -> dict[str, float]:
    """Setting of the server that ends statements or connections -> seconds; those that are off are not in it."""
    return {name: limit / 1000 for name, limit in connection.execute(query("schema", "time_limits"))}


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


def scans_go_on(connection: Connection) -> bool:
    """Is `hnsw.iterative_scan` set for this database, so that SQL by hand finds enough rows under a filter?"""
    row = connection.execute(query("schema", "iterative_scan")).fetchone()
    return bool(row and row[0])


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

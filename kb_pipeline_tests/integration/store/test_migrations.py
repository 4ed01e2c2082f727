"""Bringing a database up to date."""

from __future__ import annotations

import subprocess
import sys
import uuid
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from kb_pipeline.errors import DatabaseUnavailable, SettingsError
from kb_pipeline.store import database
from kb_pipeline.store.database import connect, database_errors, migrate

MIGRATE = "import sys; from kb_pipeline.store.database import migrate; print(len(migrate(sys.argv[1])))"


def test_processes_that_start_at_once_apply_each_migration_once(database_url: str) -> None:
    command = [sys.executable, "-c", MIGRATE, database_url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    with connect(database_url) as connection:
        applied = connection.execute("SELECT name FROM kb_migrations ORDER BY name").fetchall()
    names = [name for (name,) in applied]
    assert names == sorted(names)
    assert names[0] == "0001_ledger"
    assert sorted(answers) == ["0", "0", str(len(names))]
    assert migrate(database_url) == []


def test_a_failed_migration_leaves_nothing_behind(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = database._migrations()
    monkeypatch.setattr(database, "_migrations", lambda: real | {"9999_broken": "CREATE TABLE half (); SELECT 1/0"})
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(database_url)
    monkeypatch.undo()
    with connect(database_url) as connection:
        tables = connection.execute("SELECT to_regclass('half'), to_regclass('documents')").fetchone()
    assert tables == (None, None)
    assert migrate(database_url) == sorted(real)


def test_a_database_of_a_newer_release_is_refused_and_named(database_url: str) -> None:
    migrate(database_url)
    with connect(database_url) as connection:
        connection.execute("INSERT INTO kb_migrations (name) VALUES ('9999_from_the_future')")
    with pytest.raises(SettingsError, match="9999_from_the_future"):
        migrate(database_url)


def test_an_old_pgvector_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST_PGVECTOR", (99,))
    with pytest.raises(DatabaseUnavailable, match="pgvector"):
        migrate(database_url)
    with connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('documents')").fetchone() == (None,)


def _as_guest(url: str, postgres_url: str) -> str:
    """The URL of the same database for a user without rights of its own."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'test_guest'").fetchone()
        if not known:
            with suppress(psycopg.errors.UniqueViolation):  # another worker was faster
                connection.execute("CREATE ROLE test_guest LOGIN")
    parts = urlsplit(url)
    return parts._replace(netloc=f"test_guest@{parts.netloc.rpartition('@')[2]}").geturl()


def test_a_user_who_may_not_create_tables_is_told_what_an_administrator_can_do(
    database_url: str, postgres_url: str
) -> None:
    with pytest.raises(DatabaseUnavailable, match="GRANT CREATE"):
        migrate(_as_guest(database_url, postgres_url))


def test_a_database_without_the_extension_names_it(database_url: str, postgres_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP EXTENSION vector")
    with pytest.raises(DatabaseUnavailable, match="CREATE EXTENSION vector"):
        migrate(_as_guest(database_url, postgres_url))
    assert migrate(database_url)


def test_a_database_that_is_not_there_is_named(database_url: str) -> None:
    parts = urlsplit(database_url)
    with pytest.raises(DatabaseUnavailable, match="no_such_database"):
        migrate(parts._replace(path="/no_such_database").geturl())


def test_a_connection_that_is_ended_is_one_sentence_and_what_was_committed_stays(
    database_url: str, postgres_url: str
) -> None:
    migrate(database_url)
    connection = connect(database_url, autocommit=True)
    connection.execute("INSERT INTO sources (uri) VALUES ('/a')")
    with psycopg.connect(postgres_url, autocommit=True) as administrator:
        administrator.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
    with pytest.raises(DatabaseUnavailable, match="nothing that was committed is lost"), database_errors():
        connection.execute("INSERT INTO sources (uri) VALUES ('/b')")
    connection.close()
    with connect(database_url) as fresh:
        assert fresh.execute("SELECT uri FROM sources").fetchall() == [("/a",)]


def test_a_defect_of_ours_is_not_called_a_lost_connection(database_url: str) -> None:
    with connect(database_url) as connection, pytest.raises(psycopg.errors.UndefinedTable), database_errors():
        connection.execute(sql.SQL("SELECT * FROM no_such_table"))


@pytest.mark.parametrize(
    ("before", "statement", "said"),
    [
        ("SET statement_timeout = '1ms'", "SELECT pg_sleep(5)", r"statement timeout\).*statement_timeout to 0"),
        ("SET lock_timeout = '1ms'", "ALTER TABLE locked ADD n int", r"lock timeout\).*end what holds it"),
        ("SET transaction_timeout = '1ms'", "BEGIN; SELECT pg_sleep(5)", "transaction_timeout to 0"),
        ("SET default_transaction_read_only = on", "CREATE TABLE t ()", "only read.*primary server"),
        ("SET ROLE pg_monitor", "DELETE FROM big", "permission denied for table big.*grant it"),
        ("SET temp_file_limit = 0", "SELECT count(*) FROM (SELECT n FROM big ORDER BY n DESC) x", "no more of it"),
        ("", "DO $$BEGIN RAISE 'cannot allocate' USING ERRCODE = '53200'; END$$", "no memory left"),
        ("", "DO $$BEGIN RAISE 'a detected b' USING ERRCODE = '40P01'; END$$", "deadlock with another run; run again"),
        ("", "DO $$BEGIN RAISE 'a before b' USING ERRCODE = '40001'; END$$", "faster with; run again"),
        ("", "DO $$BEGIN RAISE 'could not read' USING ERRCODE = '58030'; END$$", "look at its log and its disk"),
        ("", "DO $$BEGIN RAISE 'invalid page' USING ERRCODE = 'XX001'; END$$", "restore a backup"),
        ("", "DO $$BEGIN RAISE 'query_wait_timeout' USING ERRCODE = '08P01'; END$$", "pooler.*run again"),
        ("SET idle_session_timeout = '1ms'", None, "idle_session_timeout to 0|connection to PostgreSQL was lost"),
    ],
)
def test_what_a_database_refuses_is_one_sentence(
    database_url: str, postgres_url: str, before: str, statement: str | None, said: str
) -> None:
    with psycopg.connect(database_url) as other, connect(database_url, autocommit=True) as connection:
        other.execute("CREATE TABLE locked (); CREATE TABLE big AS SELECT n FROM generate_series(1, 20000) n")
        other.commit()
        other.execute("LOCK TABLE locked")
        connection.execute("SET work_mem = '64kB'")
        if before:
            connection.execute(before.encode())
        if statement is None:
            _wait_until_ended(postgres_url, connection.info.backend_pid)
        with pytest.raises(DatabaseUnavailable, match=said) as refused, database_errors():
            connection.execute((statement or "SELECT 1").encode())
        assert str(refused.value).endswith("nothing that was committed is lost.")


def _wait_until_ended(postgres_url: str, backend: int) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as administrator:
        while administrator.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend]).fetchone():
            administrator.execute("SELECT pg_sleep(0.01)")


def test_a_role_without_connections_left_is_told_so(database_url: str, postgres_url: str) -> None:
    role = f"test_limited_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 0").format(sql.Identifier(role)))
        try:
            parts = urlsplit(database_url)
            with pytest.raises(DatabaseUnavailable, match=r"no connection left.*CONNECTION LIMIT.*\.$"):
                connect(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl())
        finally:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))

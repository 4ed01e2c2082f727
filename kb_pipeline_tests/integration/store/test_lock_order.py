"""Whoever changes what belongs to documents locks them in the order of their ids, so that no two wait for each other.

Each test holds the first of two rows, waits until the operation under test waits for it, and then takes the second one.
An operation that had taken that one before would be a deadlock, which PostgreSQL ends with an error on either side.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import DatabaseUnavailable, ParserCrashed
from kb_pipeline.source.diff import KnownDocument
from kb_pipeline.source.listing import Entry
from kb_pipeline.stages import raw_documents
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import ledger
from kb_pipeline.store.database import connect, database_errors, migrate

if TYPE_CHECKING:
    from collections.abc import Callable

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.ledger import Source

SCOPE = ledger.Scope(1, "0", "f", ledger.StageFingerprints("p", "c"), {})
WAITING = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
FILL = """
    INSERT INTO models VALUES ('m', 'm', 2);
    INSERT INTO embeddings (text_hash, model_fingerprint, embedding) VALUES ('a', 'm', '[1,0]'), ('b', 'm', '[1,0]');
    INSERT INTO privacy_policies VALUES ('old', 'v', '{}');
    INSERT INTO elements (content_hash, extension, parse_fingerprint, format, element_count, dropped_count,
                          privacy_counts, warnings, payload)
    SELECT hash, 'md', 'old', 'md', 1, 0, '{}', '{}', '' FROM unnest(ARRAY['a'::bytea, 'b'::bytea]) AS hash
"""
FIRST, SECOND = "a.md", "b.md"


@pytest.fixture
def url(database_url: str) -> str:
    migrate(database_url)
    with connect(database_url, autocommit=True) as connection:
        ledger.register_source(connection, "/docs")
        (source,) = ledger.sources(connection)
        for path in (FIRST, SECOND):  # one after the other: the ids are in this order
            ledger.insert_documents(connection, source, [(Entry(path, 1, 1, None), path.encode())])
        died = ParserCrashed("It died.")
        ledger.record_failures(connection, "chunks", [(1, "v", died), (2, "v", died)])
        connection.execute(FILL)
    return database_url


def write(connection: Connection, source: Source) -> None:
    changed = [
        (Entry(path, 2, 2, None), KnownDocument(number, path, 1, b"x")) for number, path in ((2, SECOND), (1, FIRST))
    ]
    raw_documents._write(connection, source, changed, [b"new", b"new"], StageReport.of("failed"))


def come_back(connection: Connection, source: Source) -> None:
    """A file at the path of a document that is on its way out is inserted, and finds it there."""
    found = [(Entry(path, 2, 2, None), None) for path in (SECOND, FIRST)]
    raw_documents._write(connection, source, found, [b"new", b"new"], StageReport.of("failed"))


def move(connection: Connection, source: Source) -> None:
    ledger.move_documents(connection, source, [(2, Entry("y", 1, 1, None)), (1, Entry("x", 1, 1, None))])


def delete(connection: Connection, source: Source) -> None:
    ledger.delete_documents(connection, [2, 1])


def delete_source(connection: Connection, source: Source) -> None:
    ledger.delete_source_documents(connection, source.id)


def retry(connection: Connection, source: Source) -> None:
    ledger.retry_failures(connection)


def forget_vectors(connection: Connection, source: Source) -> None:
    ledger.forget_vectors(connection, [b"b", b"a"])


def forget_elements(connection: Connection, source: Source) -> None:
    ledger.forget_superseded_elements(connection, [b"b", b"a"], ["new"])


def purge(connection: Connection, source: Source) -> None:
    ledger.purge_documents(connection, SCOPE)


ROW = "SELECT FROM documents WHERE id = %s FOR UPDATE"
VECTOR = "SELECT FROM embeddings WHERE text_hash = chr(96 + %s)::bytea FOR UPDATE"
ELEMENTS = "SELECT FROM elements WHERE content_hash = chr(96 + %s)::bytea FOR UPDATE"


@pytest.mark.parametrize(
    ("operation", "row"),
    [(write, ROW), (come_back, ROW), (move, ROW), (delete, ROW), (delete_source, ROW), (retry, ROW), (purge, ROW),
     (forget_vectors, VECTOR), (forget_elements, ELEMENTS)],
    ids=lambda value: getattr(value, "__name__", None) or "",
)  # fmt: skip
def test_the_first_row_is_waited_for_before_the_second_is_taken(
    url: str, operation: Callable[[Connection, Source], None], row: str
) -> None:
    with connect(url) as worker, connect(url) as holder, connect(url, autocommit=True) as watcher:
        if operation in (come_back, purge):
            watcher.execute("UPDATE documents SET deleted_at = now() WHERE id = 2")
            watcher.execute("UPDATE documents SET deleted_at = now() WHERE id = 1")
        (source,) = ledger.sources(watcher)
        holder.execute(row.encode(), [1])
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(operation, worker, source)
            while not watcher.execute(WAITING, [worker.info.backend_pid]).rowcount:
                assert not working.done(), "it did not wait"
            holder.execute(row.encode(), [2])  # DeadlockDetected, had it taken the second one first
            holder.commit()
            working.result(60)


def test_a_deadlock_is_one_sentence_that_says_to_run_again(url: str) -> None:
    with connect(url) as one, connect(url) as other, connect(url, autocommit=True) as watcher:
        one.execute(ROW.encode(), [1])
        other.execute(ROW.encode(), [2])
        errors: list[Exception] = []

        def cross(connection: Connection, document: int) -> None:
            try:
                with database_errors():
                    connection.execute(ROW.encode(), [document])
            except DatabaseUnavailable as error:
                errors.append(error)
            connection.rollback()

        thread = threading.Thread(target=cross, args=(one, 2))
        thread.start()
        while not watcher.execute(WAITING, [one.info.backend_pid]).rowcount:
            assert thread.is_alive()
        cross(other, 1)
        thread.join(60)
    (error,) = errors
    assert "run again" in str(error)

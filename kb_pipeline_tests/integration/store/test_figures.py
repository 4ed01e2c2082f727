"""The sums of documents, chunks and tokens follow every change of a document, without a look at the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.source.listing import Entry
from kb_pipeline.store import audit, ledger
from kb_pipeline.store.database import connect, migrate
from kb_pipeline.store.generations import GenerationKey, ensure_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.ledger import Source

SCOPE = ledger.Scope(2, "00", "ff", ledger.StageFingerprints("p", "c"), {})
COUNTED = """
SELECT shard_hash, collection, count(*), sum(chunk_count)::bigint, sum(token_count)::bigint
FROM documents WHERE deleted_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2
"""
CHUNKED = "UPDATE documents SET chunk_count = id, token_count = 10 * id WHERE id = ANY(%s)"


@pytest.fixture
def url(database_url: str) -> str:
    migrate(database_url)
    with connect(database_url, autocommit=True) as connection:
        ledger.register_source(connection, "/docs")
    return database_url


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    with connect(url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def source(connection: Connection) -> Source:
    (known,) = ledger.sources(connection)
    return known


def arrive(connection: Connection, source: Source, *paths: str) -> list[int]:
    made = ledger.insert_documents(connection, source, [(Entry(path, 1, 1, None), path.encode()) for path in paths])
    return [made[path] for path in paths]


def figures(connection: Connection) -> list[tuple[Any, ...]]:
    rows = ledger.document_figures(connection, SCOPE).rows
    return [tuple(row[name] for name in ("shard", "collection", "documents", "chunks", "tokens")) for row in rows]


def noted(connection: Connection) -> int:
    return len(connection.execute("SELECT FROM document_figure_changes").fetchall())


def test_they_are_right_after_whatever_happens_to_documents(connection: Connection, source: Source) -> None:
    def check(documents: int) -> None:
        for _ in range(2):
            assert figures(connection) == connection.execute(COUNTED.encode()).fetchall()
            assert ledger.count_documents(connection) == documents
            ledger.add_up_figures(connection)
            assert noted(connection) == 0

    check(0)
    first, second, third, _ = arrive(connection, source, "a/1.md", "a/2.md", "b/1.md", "b/2.md")
    check(4)
    connection.execute(CHUNKED, [[first, second, third]])
    check(4)
    ledger.move_documents(connection, source, [(first, Entry("c/1.md", 1, 1, None))])
    check(4)
    ledger.delete_documents(connection, [second, third])
    check(2)
    ledger.purge_documents(connection, SCOPE)
    check(2)
    ledger.delete_documents(connection, [first])
    assert arrive(connection, source, "c/1.md", "d/1.md") == [first, first + 5]  # the first came back
    check(3)
    connection.execute("DELETE FROM documents WHERE id = %s", [first])
    check(2)


def test_what_changes_no_figure_is_not_noted(connection: Connection, source: Source) -> None:
    (document,) = arrive(connection, source, "a.md")
    ledger.add_up_figures(connection)
    ledger.update_documents(connection, [(document, Entry("a.md", 2, 2, None), b"other")])
    assert noted(connection) == 0


def test_runs_that_change_documents_of_one_shard_do_not_wait_for_each_other(url: str, source: Source) -> None:
    with connect(url) as one, connect(url) as other, connect(url, autocommit=True) as third:
        (document,) = arrive(one, source, "a.md")
        other.execute("SET LOCAL lock_timeout = '1s'")
        other.execute(CHUNKED, [arrive(other, source, "a.md.bak")])
        ledger.add_up_figures(third)  # does not wait either, and takes nothing that may be rolled back
        one.execute(CHUNKED, [[document]])
        other.rollback()
        one.commit()
        assert figures(third) == third.execute(COUNTED.encode()).fetchall()
        assert ledger.count_documents(third) == 1


def test_a_wrong_sum_is_corrected_and_a_change_meanwhile_is_not_lost(url: str, source: Source) -> None:
    with connect(url, autocommit=True) as connection, connect(url) as other:
        arrive(connection, source, "a.md", "b.md")
        ledger.add_up_figures(connection)
        connection.execute("UPDATE document_figures SET documents = documents + 7, tokens = 3")
        assert ledger.count_documents(connection) != 2
        ensure_generation(connection, GenerationKey("m", "m", 2, 2, ""))
        assert "wrong_figures" in [finding.kind for finding in audit.ledger_findings(connection)]
        arrive(other, source, "c.md")
        assert ledger.correct_figures(connection) == 2
        other.commit()
        assert figures(connection) == connection.execute(COUNTED.encode()).fetchall()
        assert ledger.correct_figures(connection) == 0

"""Searching with SQL alone: as many rows as were asked for, whatever the filter lets pass."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from pgvector import HalfVector
from psycopg import sql

from kb_pipeline.embedding.client import ModelIdentity
from kb_pipeline.embedding.models import profile_for
from kb_pipeline.store import database
from kb_pipeline.store.generations import ensure_vector_index
from kb_pipeline_tests.instant_embedding_server import instant_vector
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection

DIMENSION = 64
ROWS = 3_000
ROLE = "kb_test_guest"
IDENTITY = ModelIdentity("instant", DIMENSION, None, profile_for("instant"), "f" * 16)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """To a knowledge base large enough for its index."""
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as loader:
        generation = make_generation(loader, IDENTITY)
        passages = (
            Passage(f"passage {n}", f"folder/{n % 300}.md", f"c{n % 100}", n % 50, metadata={"rare": n % 200})
            for n in range(ROWS)
        )
        fill(loader, generation, passages)
        ensure_vector_index(loader, generation)
    with database.connect(database_url, autocommit=True) as connection:
        database.register_types(connection)
        yield connection


QUERY = """
SELECT id FROM knowledge_chunks WHERE collection = 'c7' AND page_number IS NOT NULL
ORDER BY embedding <=> (SELECT embedding FROM knowledge_chunks WHERE content = 'passage 8') LIMIT 10
"""


def test_a_query_by_hand_returns_as_many_rows_as_it_asks_for(connection: Connection) -> None:
    assert database.scans_go_on(connection)
    connection.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
    plan = "\n".join(row[0] for row in connection.execute("EXPLAIN " + QUERY))
    assert "_embedding" in plan
    assert len(connection.execute(QUERY).fetchall()) == 10
    connection.execute("SET hnsw.iterative_scan = off")
    assert len(connection.execute(QUERY).fetchall()) < 10  # as it would be without the database's setting


def nearest(connection: Connection, filters: str = "", **parameters: object) -> list[tuple[int, float]]:
    vector = HalfVector(instant_vector("question", DIMENSION))
    statement = sql.SQL("SELECT id, similarity FROM nearest_chunks(%(vector)s{})").format(sql.SQL(filters))
    return connection.execute(statement, {"vector": vector, **parameters}).fetchall()


def test_the_function_returns_the_k_nearest_rows_that_pass_its_filters(connection: Connection) -> None:
    vector = instant_vector("question", DIMENSION)
    similarity = {n: float(instant_vector(f"passage {n}", DIMENSION) @ vector) for n in range(ROWS)}

    def expected(k: int, passes: list[int]) -> list[int]:
        return [n + 1 for n in sorted(passes, key=lambda n: -similarity[n])[:k]]

    everything = nearest(connection)
    assert len({id_ for id_, _ in everything} & set(expected(10, list(range(ROWS))))) >= 9  # by the index
    assert [score for _, score in everything] == pytest.approx([similarity[id_ - 1] for id_, _ in everything], abs=2e-3)
    for filters, passes in (
        (", k => 20, collections => '{c7,c8}'", [n for n in range(ROWS) if n % 100 in (7, 8)]),
        (", k => 20, path => 'folder/7.%%'", [n for n in range(ROWS) if n % 300 == 7]),
        (", k => 20, metadata_holds => '{\"rare\": 7}'", [n for n in range(ROWS) if n % 200 == 7]),
        (", k => 20, collections => '{c9}', path => 'none'", []),
    ):
        assert [id_ for id_, _ in nearest(connection, filters)] == expected(20, passes), filters


def test_the_function_fills_k_rows_at_every_selectivity(connection: Connection) -> None:
    """Also where the planner is wrong: metadata has no statistics of its values."""
    vector = instant_vector("question", DIMENSION)
    nearest_first = sorted(range(ROWS), key=lambda n: -float(instant_vector(f"passage {n}", DIMENSION) @ vector))
    for filters, passes in (
        ("", lambda n: True),
        (", collections => (SELECT array_agg('c' || n) FROM generate_series(0, 49) n)", lambda n: n % 100 < 50),
        (", collections => (SELECT array_agg('c' || n) FROM generate_series(0, 9) n)", lambda n: n % 100 < 10),
        (", collections => '{c3}'", lambda n: n % 100 == 3),
        (", path => 'folder/7.%%'", lambda n: n % 300 == 7),
        (", metadata_holds => '{\"rare\": 7}'", lambda n: n % 200 == 7),
        (", path => 'nowhere'", lambda n: False),
    ):
        expected = [n + 1 for n in nearest_first if passes(n)][:25]
        found = [row for row, _ in nearest(connection, f", k => 25{filters}")]
        assert len(found) == len(expected), filters
        assert len(set(found) & set(expected)) >= 0.9 * len(expected), filters


def test_a_collection_with_a_generation_of_its_own_is_looked_for_in_its_view(connection: Connection) -> None:
    own = make_generation(connection, IDENTITY, dimension=16, collection="法律/合同" * 5)
    fill(connection, own, [Passage(f"clause {n}", "a.md", "法律/合同" * 5) for n in range(3)])
    vector = HalfVector(instant_vector("question", DIMENSION)[:16])
    statement = "SELECT collection FROM nearest_chunks(%s, collections => %s)"
    assert len(connection.execute(statement, [vector, ["法律/合同" * 5]]).fetchall()) == 3
    with pytest.raises(psycopg.errors.RaiseException, match="several generations"):
        connection.execute(statement, [vector, ["c1", "法律/合同" * 5]])


def test_without_the_right_to_set_it_the_rest_is_set_up_and_it_can_be_told(
    database_url: str, postgres_url: str
) -> None:
    with database.connect(database_url, autocommit=True) as owner:
        owner.execute(
            sql.SQL("DO $$ BEGIN CREATE ROLE {0} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$").format(
                sql.Identifier(ROLE)
            )
        )
        owner.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(ROLE)))
        parts = urlsplit(database_url)
        guest = urlunsplit(parts._replace(netloc=f"{ROLE}@{parts.netloc.rpartition('@')[2]}"))
        try:
            assert "0006_sql_search" in database.migrate(guest)
            with database.connect(guest) as connection:
                assert not database.scans_go_on(connection)
        finally:
            owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(ROLE)))

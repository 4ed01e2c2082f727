"""The view with fields, at a size where indexes matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.embedding.client import ModelIdentity
from kb_pipeline.embedding.models import profile_for
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.store import database, field_columns, fields
from kb_pipeline.store.conditions import compile_condition
from kb_pipeline.store.generations import ensure_vector_index
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection

ROWS = 3_000
IDENTITY = ModelIdentity("instant", 64, None, profile_for("instant"), "f" * 16)
DECLARED = {"tag": "text", "date": "date", "groups": "list of text"}
DOCUMENTS = """
INSERT INTO sources (uri) VALUES ('/docs');
INSERT INTO documents (source_id, path, shard_hash, collection, size)
SELECT 1, n || '.md', '00', 'c', 1 FROM generate_series(1, 3000) n;
INSERT INTO document_fields (document_id, tag, date, groups)
SELECT n, 't' || n % 300, date '2024-01-01' + n % 365, ARRAY['g' || n % 300] FROM generate_series(1, 3000) n;
"""
NEAREST = " ORDER BY embedding <=> (SELECT embedding FROM knowledge_chunks WHERE id = 1) LIMIT 10"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as loader:
        field_columns.declare(loader, DECLARED)  # type: ignore[arg-type]
        generation = make_generation(loader, IDENTITY)
        fill(loader, generation, (Passage(f"passage {n}", f"{n}.md") for n in range(ROWS)))
        loader.execute(DOCUMENTS)
        ensure_vector_index(loader, generation)
        loader.execute("ANALYZE")
    with database.connect(database_url, autocommit=True) as connection:
        yield connection


def nearest(columns: str, where: str = "true") -> str:
    return f"SELECT {columns} FROM knowledge_chunks WHERE {where}" + NEAREST  # noqa: S608


def plan(connection: Connection, statement: str, parameters: dict[str, object] | None = None) -> str:
    return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {statement}".encode(), parameters))


def test_fields_are_joined_by_key_and_only_where_they_are_read(connection: Connection) -> None:
    every = plan(connection, nearest("*"))
    assert "generation_1_embedding" in every
    assert "document_fields_pkey" in every
    assert "document_fields" not in plan(connection, nearest("id, content"))
    assert "document_fields" not in plan(connection, "SELECT count(*) FROM knowledge_chunks")


def test_a_filter_by_hand_uses_the_index_of_the_field_or_of_the_vectors(connection: Connection) -> None:
    for where in ("tag = 't7'", "groups @> '{g7}'", "date = '2024-05-06'"):
        rare = plan(connection, nearest("source_file", where))
        assert "document_fields_" in rare, rare
        assert "generation_1_chunk" in rare, rare
    common = plan(connection, nearest("source_file", "date > '2024-01-05'"))
    assert "generation_1_embedding" in common
    rows = connection.execute(nearest("tag", "tag = 't7'").encode()).fetchall()
    assert rows == [("t7",)] * 10


def test_a_condition_is_answered_from_the_index_of_its_field(connection: Connection) -> None:
    for where in ("tag = 't7' and date > '2024-01-01'", "groups = 'g7'", "groups in ('g7', 'g8')"):
        condition = compile_condition(parse_filter(where, fields.declared(connection)))
        statement = f"SELECT id FROM generation_1 WHERE {condition.sql.as_string()}"  # noqa: S608
        found = plan(connection, statement, dict(condition.parameters))
        assert "document_fields_" in found, found
        assert "Seq Scan" not in found, found

"""Searching a table large enough for its indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pgvector import HalfVector
from psycopg import sql

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import compile_condition
from kb_pipeline.store.generations import ensure_vector_index, refresh_statistics
from kb_pipeline.store.queries import query
from kb_pipeline_tests.integration.search.handbook import (
    DIMENSION,
    find,
)
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation


@pytest.fixture
def large(connection: Connection, client: EmbeddingClient) -> Generation:
    generation = make_generation(connection, client.identity)
    passages = (
        Passage(f"passage number {n}", f"file{n % 300}.md", f"c{n % 4}", n % 100, metadata={"rare": n % 100})
        for n in range(3000)
    )
    fill(connection, generation, passages)
    ensure_vector_index(connection, generation)
    refresh_statistics(connection, generation)
    return generation


def plan_of(connection: Connection, generation: Generation, file: str, name: str, where: str | None = None) -> str:
    condition = compile_condition(parse_filter(where) if where else None)
    parts = {"table": generation.table, "condition": condition.sql}
    statement = query(file, name, **parts)
    parameters: dict[str, Any] = {
        **condition.parameters,
        "vector": HalfVector(np.ones(DIMENSION)),
        "depth": 100,
        "pattern": "'2999'",
        "patterns": ["'2999'"],
        "any": "'2999'",
        "rows": [1, 2, 3],
        "after": 0,
        "upto": 10**6,
        "k1": 1.5,
        "b": 0.75,
        "mean_length": 3.0,
        "most": 2000,
        "generation": generation.id,
        "lexemes": ["2999"],
        "bytes": [300],
    }
    with store.snapshot(connection, depth=100):
        rows = connection.execute(sql.SQL("EXPLAIN ") + statement, parameters).fetchall()
    return "\n".join(row[0] for row in rows)


def test_the_queries_use_the_indexes(connection: Connection, large: Generation) -> None:
    assert f"generation_{large.id}_embedding" in plan_of(connection, large, "search", "nearest")
    assert f"generation_{large.id}_pkey" in plan_of(connection, large, "words", "candidates_among")
    assert f"generation_{large.id}_lexemes_idx" in plan_of(connection, large, "words", "candidates_matching")
    assert f"generation_{large.id}_lexemes_idx" in plan_of(connection, large, "postings", "rows_with")
    assert "postings_pkey" in plan_of(connection, large, "postings", "best_postings")
    assert f"generation_{large.id}_source_file_idx" in plan_of(
        connection, large, "search", "nearest", "source_file = 'file7.md'"
    )


def test_the_vector_index_finds_what_an_exact_comparison_finds(
    connection: Connection, large: Generation, client: EmbeddingClient
) -> None:
    everything = np.array(
        [
            row[0].to_numpy()
            for row in connection.execute(sql.SQL("SELECT embedding FROM {} ORDER BY id").format(large.table))
        ]
    )
    found = 0
    for number in range(20):
        text = f"question {number}"
        vector = client.embed_query(text, "")
        nearest = set(np.argsort(-everything @ vector)[:10] + 1)
        found += len(nearest & {hit.document_id for hit in find(connection, text, client, mode="vector").hits})
    assert found / 200 >= 0.95


@pytest.mark.usefixtures("large")
def test_a_selective_filter_still_returns_k_rows_and_the_exact_ones(
    connection: Connection, client: EmbeddingClient
) -> None:
    for where in ("metadata.rare = 7", "page_number = 7", "section_title is null and page_end = 7"):
        for mode in ("vector", "hybrid"):
            hits = find(connection, "passage number 1207", client, where=where, mode=mode, k=30).hits
            assert len(hits) == 30
            assert hits[0].content == "passage number 1207"
            assert all(hit.page_number == 7 for hit in hits)

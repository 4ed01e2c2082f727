"""Filters and vectors together: as many rows as were asked for, whatever share of them passes, and by which way."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgvector import HalfVector
from psycopg import sql

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.search.filters import parse_filter
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import compile_condition
from kb_pipeline.store.generations import ensure_vector_index, refresh_statistics
from kb_pipeline.store.queries import query
from kb_pipeline_tests.instant_embedding_server import instant_server
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

DIMENSION = 64
ROWS = 4_000


@pytest.fixture(scope="module")
def client() -> Iterator[EmbeddingClient]:
    with instant_server(dimension=DIMENSION) as server, EmbeddingClient.connect(server.base_url) as client:
        yield client


@pytest.fixture
def passages(connection: Connection, client: EmbeddingClient) -> Generation:
    """Page n % 1,000, and each tenth in Chinese."""
    generation = make_generation(connection, client.identity)
    texts = (f"第{n}段说的是泵" if n % 10 == 3 else f"passage {n} about pumps" for n in range(ROWS))
    fill(connection, generation, [Passage(text, f"f{n % 50}.md", "c", n % 1000) for n, text in enumerate(texts)])
    connection.execute("UPDATE generations SET row_count = %s", [ROWS])
    ensure_vector_index(connection, generation)
    refresh_statistics(connection, generation)
    return make_generation(connection, client.identity)


def passing_few(connection: Connection, generation: Generation, where: str) -> bool:
    with store.snapshot(connection, depth=10):
        return store.passes_few(connection, generation, compile_condition(parse_filter(where)), 10)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pages=st.integers(0, 1000),
    mode=st.sampled_from(["vector", "lexical", "hybrid"]),
    k=st.sampled_from([1, 10, 200]),
    question=st.sampled_from(["passage 17 about pumps", "第3段说的是泵"]),
)
def test_never_fewer_than_k_rows_when_so_many_pass(
    connection: Connection, passages: Generation, client: EmbeddingClient, pages: int, mode: Any, k: int, question: str
) -> None:
    request = SearchRequest(question, k=k, mode=mode, where=f"page_number < {pages}", logged=False)
    result = search(lambda: nullcontext(connection), request, embedder=lambda: client, mask=lambda text, _: [text])
    passes = [n for n in range(ROWS) if n % 1000 < pages]
    if mode == "lexical":  # rows without any of the words are no hits
        passes = [n for n in passes if (n % 10 == 3) == (question[0] == "第")]
    assert len(result.hits) == min(k, len(passes))
    assert all(hit.page_number is not None and hit.page_number < pages for hit in result.hits)


def test_rows_are_compared_one_by_one_where_few_pass_and_the_index_is_walked_where_many_do(
    connection: Connection, passages: Generation
) -> None:
    assert passing_few(connection, passages, "page_number = 7")
    assert passing_few(connection, passages, "metadata.unknown = 'x'")
    assert not passing_few(connection, passages, "page_number < 900")
    assert not passing_few(connection, passages, "metadata.unknown is null")  # more than the planner thinks


def test_the_more_a_filter_leaves_out_the_more_rows_are_looked_at(connection: Connection, passages: Generation) -> None:
    def looked_at(where: str) -> int:
        with store.snapshot(connection, depth=10):
            store.passes_few(connection, passages, compile_condition(parse_filter(where)), 10)
            row = connection.execute("SELECT current_setting('hnsw.ef_search')::int").fetchone()
        assert row is not None
        return int(row[0])

    half = ", ".join(f"'f{n}.md'" for n in range(24))
    a_fourth = ", ".join(f"'f{n}.md'" for n in range(12))
    assert looked_at(f"source_file in ({half})") < looked_at(f"source_file in ({a_fourth})") <= store.MOST_EF_SEARCH


def test_the_more_rows_there_are_the_more_are_looked_at(connection: Connection) -> None:
    def looked_at(rows: int) -> int:
        with store.snapshot(connection, depth=10, rows=rows):
            row = connection.execute("SELECT current_setting('hnsw.ef_search')::int").fetchone()
        assert row is not None
        return int(row[0])

    looked = [looked_at(rows) for rows in (0, 1_000, 20_000, 200_000, 10_000_000)]
    assert looked == sorted(looked)
    assert looked[1] < looked[2] < looked[3] < looked[4] == store.MOST_EF_SEARCH


def test_every_way_to_the_nearest_rows_uses_its_index(connection: Connection, passages: Generation) -> None:
    def plan(name: str, where: str | None) -> str:
        condition = compile_condition(parse_filter(where) if where else None)
        statement = query("search", name, table=passages.table, condition=condition.sql)
        given = {**condition.parameters, "vector": HalfVector(np.ones(DIMENSION)), "depth": 10, "most": 50}
        with store.snapshot(connection, depth=10):
            rows = connection.execute(sql.SQL("EXPLAIN ") + statement, given).fetchall()
        return "\n".join(row[0] for row in rows)

    table = f"generation_{passages.id}"
    assert f"{table}_embedding" in plan("nearest", None)
    assert f"{table}_embedding" in plan("nearest", "language = 'en'")
    assert f"{table}_source_file_idx" in plan("nearest_exact", "source_file = 'f7.md'")
    assert f"{table}_source_file_idx" in plan("count_passing", "source_file = 'f7.md'")


@pytest.mark.parametrize("dimension", [64, 384, 1024, 2048])
def test_a_vector_lies_in_its_row_and_long_text_beside_it(
    connection: Connection, client: EmbeddingClient, dimension: int
) -> None:
    with instant_server(dimension=dimension) as server, EmbeddingClient.connect(server.base_url) as large:
        generation = make_generation(connection, large.identity)
    vector = np.full(dimension, dimension**-0.5, np.float32)
    words = " ".join(f"word{n * 7919}" for n in range(400))
    fill(connection, generation, [Passage(f"{words} {n}") for n in range(6)], embed=lambda _: vector)
    row = connection.execute(
        sql.SQL("SELECT count(pg_column_toast_chunk_id(embedding)), count(pg_column_toast_chunk_id(lexemes)) FROM {}")
        .format(generation.table)
    ).fetchone()  # fmt: skip
    assert row == (0, 6)

"""The same vectors and filters in a plain pgvector table and in Milvus."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import search_exact as exact
from common import Home, say, table
from pgvector import Vector
from psycopg import sql
from search_corpus import CHUNKS_PER_DOCUMENT, Corpus, Floats
from search_load import collection_of, in_parts, vectors_of

from kb_pipeline.stages.report import batched
from kb_pipeline.store import database
from kb_pipeline.store.database import Connection

K = 10
EF_SEARCH = (40, 100, 200, 400)
FILTERS = (None, "tenth", "hundredth")
MOST_SECONDS = 20  # for the questions of one kind; a slow answer leaves time for few
Find = Callable[[Floats, str | None, int], Sequence[int]]

# As tutorials make it; the index is built with the settings that a server starts with.
PLAIN_TABLE = "CREATE TABLE documents_plain (id bigint PRIMARY KEY, tag text, embedding vector({}))"
PLAIN_QUERY = "SELECT id FROM documents_plain WHERE {} ORDER BY embedding <=> %(vector)s LIMIT %(k)s"
PLAIN_INDEX = "CREATE INDEX ON documents_plain USING hnsw (embedding vector_cosine_ops)"


def compare_peers(place: Home, corpus: Corpus, questions: int) -> None:
    """Print a table for each peer that is there."""
    vectors = vectors_of(place.folder, corpus)
    english = np.flatnonzero(~corpus.chinese_rows())[:: max(corpus.rows // 20_000, 1)]
    asked = corpus.questions(vectors[english], questions)
    true = {
        tag: exact.nearest(place.folder, corpus, asked, K, exact.passing(corpus, tag) if tag else None)
        for tag in FILTERS
    }
    with database.connect(place.database_url(), autocommit=True) as connection:
        _report("plain pgvector", *_pgvector(connection, corpus, place), asked, true)
    try:
        import pymilvus  # noqa: F401 - asked for its being there
    except ImportError:
        say("Milvus is left out: pymilvus is not installed (benchmarks/search_peer_requirements.txt).")
        return
    _report("Milvus", *_milvus(corpus, place), asked, true)


def _report(name: str, seconds: float, find: Find, asked: Floats, true: dict[str | None, exact.Ids]) -> None:
    rows: list[list[object]] = []
    for tag in FILTERS:
        for ef_search in EF_SEARCH:
            found, times = [], list[float]()
            for question in asked:
                if sum(times) > MOST_SECONDS * 1000:
                    break
                started = time.perf_counter()
                found.append(list(find(question, tag, ef_search)))
                times.append((time.perf_counter() - started) * 1000)
            recall = exact.overlap(found, true[tag][: len(found)], K)
            quantiles = [f"{value:.1f}" for value in np.quantile(times, [0.5, 0.95, 0.99])]
            rows.append([tag or "everything", ef_search, len(found), f"{recall:.3f}", min(map(len, found)), *quantiles])
    columns = ["filter", "ef", "questions", "recall@10", "fewest rows", "p50 ms", "p95 ms", "p99 ms"]
    table(f"{name}: loaded and indexed in {seconds:,.0f} s", columns, rows)


def _pgvector(connection: Connection, corpus: Corpus, place: Home) -> tuple[float, Find]:
    database.register_types(connection)
    say("loading the plain table")
    started = time.perf_counter()
    connection.execute("DROP TABLE IF EXISTS documents_plain")
    connection.execute(PLAIN_TABLE.format(corpus.dimension))
    statement = "COPY documents_plain FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(["int8", "text", "vector"])
        for number, vector in _rows(corpus, place):
            copy.write_row((number + 1, collection_of(number // CHUNKS_PER_DOCUMENT), Vector(vector)))
    with connection.transaction():
        connection.execute("SET LOCAL maintenance_work_mem = '64MB'")  # what PostgreSQL starts with
        connection.execute(PLAIN_INDEX)
    connection.execute("ANALYZE documents_plain")
    seconds = time.perf_counter() - started

    def find(question: Floats, tag: str | None, ef_search: int) -> list[int]:
        condition = sql.SQL("tag = %(tag)s" if tag else "true")
        with connection.transaction():
            connection.execute(f"SET LOCAL hnsw.ef_search = {ef_search}")
            connection.execute("SET LOCAL hnsw.iterative_scan = off")
            statement = sql.SQL(PLAIN_QUERY).format(condition)
            given = {"tag": tag, "vector": Vector(question), "k": K}
            return [row[0] for row in connection.execute(statement, given)]

    return seconds, find


def _milvus(corpus: Corpus, place: Home) -> tuple[float, Find]:
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(os.environ.get("MILVUS_URI", str(place.folder / "milvus.db")))
    say("loading Milvus")
    started = time.perf_counter()
    if client.has_collection("passages"):
        client.drop_collection("passages")
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=corpus.dimension)
    schema.add_field("tag", DataType.VARCHAR, max_length=32)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 64})
    index.add_index("tag", index_type="INVERTED")
    client.create_collection("passages", schema=schema, index_params=index)
    for batch in batched(_rows(corpus, place), 1_000):
        rows = [
            {"id": number + 1, "vector": vector, "tag": collection_of(number // CHUNKS_PER_DOCUMENT)}
            for number, vector in batch
        ]
        client.insert("passages", rows)
    client.flush("passages")
    client.load_collection("passages")
    seconds = time.perf_counter() - started

    def find(question: Floats, tag: str | None, ef_search: int) -> list[int]:
        found = client.search(
            "passages",
            [question.tolist()],
            limit=K,
            filter=f'tag == "{tag}"' if tag else "",
            search_params={"params": {"ef": ef_search}},
        )
        return [int(hit["id"]) for hit in found[0]]

    return seconds, find


def _rows(corpus: Corpus, place: Home) -> Iterator[tuple[int, Floats]]:
    for first, part in in_parts(vectors_of(place.folder, corpus)):
        yield from enumerate(part, start=first)

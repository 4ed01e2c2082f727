"""Bulk load: vectors into the ledger and into a serving table, against a bare COPY BINARY of the same rows.

What is compared is time on the clock, the best of several rounds in turns: both sides wait for the same server, and
whatever else the machine does only adds to it. The bare side sends bytes that were prepared beforehand, so it is the
server's own speed; what a program gets that hands psycopg one row after another stands beside it. The second table is
what follows: rows moved from the ledger into a serving table by the swap, before its vector index exists and, for a
part of them, after.
"""

from __future__ import annotations

import argparse
import hashlib
import struct
import time
from collections.abc import Callable

import numpy as np
from common import home, say, table, verdict
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from kb_pipeline.embedding.truncation import normalized
from kb_pipeline.settings import Settings
from kb_pipeline.stages.embeddings import COMMIT_TEXTS
from kb_pipeline.stages.knowledge_chunks import DOCUMENTS_PER_SWAP
from kb_pipeline.stages.report import batched
from kb_pipeline.store import database, generations, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import GenerationKey

MODEL = "model"
LEAST_SHARE = 0.8
CHUNKS_PER_DOCUMENT = 10
DEFAULT_SIZES = ("100000x384", "20000x1024")
BARE_TABLE = """
CREATE TABLE bare (text_hash bytea NOT NULL, model_fingerprint text NOT NULL, embedding halfvec NOT NULL,
                   PRIMARY KEY (model_fingerprint, text_hash));
ALTER TABLE bare ALTER COLUMN embedding SET STORAGE EXTERNAL
"""
COPY_BARE = "COPY bare FROM STDIN (FORMAT binary)"
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--sizes", nargs="+", default=DEFAULT_SIZES, help="ROWSxDIMENSION, several (%(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="how often each is run (%(default)s)")
    choice = options.parse_args()
    loads, swaps = [], []
    with home() as place:
        place.start()
        with database.connect(place.database_url(), autocommit=True) as connection:
            for size in choice.sizes:
                rows, dimension = map(int, size.split("x"))
                say(f"{rows:,} vectors of {dimension} dimensions")
                loads.append(_load(connection, rows, dimension, choice.rounds))
                swaps.append(_swap(connection, rows, dimension))
    table(
        f"Into the ledger, {COMMIT_TEXTS} rows in a transaction: rows/s (best of {choice.rounds} runs)",
        ["rows x dimension", "row by row", "bare COPY BINARY", "insert_embeddings", "share of bare"],
        loads,
    )
    table(
        f"From the ledger into the serving table, {DOCUMENTS_PER_SWAP} documents of {CHUNKS_PER_DOCUMENT} chunks in a "
        "transaction: rows/s",
        ["rows x dimension", "without vector index", "building the index", "with vector index"],
        swaps,
    )
    worst = min(float(str(load[-1])) for load in loads)
    verdict("insert_embeddings / bare COPY", worst, f"at least {LEAST_SHARE:g}", met=worst >= LEAST_SHARE)


def _vectors(rows: int, dimension: int) -> NDArray[np.float32]:
    return normalized(np.random.default_rng(1).standard_normal((rows, dimension), dtype=np.float32))


def _load(connection: Connection, rows: int, dimension: int, rounds: int) -> list[object]:
    """[size, rows/s row by row, rows/s bare, ours, ours / bare]"""
    vectors = _vectors(rows, dimension)
    hashes = [hashlib.sha256(str(row).encode()).digest() for row in range(rows)]
    batches = [slice(start, start + COMMIT_TEXTS) for start in range(0, rows, COMMIT_TEXTS)]
    prepared = [_binary_rows(hashes[batch], vectors[batch]) for batch in batches]

    def bare() -> None:
        for data in prepared:
            with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY_BARE) as copy:
                copy.write(data)

    def row_by_row() -> None:
        for batch in batches:
            with connection.transaction(), connection.cursor() as cursor, cursor.copy(COPY_BARE) as copy:
                copy.set_types(["bytea", "text", "halfvec"])
                for text_hash, vector in zip(hashes[batch], vectors[batch], strict=True):
                    copy.write_row((text_hash, MODEL, HalfVector(vector)))

    def ours() -> None:
        for batch in batches:
            ledger.insert_embeddings(connection, MODEL, hashes[batch], vectors[batch])

    connection.execute("DROP TABLE IF EXISTS bare")
    connection.execute(sql.SQL(BARE_TABLE))
    database.register_types(connection)
    times: dict[Callable[[], None], list[float]] = {row_by_row: [], bare: [], ours: []}
    for _ in range(rounds):
        for load, seconds in times.items():
            connection.execute("TRUNCATE bare, embeddings")
            connection.execute("CHECKPOINT")
            seconds.append(_seconds(load))
    connection.execute("DROP TABLE bare")
    rates = [rows / min(seconds) for seconds in times.values()]
    return [f"{rows:,} x {dimension}", *rates, rates[-1] / rates[-2]]


def _binary_rows(hashes: list[bytes], vectors: NDArray[np.float32]) -> bytes:
    """What COPY BINARY takes, made beforehand, so that the bare side is the server's own speed."""
    halves = vectors.astype(">f2")
    dimension = vectors.shape[1]
    rows = [COPY_HEADER]
    model = MODEL.encode()
    for text_hash, half in zip(hashes, halves, strict=True):
        rows.append(struct.pack("!hi", 3, len(text_hash)) + text_hash + struct.pack("!i", len(model)) + model)
        rows.append(struct.pack("!ihh", 4 + 2 * dimension, dimension, 0) + half.tobytes())
    return b"".join([*rows, struct.pack("!h", -1)])


def _swap(connection: Connection, rows: int, dimension: int) -> list[object]:
    """[size, rows/s without the vector index, rows/s of building it, rows/s with it]"""
    connection.execute("TRUNCATE documents, chunks, generation_documents CASCADE")
    connection.execute("INSERT INTO sources (uri) VALUES ('benchmark') ON CONFLICT DO NOTHING")
    connection.execute(sql.SQL(DOCUMENTS), [CHUNKS_PER_DOCUMENT, rows // CHUNKS_PER_DOCUMENT])
    connection.execute(sql.SQL(CHUNKS), [CHUNKS_PER_DOCUMENT])
    connection.execute("ANALYZE")
    documents = [row[0] for row in connection.execute("SELECT id FROM documents ORDER BY id")]
    key = GenerationKey(MODEL, MODEL, dimension, dimension, Settings().query_instruction)
    generation = generations.ensure_generation(connection, key)
    again = documents[: max(DOCUMENTS_PER_SWAP, len(documents) // 20)]

    def swap(chosen: list[int]) -> int:
        return sum(generations.swap_documents(connection, generation, ids).inserted for ids in batched(chosen, 100))

    loading = _seconds(lambda: swap(documents))
    indexing = _seconds(lambda: generations.ensure_vector_index(connection, generation))
    connection.execute("UPDATE chunks SET content = content || ' again' WHERE document_id = ANY(%s)", [again])
    replacing = _seconds(lambda: swap(again))
    return [
        f"{rows:,} x {dimension}",
        rows / loading,
        rows / indexing,
        len(again) * CHUNKS_PER_DOCUMENT / replacing,
    ]


DOCUMENTS = """
INSERT INTO documents (source_id, path, shard_hash, collection, size, content_hash, revision,
                       chunk_count)
SELECT (SELECT id FROM sources LIMIT 1), 'document ' || n, '00', 'default', 1, sha256(n::text::bytea), 1, %s
FROM generate_series(1, %s) AS n
"""
# Chunk k of the documents, in order, holds the text whose hash is that of the k-th vector.
CHUNKS = """
INSERT INTO chunks (document_id, chunk_key, ordinal, text_hash, content, section_path, language, token_count, lexemes,
                    metadata)
SELECT d.id, md5(d.place || ' ' || n), n, sha256((d.place * size.chunks + n)::text::bytea),
       'chunk ' || n || ' of document ' || d.id || repeat(' and some more of what documents say', 10), '{}', 'en', 90,
       to_tsvector('simple', 'chunk ' || n || ' of document ' || d.id || ' and some more of what documents say'), '{}'
FROM (SELECT %s::int AS chunks) AS size,
     (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM documents) AS d,
     generate_series(0, size.chunks - 1) AS n
"""


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

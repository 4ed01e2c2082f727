"""What access by document costs a search by meaning, and what a change of groups costs.

    python benchmarks/bench_access.py --rows 100000 [--dims 64]

Passages with vectors by chance, five to a document. One document in a hundred names `hundredth`, one in ten `tenth`,
half of the rest `half`, and the others everyone. For principals of each group, and for anyone, who carries no
condition: the fewest passages that a ranking of a hundred has, and its times.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from common import say, table

from kb_pipeline.access.principal import ANYONE, Principal
from kb_pipeline.search.legs import Plan, by_meaning
from kb_pipeline.services.daemon import stop_all
from kb_pipeline.services.postgres import ensure_postgres
from kb_pipeline.store import access, database, generations
from kb_pipeline.store import search as store
from kb_pipeline.store.generations import Generation, GenerationKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection

CHUNKS_PER_DOCUMENT = 5
BATCH = 500  # documents whose groups are stored in one transaction, as by a scan
ROWS = """
INSERT INTO generation_1 (document_id, chunk_key, ordinal, content, embedding, source_file, collection, section_path,
                          language, token_count, metadata, lexemes)
SELECT 1 + n / %(chunks)s, n::text, n %% %(chunks)s, 'passage ' || n,
       l2_normalize(ARRAY(SELECT random() - 0.5 FROM generate_series(1, %(dims)s) WHERE n >= 0)::real[]::vector)
           ::halfvec,
       n / %(chunks)s || '.md', 'c' || n %% 10, '{}', 'en', 2, '{}', ''
FROM generate_series(0, %(rows)s - 1) n
"""
DOCUMENTS = """
INSERT INTO documents (source_id, path, shard_hash, collection, size)
SELECT 1, n || '.md', '00', 'c' || n %% 10, 1 FROM generate_series(1, %(documents)s) n
"""
PRINCIPALS = {
    "anyone": ANYONE,
    "everyone, half, tenth, hundredth": Principal("a", ("half", "tenth", "hundredth")),
    "everyone and half": Principal("h", ("half",)),
    "everyone": Principal("e"),
    "tenth of which nothing else is open": Principal("t", ("tenth",)),
    "hundredth of which nothing else is open": Principal("x", ("hundredth",)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=64)
    parser.add_argument("--questions", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kb-benchmark-") as scratch:
        try:
            url = ensure_postgres(Path(scratch), idle_seconds=600.0)
            database.migrate(url)
            with database.connect(url, autocommit=True) as connection:
                database.register_types(connection)
                _measure(connection, options)
        finally:
            stop_all(Path(scratch))


def _measure(connection: Connection, options: argparse.Namespace) -> None:
    documents = options.rows // CHUNKS_PER_DOCUMENT
    generation = _loaded(connection, options.rows, options.dims, documents)
    say("loaded")
    questions = np.random.default_rng(1).standard_normal((options.questions, options.dims)).astype(np.float32)
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    rows = []
    for alone in (False, True):
        seconds = _give_groups(connection, documents, alone=alone)
        for name, principal in PRINCIPALS.items():
            if ("nothing else" in name) is alone:
                rows.append(
                    [name, _share(connection, principal), *_times(connection, generation, principal, questions)]
                )
    columns = ["reads as", "documents", "fewest of 100", "p50 ms", "p99 ms"]
    table(f"{options.rows:,} passages of {documents:,} documents, {options.dims} dimensions, one client", columns, rows)
    table("Changes", ["", "seconds"], [[f"other groups of {documents:,} documents", f"{seconds:.1f}"]])


def _loaded(connection: Connection, rows: int, dims: int, documents: int) -> Generation:
    generation = generations.ensure_generation(connection, GenerationKey("f" * 16, "benchmark", dims, dims, ""))
    connection.execute("INSERT INTO sources (uri) VALUES ('/documents')")
    connection.execute(DOCUMENTS.encode(), {"documents": documents})
    connection.execute(ROWS.encode(), {"rows": rows, "dims": dims, "chunks": CHUNKS_PER_DOCUMENT})
    connection.execute("UPDATE generations SET row_count = %s", [rows])
    generations.activate_first(connection, generation)
    generations.ensure_vector_index(connection, generation)
    connection.execute("ANALYZE")
    return generations.named_generation(connection, generation.name)


def _groups(document: int, *, alone: bool) -> tuple[str, ...]:
    if document % 100 == 7:
        return ("hundredth",)
    if document % 10 == 3:
        return ("tenth",)
    if alone:
        return ()
    return ("half",) if document % 2 else ("everyone",)


def _give_groups(connection: Connection, documents: int, *, alone: bool) -> float:
    started = time.perf_counter()
    for first in range(1, documents + 1, BATCH):
        some = range(first, min(first + BATCH, documents + 1))
        access.store(connection, {document: _groups(document, alone=alone) for document in some})
    seconds = time.perf_counter() - started
    connection.execute("VACUUM ANALYZE document_access")
    return seconds


def _share(connection: Connection, principal: Principal) -> str:
    if principal.groups is None:
        return "all"
    statement = "SELECT avg((groups && %s)::integer) FROM document_access"
    row = connection.execute(statement, [["everyone", *principal.groups]]).fetchone()
    return f"{row[0]:.0%}" if row else ""


def _times(
    connection: Connection, generation: Generation, principal: Principal, questions: np.ndarray
) -> Iterator[object]:
    seconds, found = [], []
    warm = questions[:20]
    for number, question in enumerate([*warm, *questions]):
        plan = Plan(generation, principal.condition(), 10, (), question, "en")
        started = time.perf_counter()
        with store.snapshot(connection, depth=plan.depth, rows=generation.row_count):
            count = len(by_meaning(connection, plan, question))
        if number >= len(warm):
            seconds.append(1000 * (time.perf_counter() - started))
            found.append(count)
    yield min(found)
    yield from (f"{value:.1f}" for value in np.quantile(seconds, [0.5, 0.99]))


if __name__ == "__main__":
    main()

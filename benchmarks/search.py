"""Search at size: the product's own tables and its own search, against exact answers and against peers.

    python benchmarks/search.py --rows 100000 --dims 1024 [--home DIR] [--streaming] [--peers] [--data DIR]

The corpus is made (see `search_corpus`), loaded by COPY, indexed as the pipeline indexes, and asked. Shown:

  nearest          one ranking by vectors, over everything (`store.search.nearest`)
  by meaning       what a search does: aimed at each language (`search.legs.by_meaning`), without and with filters
  by words         `search.legs.by_words`: questions of 2, 8 and 20 terms, of common words only, and in Chinese
  hybrid           `search.retrieve.search` but for the question's vector, which is given

recall: how much of the true ten is among the ten found (by comparing every row; for words, by BM25 over every row).
CPU is that of the server's backend for one question. --streaming: the same questions while documents are swapped in
without a pause. --peers: a plain pgvector table as tutorials make it (`vector`, all defaults), and Milvus: that of
MILVUS_URI, else Milvus Lite; see `search_peer_requirements.txt`. --home keeps the loaded knowledge base in DIR and
uses it again. --data: how like real embeddings the made ones are, on the retrieval sets in DIR.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import search_exact as exact
from common import ROOT, Home, home, say, table, tree_cpu
from psycopg import sql
from search_corpus import CHUNKS_PER_DOCUMENT, FEWEST_DIMENSIONS, Corpus, Floats
from search_exact import Ids
from search_load import Loaded, build_index, delete_documents, load, path_of, replace_documents, sizes, vectors_of

from kb_pipeline.chunking.lexemes import query_terms
from kb_pipeline.search import legs
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.stages.knowledge_chunks import DOCUMENTS_PER_SWAP, rows_per_refresh
from kb_pipeline.store import database, generations
from kb_pipeline.store import search as store
from kb_pipeline.store.conditions import EVERYTHING, Column, Comparison, Membership, Node
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import Generation

K = 10
CLIENTS = (1, 4, 16)
SECONDS = 4.0  # for each number of clients
COLUMNS = ["", "recall@10", "fewest rows", "p50 ms", "p95 ms", "p99 ms", "CPU ms"]
HUNDREDTH: Node = Membership(Column("collection"), ("hundredth",))
TENTH: Node = Membership(Column("collection"), ("tenth",))
Ask = Callable[[Connection, Generation], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Questions of one kind; `expected` is empty where there is no single truth."""

    name: str
    asks: Sequence[Ask]
    expected: Ids = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dims", type=int, default=1024)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--home", type=Path, help="keep the loaded knowledge base here")
    parser.add_argument("--only", help="kinds of questions whose name holds this")
    parser.add_argument("--streaming", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--data", type=Path, help="the folder of the retrieval sets")
    options = parser.parse_args()
    if options.dims < FEWEST_DIMENSIONS:
        parser.error(f"--dims is at least {FEWEST_DIMENSIONS}.")
    corpus = Corpus(options.rows, options.dims)
    if options.data:
        from search_real import compare

        compare(options.data)
    with _home(options.home) as place:
        place.start()
        database.migrate(place.database_url())
        with database.connect(place.database_url(), autocommit=True) as connection:
            generation, loaded = _loaded(place.database_url(), connection, corpus, place.folder)
            loaded = build_index(connection, generation, loaded, place.folder)
            _report_load(loaded)
            measured = list(_kinds(connection, generation, corpus, place.folder, options))
            measured = [kind for kind in measured if not options.only or options.only in kind.name]
            _warm(connection, generation)
            title = f"{corpus.rows:,} rows of {corpus.dimension} dimensions, one client, warm"
            table(title, COLUMNS, [_measure(connection, generation, kind) for kind in measured])
            table("Questions a second", ["clients", *map(str, CLIENTS)], _rates(place, generation, measured))
            if options.streaming:
                with _streaming(place, generation, corpus):
                    # What is true changes meanwhile, so only what it costs is shown.
                    rows = [_measure(connection, generation, Kind(kind.name, kind.asks)) for kind in measured]
                table("The same while documents are swapped in", COLUMNS, rows)
            if options.streaming or not options.home:
                _report_changes(connection, generation, corpus, place.folder)
        if options.peers:
            from search_peers import compare_peers

            compare_peers(place, corpus, options.questions)


@contextmanager
def _home(kept: Path | None) -> Iterator[Home]:
    if kept is None:
        with home() as place:
            yield place
        return
    kept.mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KB_", "DAGSTER_"))}
    yield Home(kept.resolve(), {**environment, "KB_HOME": str(kept.resolve() / "kb"), "PYTHONPATH": str(ROOT)})


def _loaded(url: str, connection: Connection, corpus: Corpus, folder: Path) -> tuple[Generation, Loaded]:
    try:
        loaded = Loaded.read(folder)
    except FileNotFoundError:
        return load(url, connection, corpus, folder)
    if (loaded.rows, loaded.dimension) != (corpus.rows, corpus.dimension):
        sys.exit(f"{folder} holds {loaded.rows:,} rows of {loaded.dimension} dimensions; choose another --home.")
    return generations.named_generation(connection, "g1"), loaded


def _report_load(loaded: Loaded) -> None:
    total = loaded.table_bytes + loaded.index_bytes
    columns = ["load rows/s", "index s", "words s", "table B/row", "indexes B/row", "HNSW B/row", "all B/row"]
    parts = [part / loaded.rows for part in (loaded.table_bytes, loaded.index_bytes, loaded.vector_index_bytes, total)]
    seconds = [loaded.rows / loaded.load_seconds, loaded.build_seconds, loaded.words_seconds]
    table("Loading", columns, [[f"{value:,.0f}" for value in (*seconds, *parts)]])


def _warm(connection: Connection, generation: Generation) -> None:
    """Read the table once; the first questions of each kind, which are not measured, do so with the indexes."""
    statement = sql.SQL("SELECT sum(vector_norm(embedding::vector)) FROM {}")
    connection.execute(statement.format(generation.table))


# --- the questions -------------------------------------------------------------------------------------


def _kinds(
    connection: Connection, generation: Generation, corpus: Corpus, folder: Path, options: argparse.Namespace
) -> Iterator[Kind]:
    english = np.flatnonzero(~corpus.chinese_rows())[:: max(corpus.rows // 20_000, 1)]
    questions = corpus.questions(vectors_of(folder, corpus)[english], options.questions)
    with store.snapshot(connection):
        means = store.language_means(connection, generation)
    wanted = options.only or ""
    say("finding the exact answers")

    def nearest(vector: Floats) -> Ask:
        return lambda c, g: [row for row, _ in store.nearest(c, g, vector, EVERYTHING, legs.SMALLEST_DEPTH)]

    def meaning(vector: Floats, node: Node | None) -> Ask:
        return lambda c, g: [row for row, _ in legs.by_meaning(c, legs.Plan(g, node, K, (), vector, "en"), vector)]

    def words(text: str) -> Ask:
        terms, language = tuple(query_terms(text)), "en" if text.isascii() else "zh"
        return lambda c, g: [row for row, _ in legs.by_words(c, legs.Plan(g, None, K, terms, None, language)).ranked]

    if wanted in "nearest":
        yield Kind("nearest", [nearest(q) for q in questions], exact.nearest(folder, corpus, questions, K))
    some = corpus.documents // 2
    document: Node = Comparison(Column("source_file"), "=", path_of(some))
    for name, node, passes in (
        ("by meaning", None, None),
        ("by meaning, 10 %", TENTH, exact.passing(corpus, "tenth")),
        ("by meaning, 1 %", HUNDREDTH, exact.passing(corpus, "hundredth")),
        ("by meaning, one document", document, exact.passing(corpus, document=some)),
    ):
        if wanted in name:
            expected = exact.by_meaning(folder, corpus, questions, K, means, passes)
            yield Kind(name, [meaning(q, node) for q in questions], expected)
    scored = exact.Words(folder)
    few = max(options.questions // 6, 5)
    texts = {f"by words, {terms} terms": corpus.words_asked(few, terms, "mixed") for terms in (2, 8, 20)}
    texts["by words, 8 common"] = corpus.words_asked(few, 8, "common")
    texts["by words, Chinese, 4 words"] = corpus.words_asked(few, 4, "mixed", "zh")
    for name, asked in texts.items():
        if wanted in name:
            yield Kind(name, [words(text) for text in asked], [scored.best(text, K)[0] for text in asked])
    eight = texts["by words, 8 terms"]
    if wanted in "hybrid":
        yield Kind("hybrid", [_hybrid(eight[n % few], question) for n, question in enumerate(questions)])


def _hybrid(text: str, vector: Floats) -> Ask:
    def ask(connection: Connection, generation: Generation) -> list[int]:
        identity = SimpleNamespace(fingerprint=generation.model_fingerprint, name=generation.model)
        embedder = SimpleNamespace(identity=identity, embed_query=lambda *_: vector)
        request = SearchRequest(text, k=K, logged=False)
        result = search(lambda: nullcontext(connection), request, embedder=lambda: embedder, mask=lambda one, _: [one])  # type: ignore[arg-type,return-value]
        return [hit.rank for hit in result.hits]

    return ask


# --- measuring -----------------------------------------------------------------------------------------


def _measure(connection: Connection, generation: Generation, kind: Kind) -> list[object]:
    """A row of COLUMNS."""
    for ask in kind.asks[:20]:
        _asked(connection, generation, kind, ask)
    backend = connection.info.backend_pid
    before, seconds, found = tree_cpu(backend), [], []
    for ask in kind.asks:
        started = time.perf_counter()
        found.append(_asked(connection, generation, kind, ask))
        seconds.append(time.perf_counter() - started)
    cpu = (tree_cpu(backend) - before) / len(kind.asks)
    recall = f"{exact.overlap(found, kind.expected, K):.3f}" if kind.expected else ""
    times = [f"{value * 1000:.1f}" for value in np.quantile(seconds, [0.5, 0.95, 0.99])]
    row = [kind.name, recall, min(len(ids) for ids in found), *times, f"{cpu * 1000:.1f}"]
    say("  ".join(map(str, row)))  # a million rows take an hour, and much may happen until the table is whole
    return row


def _asked(connection: Connection, generation: Generation, kind: Kind, ask: Ask) -> list[int]:
    if kind.name == "hybrid":  # it opens its own transactions
        return list(ask(connection, generation))
    with store.snapshot(connection, depth=legs.SMALLEST_DEPTH, rows=generation.row_count):
        return list(ask(connection, generation))


def _rates(place: Home, generation: Generation, kinds: Sequence[Kind]) -> list[list[object]]:
    context = multiprocessing.get_context("fork")
    rows = []
    for kind in kinds:
        if kind.name not in {"nearest", "by meaning", "by meaning, 1 %", "by words, 8 terms", "hybrid"}:
            continue
        row: list[object] = [kind.name]
        for clients in CLIENTS:
            done: multiprocessing.Queue[int] = context.Queue()
            workers = [
                context.Process(target=_client, args=(place.database_url(), generation, kind, number, done))
                for number in range(clients)
            ]
            for worker in workers:
                worker.start()
            row.append(sum(done.get() for _ in workers) / SECONDS)
            for worker in workers:
                worker.join()
        rows.append(row)
    return rows


def _client(url: str, generation: Generation, kind: Kind, number: int, done: multiprocessing.Queue[int]) -> None:
    with database.connect(url, autocommit=True) as connection:
        database.register_types(connection)
        end, count = time.perf_counter() + SECONDS, 0
        while time.perf_counter() < end:
            _asked(connection, generation, kind, kind.asks[(number * 31 + count) % len(kind.asks)])
            count += 1
    done.put(count)


# --- changes -------------------------------------------------------------------------------------------


@contextmanager
def _streaming(place: Home, generation: Generation, corpus: Corpus) -> Iterator[None]:
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=_stream, args=(place, generation, corpus), daemon=True)
    worker.start()
    try:
        yield
    finally:
        worker.terminate()
        worker.join()


def _stream(place: Home, generation: Generation, corpus: Corpus) -> None:
    """Replace documents, one swap after another, for ever; what the pipeline does between them is done here, too."""
    unread, documents = 0, corpus.documents
    with database.connect(place.database_url(), autocommit=True) as connection:
        database.register_types(connection)
        for round_ in itertools.count(1):
            first = (round_ * DOCUMENTS_PER_SWAP) % max(documents - DOCUMENTS_PER_SWAP, 1) + 1
            some = list(range(first, min(first + DOCUMENTS_PER_SWAP, documents)))
            replace_documents(connection, generation, some, round_, place.folder, corpus)
            unread += len(some) * CHUNKS_PER_DOCUMENT
            if unread > rows_per_refresh(generation.row_count, is_indexed=True):
                generations.refresh_words(connection, generation)
                unread = 0


def _report_changes(connection: Connection, generation: Generation, corpus: Corpus, folder: Path) -> None:
    database.register_types(connection)
    some = list(range(corpus.documents // 2, corpus.documents // 2 + min(1_000, corpus.documents // 10)))
    rows: list[list[object]] = []
    replaced = replace_documents(connection, generation, some, 1, folder, corpus)
    rows.append([f"{len(some):,} documents replaced", f"{replaced:.1f}"])
    rows.append([f"{len(some):,} documents deleted", f"{delete_documents(connection, generation, some):.1f}"])
    total = sum(sizes(connection, generation)[:2])
    rows.append(["bytes a row afterwards", f"{total / corpus.rows:,.0f}"])
    table("Changes", ["", "seconds"], rows)


if __name__ == "__main__":
    main()

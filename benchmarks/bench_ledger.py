"""What the ledger costs a run: one with nothing to do, and one after one file changed, by size of the knowledge base.

For each size a knowledge base of made-up documents, five chunks each, is written with the ledger's own functions, by
COPY, so that the tables look as the pipeline leaves them; its files lie in a folder. Then Dagster's job runs in this
process, checks included, and what counts is the seconds that PostgreSQL was executing its statements, as its own
statistics (`active_time`) tell them: embedding, parsing and listing are left out. On a machine that does other things
as well they hold much waiting, so the CPU seconds of the server stand beside them, which hold what it does in the
background, too. Medians of several runs. The vectors are short, and their index is built with few links, since no
statement that is measured reads it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from common import Home, home, say, table, verdict, write_tiny_files

from kb_pipeline.chunking.chunks import Chunk
from kb_pipeline.chunking.lexemes import occurrences
from kb_pipeline.operations.jobs import REFRESH
from kb_pipeline.parsing.elements import CleanedDocument, Element
from kb_pipeline.settings import load_settings
from kb_pipeline.site import Site, open_site
from kb_pipeline.source.listing import entry_of, list_source, shard_names
from kb_pipeline.stages import raw_documents
from kb_pipeline.stages.embeddings import generation_key
from kb_pipeline.stages.planning import make_plan, spans
from kb_pipeline.stages.report import batched
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.ledger import ChunkedDocument
from kb_pipeline_tests.instant_embedding_server import instant_server

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

SIZES = (1_000, 30_000, 100_000)
CHUNKS = 5
DIMENSION = 16
MOST_IDLE = 0.3  # seconds of SQL of a run with nothing to do, whatever the size
MOST_GROWTH = 1.2  # a changed file's run at the largest size, against the smallest
SPARSE_INDEX = "CREATE INDEX {} ON {} USING hnsw (embedding halfvec_cosine_ops) WITH (m = 4, ef_construction = 8)"
WORDS = [f"word{number}" for number in range(20_000)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="documents (%(default)s)")
    options.add_argument("--rounds", type=int, default=5, help="how often each run is measured (%(default)s)")
    options.add_argument("--statements", action="store_true", help="name the dearest statements of each run")
    choice = options.parse_args()
    with instant_server(dimension=DIMENSION) as server:  # one for all: the definitions are made once, with its URL
        rows = [_measure(server.base_url, size, choice.rounds, statements=choice.statements) for size in choice.sizes]
    names = ["documents"]
    names += [f"{run}, {unit}" for run in ("tick", "nothing to do", "one file changed") for unit in ("s", "CPU-s")]
    table(f"SQL of a look at the sources and of two runs, medians of {choice.rounds}", names, rows)
    idle, growth = rows[-1][3], rows[-1][5] / rows[0][5]
    verdict(f"Nothing to do, {rows[-1][0]:,} documents, s", idle, f"at most {MOST_IDLE}", met=idle <= MOST_IDLE)
    verdict("One file changed, largest / smallest", growth, f"at most {MOST_GROWTH}", met=growth <= MOST_GROWTH)


def _measure(url: str, size: int, rounds: int, *, statements: bool) -> list[float]:
    """documents, and of a look at the sources, a run with nothing to do and one for a changed file: s, CPU-s"""
    with home(embedding_url=url) as place, ExitStack() as stack:
        os.environ.update(place.environment)
        os.chdir(place.folder)  # away from the kb.toml of the checkout
        documents = place.folder / "documents"
        say(f"{size:,} documents: writing")
        write_tiny_files(documents, size)
        site = stack.enter_context(open_site(load_settings()))
        _fill(site, documents)
        every = shard_names(site.settings.shard_digits)
        _refresh(site, every)  # counts the words
        site.connect().execute("VACUUM ANALYZE")
        _refresh(site, every)
        say(f"{size:,} documents: measuring")
        costs: dict[str, list[tuple[float, float]]] = {"tick": [], "nothing": [], "changed": []}
        for number in range(rounds):
            named = statements and number == rounds - 1
            costs["tick"].append(_cost(place, site, lambda: _plan(site)))
            with _naming("nothing to do", named):
                costs["nothing"].append(_cost(place, site, lambda: _refresh(site, every)))
            _change(documents / "team-0" / "0000" / "note-000000.txt", number)
            (span,) = _plan(site)
            with _naming("one file changed", named):
                costs["changed"].append(_cost(place, site, lambda span=span: _refresh(site, span)))  # type: ignore[misc]
            if _plan(site):
                sys.exit("The run left the changed file as it was.")
        row = [size, *(median(each) for rounds in costs.values() for each in zip(*rounds, strict=True))]
        say(f"{size:,} documents: " + ", ".join(f"{number:.3f}" for number in row[1:]))
        return row


def _plan(site: Site) -> list[list[str]]:
    with site.connect() as connection:
        plan = make_plan(connection, site.settings, site.scope(), site.names)
    return spans(plan.dirty, site.settings.documents_per_run)


def _refresh(site: Site, shards: Sequence[str]) -> None:
    from kb_pipeline.defs.execute import run_job

    run_job(site, REFRESH, shards)


def _change(file: Path, number: int) -> None:
    sections = [f"Section {section} of version {number}. " + "It says a few words more. " * 70 for section in range(4)]
    file.write_text("\n\n".join(sections))
    then = time.time() - 60 + number
    os.utime(file, (then, then))


def _cost(place: Home, site: Site, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds and CPU seconds of PostgreSQL for the statements of `work`, whose connections are closed at its end."""
    seconds, cpu = _active_seconds(site), place.postgres_cpu()
    work()
    return _active_seconds(site) - seconds, place.postgres_cpu() - cpu


def _active_seconds(site: Site) -> float:
    """Read on a connection to another database, whose own statements do not count."""
    name = psycopg.conninfo.conninfo_to_dict(site.database_url)["dbname"]
    with psycopg.connect(site.database_url, dbname="postgres", autocommit=True) as connection:
        row = connection.execute("SELECT active_time FROM pg_stat_database WHERE datname = %s", [name]).fetchone()
    return float(row[0]) / 1000 if row else 0.0


@contextmanager
def _naming(title: str, wanted: bool) -> Iterator[None]:
    """Say which statements took longest, as the client sees them."""
    if not wanted:
        yield
        return
    spent: defaultdict[str, list[float]] = defaultdict(list)
    execute = psycopg.Cursor.execute

    def timed(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(self, query, *arguments, **options)
        finally:
            text = query if isinstance(query, str) else query.as_string(self.connection)
            lines = [line for line in text.splitlines() if not line.startswith("--")]
            spent[" ".join(" ".join(lines).split())[:110]].append(time.perf_counter() - started)

    psycopg.Cursor.execute = timed  # type: ignore[method-assign]
    try:
        yield
    finally:
        psycopg.Cursor.execute = execute  # type: ignore[method-assign]
    dearest = sorted(spent.items(), key=lambda item: -sum(item[1]))
    table(
        f"{title}: {sum(map(len, spent.values()))} statements, {sum(map(sum, spent.values())) * 1000:.0f} ms",
        ["statement", "times", "ms"],
        [[text, len(times), sum(times) * 1000] for text, times in dearest[:16]],
    )


# --- a filled ledger ---------------------------------------------------------------------------------


def _fill(site: Site, documents: Path) -> None:
    """Everything that an ingest of `documents` would have left, whose texts are not those of the files."""
    connection = site.connect()
    ledger.register_source(connection, str(documents))
    (source,) = ledger.sources(connection)
    entries = [
        (entry_of(line), hashlib.sha256(line.encode()).digest()) for line in sorted(list_source(source.uri).signatures)
    ]
    with connection.transaction():
        for found in batched(entries, 5_000):
            ledger.insert_documents(connection, source, found)
    raw_documents.run(site, None)  # remembers that the names hold nothing
    generation = generations.ensure_generation(connection, generation_key(site.embedding.identity, site.settings))
    scope = site.scope()
    ledger.register_policies(connection, site.parse_policies())
    parsed = CleanedDocument((Element("NarrativeText", "A few words."),), metadata={"format": "text"})
    with connection.transaction():
        for jobs in batched(ledger.pending_elements(connection, scope), 5_000):
            ledger.insert_elements(connection, [(job, parsed) for job in jobs])
    say("elements are there")
    maker = random.Random(1)
    with connection.transaction():
        for some in batched(ledger.pending_chunks(connection, scope), 5_000):
            ledger.replace_chunks(connection, {job.id: _chunked(job, maker) for job in some})
    connection.execute("ANALYZE")
    say("chunks are there")
    model = generation.model_fingerprint
    hashes = [row[0] for row in connection.execute("SELECT DISTINCT text_hash FROM chunks")]
    vectors = np.random.default_rng(1).normal(size=(len(hashes), DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for start in range(0, len(hashes), 20_000):
        ledger.insert_embeddings(connection, model, hashes[start : start + 20_000], vectors[start : start + 20_000])
    connection.execute("ANALYZE")
    pending = ledger.pending_loads(connection, scope, [generation.id])
    for loads in batched([document for document, _ in pending], 2_000):
        generations.swap_documents(connection, generation, loads)
    _sparse_index(connection, generation)
    say("the table is loaded")


def _chunked(job: Any, maker: random.Random) -> ChunkedDocument:
    chunks, said = [], []
    for ordinal in range(CHUNKS):
        words = maker.choices(WORDS, k=40)
        content = f"Document {job.id}, part {ordinal}: " + " ".join(words)
        chunks.append(
            Chunk(
                chunk_key=hashlib.sha256(content.encode()).hexdigest()[:32],
                ordinal=ordinal,
                content=content,
                page_number=1,
                page_end=1,
                section_path=(),
                language="en",
                token_count=90,
                metadata={},
            )
        )
        said.append(occurrences(content))
    return ChunkedDocument(job, chunks, said)


def _sparse_index(connection: Connection, generation: Generation) -> None:
    from psycopg import sql

    index = sql.Identifier(f"generation_{generation.id}_embedding")
    connection.execute(sql.SQL(SPARSE_INDEX).format(index, generation.table))


if __name__ == "__main__":
    main()

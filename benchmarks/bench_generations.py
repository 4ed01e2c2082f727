"""From one dimension to a smaller one: building a generation beside the live one, against building its index alone.

A build copies what the native vectors and the chunks hold, makes the word index and the vector index, and embeds
nothing. What is compared is CPU seconds of the database in the same run, without those of the searches: all of the
build, against CREATE INDEX of the vector index on a table that holds the same rows already. Meanwhile another thread
searches all the time, by words and by meaning, through build, activation, rollback and drop, and counts what fails.

The vectors are in clusters, 64 latent dimensions each: those of a model are no uniform noise, which no index finds.
"""

from __future__ import annotations

import argparse
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from bench_load import CHUNKS, CHUNKS_PER_DOCUMENT, DOCUMENTS, MODEL
from common import Home, home, say, table, tree_cpu, verdict
from psycopg import sql

from kb_pipeline.embedding.client import ModelIdentity
from kb_pipeline.embedding.models import profile_for
from kb_pipeline.embedding.truncation import normalized
from kb_pipeline.search.request import SearchRequest
from kb_pipeline.search.retrieve import search
from kb_pipeline.settings import load_settings
from kb_pipeline.site import Site
from kb_pipeline.stages import knowledge_chunks
from kb_pipeline.store import database, generations, ledger
from kb_pipeline.store.generations import GenerationKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kb_pipeline.store.database import Connection

MOST_RATIO = 1.2
CLUSTERS, LATENT = 200, 64
AT_ONCE = 20_000  # rows
PAUSE = 0.02  # seconds between searches: they are there to fail, not to take the processor


@dataclass
class Searches:
    """What the searching thread saw."""

    backend: int = 0  # process of the database
    milliseconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    options.add_argument("--rows", type=int, default=100_000, help="passages (%(default)s)")
    options.add_argument("--native", type=int, default=1024, help="dimensions of the model (%(default)s)")
    options.add_argument("--dimension", type=int, default=512, help="of the new generation (%(default)s)")
    choice = options.parse_args()
    with home() as place:
        place.start()
        url = place.database_url()
        site = Site(load_settings(home=place.path), url)
        with site, site.connect() as connection:
            _measure(place, site, connection, choice.rows, choice.native, choice.dimension)


def _measure(place: Home, site: Site, connection: Connection, rows: int, native: int, dimension: int) -> None:
    say(f"{rows:,} passages of {native} dimensions")
    questions = _fill(connection, rows, native)
    first = generations.ensure_generation(connection, GenerationKey(MODEL, MODEL, native, native, ""))
    knowledge_chunks.run(site, None, target=first)
    stop, seen = threading.Event(), Searches()
    thread = threading.Thread(target=_search, args=(place.database_url(), questions, stop, seen))
    thread.start()
    try:
        second = generations.ensure_generation(connection, GenerationKey(MODEL, MODEL, native, dimension, ""))
        say("building beside it")
        build = _cost(place, lambda: knowledge_chunks.run(site, None, target=second), seen.backend)
        switches = []
        for generation in (second, first, second):
            begun = time.perf_counter()
            missing = generations.activate(connection, generation)
            switches.append(1000 * (time.perf_counter() - begun))
            if missing:
                seen.failed.append(f"{missing} documents missing")
        knowledge_chunks.note(connection, site.scope(), second)
        generations.drop(connection, first)
    finally:
        stop.set()
        thread.join()
    say("building its index alone")
    connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(f"generation_{second.id}_embedding")))
    alone = _cost(place, lambda: generations.ensure_vector_index(connection, second, memory=_memory()))
    size = connection.execute("SELECT pg_total_relation_size(%s::regclass)", [f"generation_{second.id}"]).fetchone()
    table(
        f"{rows:,} passages from {native} to {dimension} dimensions",
        ["", "seconds", "CPU seconds"],
        [["build beside the live generation", *build], ["its vector index alone", *alone]],
    )
    table(
        "Meanwhile",
        ["searches", "failed", "p50 ms", "worst ms", "switch, worst ms", "bytes a row"],
        [
            [
                len(seen.milliseconds),
                len(seen.failed),
                median(seen.milliseconds),
                max(seen.milliseconds),
                max(switches),
                (size[0] if size else 0) / rows,
            ]
        ],
    )
    for failure in seen.failed[:3]:
        say(failure)
    ratio = build[1] / alone[1]
    verdict("build / index alone, CPU", ratio, f"at most {MOST_RATIO:g}", met=ratio <= MOST_RATIO and not seen.failed)


def _memory() -> int:
    import psutil

    return psutil.virtual_memory().total


def _cost(place: Home, work: Callable[[], object], without: int | None = None) -> tuple[float, float]:
    """Seconds on the clock, and CPU seconds of the database; `without` those of one of its processes."""

    def used() -> float:
        return place.postgres_cpu() - (tree_cpu(without) if without else 0.0)

    before, begun = used(), time.perf_counter()
    work()
    return time.perf_counter() - begun, used() - before


def _fill(connection: Connection, rows: int, native: int) -> NDArray[np.float32]:
    """Documents, chunks and native vectors; a few questions."""
    random = np.random.default_rng(1)
    centres = random.standard_normal((CLUSTERS, native)).astype(np.float32)
    latent = random.standard_normal((CLUSTERS, LATENT, native)).astype(np.float32) / np.sqrt(LATENT)
    connection.execute("INSERT INTO sources (uri) VALUES ('benchmark')")
    connection.execute(sql.SQL(DOCUMENTS), [CHUNKS_PER_DOCUMENT, rows // CHUNKS_PER_DOCUMENT])
    connection.execute(sql.SQL(CHUNKS), [CHUNKS_PER_DOCUMENT])
    hashes = [row[0] for row in connection.execute("SELECT text_hash FROM chunks ORDER BY document_id, ordinal")]

    def drawn(count: int) -> NDArray[np.float32]:
        clusters = random.integers(CLUSTERS, size=count)
        vectors = np.empty((count, native), np.float32)
        for cluster in np.unique(clusters):
            of_it = clusters == cluster
            weights = random.standard_normal((int(of_it.sum()), LATENT)).astype(np.float32)
            vectors[of_it] = centres[cluster] + weights @ latent[cluster]
        return normalized(vectors)

    for start in range(0, rows, AT_ONCE):
        some = hashes[start : start + AT_ONCE]
        ledger.insert_embeddings(connection, MODEL, some, drawn(len(some)))
    connection.execute("ANALYZE")
    return drawn(100)


@dataclass(frozen=True)
class Asked:
    """Stands for the embedding client: a question's number is its text."""

    questions: NDArray[np.float32]
    identity: ModelIdentity

    def embed_query(self, text: str, *_: object) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.questions[int(text.rpartition(" ")[2]) % len(self.questions)]
        return vector


def _search(url: str, questions: NDArray[np.float32], stop: threading.Event, seen: Searches) -> None:
    """Hybrid searches, one after the other."""
    identity = ModelIdentity(MODEL, questions.shape[1], None, profile_for(MODEL), MODEL, None)
    client: Any = Asked(questions, identity)
    number = 0
    with database.connect(url, autocommit=True) as connection:
        seen.backend = connection.info.backend_pid
        while not stop.wait(PAUSE):
            number += 1
            begun = time.perf_counter()
            try:
                request = SearchRequest(f"what document says of chunk {number}", logged=False)
                found = search(
                    lambda: nullcontext(connection), request, embedder=lambda: client, mask=lambda text, _: [text]
                )
                if len(found.hits) != request.k or found.mode != "hybrid":
                    raise RuntimeError(f"{len(found.hits)} hits by {found.mode}")
            except Exception as error:  # noqa: BLE001 - counted, whatever it is
                seen.failed.append(f"{type(error).__name__}: {error}")
                continue
            seen.milliseconds.append(1000 * (time.perf_counter() - begun))


if __name__ == "__main__":
    main()

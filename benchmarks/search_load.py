"""The corpus in the product's own tables: loaded, indexed, and changed while others search.

Rows go into the serving table by COPY BINARY, the word index in place, as the pipeline's swaps leave them; documents
and what is recorded of them are rows of the ledger. Chunks and native vectors are only made for documents that are
replaced, since no search looks at them.
"""

from __future__ import annotations

import gc
import hashlib
import json
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from pathlib import Path

import numpy as np
import psutil
from common import say
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql
from psycopg.types.json import Jsonb
from search_corpus import CHUNKS_PER_DOCUMENT, Corpus, Floats, unit

from kb_pipeline.chunking.lexemes import PlainOccurrence, plain_occurrences
from kb_pipeline.stages.knowledge_chunks import DOCUMENTS_PER_SWAP
from kb_pipeline.stages.report import batched
from kb_pipeline.store import database, generations, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import Generation, GenerationKey
from kb_pipeline.store.tsvector import TsVector
from kb_pipeline_tests.integration.search.serving import COLUMNS

MODEL = "Qwen3-Embedding-0.6B"  # it speaks both languages; nothing is embedded
FINGERPRINT = "search-benchmark"
ROWS_PER_TRANSACTION = 5_000
LOADERS = 2  # processes that make rows and copy them side by side, as runs over several shards do
INSTRUCTION = "benchmark"
DRIFT = 0.3  # of the vector of a passage that was written anew


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading cost. Bytes are those of the whole relation, and of its vector index."""

    rows: int
    dimension: int
    load_seconds: float
    words_seconds: float
    build_seconds: float
    table_bytes: int
    index_bytes: int
    vector_index_bytes: int

    @classmethod
    def read(cls, folder: Path) -> Loaded:
        """Raises FileNotFoundError when `folder` was not loaded whole."""
        known = json.loads((folder / "loaded.json").read_text())
        return cls(**{field.name: known[field.name] for field in fields(cls)})

    def write(self, folder: Path) -> None:
        (folder / "loaded.json").write_text(json.dumps(asdict(self), indent=1))


def collection_of(document: int) -> str:
    """One document in a hundred is in `hundredth`, one in ten in `tenth`, the others in eight more."""
    return "hundredth" if document % 100 == 7 else "tenth" if document % 10 == 3 else f"team-{document % 8}"


def path_of(document: int) -> str:
    return f"{collection_of(document)}/{document // 1000:04d}/document-{document:07d}.md"


def load(url: str, connection: Connection, corpus: Corpus, folder: Path) -> tuple[Generation, Loaded]:
    """Into an empty database; `folder` takes the vectors and tokens, for exact answers. No vector index is built."""
    key = GenerationKey(FINGERPRINT, MODEL, corpus.dimension, corpus.dimension, INSTRUCTION)
    generation = generations.ensure_generation(connection, key)
    loading = _load_rows(url, connection, generation, corpus, folder)
    _load_documents(connection, generation, corpus)
    generations.activate(connection, generation)
    started = time.perf_counter()
    generations.refresh_statistics(connection, generation)
    words = time.perf_counter() - started
    say(f"loaded {corpus.rows:,} rows in {loading:,.0f} s, lexemes counted in {words:,.0f} s")
    loaded = Loaded(corpus.rows, corpus.dimension, loading, words, 0.0, *sizes(connection, generation))
    loaded.write(folder)
    return generation, loaded


def build_index(connection: Connection, generation: Generation, loaded: Loaded, folder: Path) -> Loaded:
    """What is known once there is a vector index, which is built where it is missing."""
    started = time.perf_counter()
    if not generations.ensure_vector_index(connection, generation, memory=psutil.virtual_memory().total):
        return loaded
    building = time.perf_counter() - started
    say(f"built the vector index in {building:,.0f} s")
    table, indexes, vector_index = sizes(connection, generation)
    built = replace(
        loaded, build_seconds=building, table_bytes=table, index_bytes=indexes, vector_index_bytes=vector_index
    )
    built.write(folder)
    return built


def sizes(connection: Connection, generation: Generation) -> tuple[int, int, int]:
    """Bytes of the table with what it holds out of line, of all its indexes, and of the vector index."""
    found = connection.execute(sql.SQL(SIZES), {"table": f"generation_{generation.id}"}).fetchall()
    table, indexes, vector_index = map(int, found[0])
    return table, indexes, vector_index


SIZES = """
SELECT pg_table_size(%(table)s::regclass), pg_indexes_size(%(table)s::regclass),
       coalesce((SELECT sum(pg_relation_size(i.indexrelid)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                 JOIN pg_am a ON a.oid = c.relam WHERE i.indrelid = %(table)s::regclass AND a.amname = 'hnsw'), 0)
"""


def _load_rows(url: str, connection: Connection, generation: Generation, corpus: Corpus, folder: Path) -> float:
    """Seconds that the database took; making the corpus, which several processes do, is not counted."""
    corpus.vocabulary  # noqa: B018 - made before the processes part, so that they share it
    np.memmap(folder / "vectors.f16", np.float16, "w+", shape=(corpus.rows, corpus.dimension)).flush()
    batches = [(url, generation, corpus, folder, first) for first in range(0, corpus.rows, ROWS_PER_TRANSACTION)]
    seconds, known = 0.0, dict[str, int]()
    counts: list[NDArray[np.int32]] = []
    lengths: list[NDArray[np.int32]] = []
    with (
        (folder / "tokens.i32").open("wb") as held,
        multiprocessing.get_context("fork").Pool(LOADERS) as loaders,
    ):
        for number, part in enumerate(loaders.imap(_load_batch, batches)):
            numbers = np.array([known.setdefault(lexeme, len(known)) for lexeme in part.lexemes], np.int32)
            held.write(numbers[part.tokens].tobytes())
            counts.append(part.counts)
            lengths.append(part.lengths)
            seconds += part.seconds / LOADERS
            if number % 10 == 0:
                say(f"{number * ROWS_PER_TRANSACTION + len(part.counts):,} rows")
    (folder / "lexemes.txt").write_text("\n".join(known), encoding="utf-8")
    np.save(folder / "counts.npy", np.concatenate(counts))
    np.save(folder / "lengths.npy", np.concatenate(lengths))
    connection.execute(
        "UPDATE generations SET row_count = %s, churn = %s WHERE id = %s", [corpus.rows, corpus.rows, generation.id]
    )
    statement = sql.SQL("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)")
    connection.execute(statement, [f"generation_{generation.id}", corpus.rows])
    return seconds


@dataclass(frozen=True, slots=True)
class _Batch:
    """What exact answers need of loaded rows: all their tokens as places in `lexemes`, how many each has, and where
    its last one stands; and the seconds of the database."""

    lexemes: list[str]
    tokens: NDArray[np.int32]
    counts: NDArray[np.int32]
    lengths: NDArray[np.int32]
    seconds: float


def _load_batch(given: tuple[str, Generation, Corpus, Path, int]) -> _Batch:
    url, generation, corpus, folder, first = given
    gc.disable()  # there are tuples by the million, and none of them refers to itself
    passages = corpus.some(first, min(ROWS_PER_TRANSACTION, corpus.rows - first))
    said = [plain_occurrences(text) for text in passages.texts]
    known: dict[str, int] = {}
    tokens = np.array([known.setdefault(one[0], len(known)) for one in chain.from_iterable(said)], np.int32)
    rows = [
        _row(first + place, text, language, lexemes, HalfVector(passages.vectors[place]))
        for place, (text, language, lexemes) in enumerate(zip(passages.texts, passages.languages, said, strict=True))
    ]
    vectors = np.memmap(folder / "vectors.f16", np.float16, "r+", shape=(corpus.rows, corpus.dimension))
    vectors[first : first + len(rows)] = passages.vectors
    vectors.flush()
    columns = {"id": "int8", **COLUMNS}
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        generation.table, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with database.connect(url) as connection:
        database.register_types(connection)
        started = time.perf_counter()
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(list(columns.values()))
            for place, row in enumerate(rows):
                copy.write_row((first + place + 1, *row))
        seconds = time.perf_counter() - started
    counts = np.array([len(one) for one in said], np.int32)
    lengths = np.array([one[-1][1] for one in said], np.int32)
    gc.enable()
    return _Batch(list(known), tokens, counts, lengths, seconds)


def _row(
    number: int, text: str, language: str, lexemes: list[PlainOccurrence], vector: HalfVector
) -> tuple[object, ...]:
    """In the order of COLUMNS."""
    document, ordinal = divmod(number, CHUNKS_PER_DOCUMENT)
    return (
        *(document + 1, hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), ordinal, text, vector),
        *(path_of(document), collection_of(document), ordinal + 1, ordinal + 1, f"Section {ordinal}"),
        *([f"Document {document}", f"Section {ordinal}"], language, lexemes[-1][1], Jsonb({}), TsVector(lexemes)),
    )


def _load_documents(connection: Connection, generation: Generation, corpus: Corpus) -> None:
    with connection.transaction():
        connection.execute("INSERT INTO sources (uri) VALUES ('benchmark')")
        columns = "id, source_id, path, shard_hash, collection, size, content_hash, revision, chunk_count"
        statement = sql.SQL(f"COPY documents ({columns}) FROM STDIN")
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for document in range(corpus.documents):
                digest = hashlib.sha256(str(document).encode()).digest()
                path, collection = path_of(document), collection_of(document)
                copy.write_row((document + 1, 1, path, digest.hex()[:2], collection, 1, digest, 1, CHUNKS_PER_DOCUMENT))
        connection.execute(
            "INSERT INTO generation_documents (generation_id, document_id, revision, path, chunk_count)"
            " SELECT %s, id, revision, path, chunk_count FROM documents",
            [generation.id],
        )
        connection.execute("SELECT setval(pg_get_serial_sequence('documents', 'id'), %s)", [corpus.documents])
    connection.execute("ANALYZE documents, generation_documents")


# --- documents that come in and go ---------------------------------------------------------------------


def delete_documents(connection: Connection, generation: Generation, documents: list[int]) -> float:
    """Seconds until no search finds them."""
    connection.execute("UPDATE documents SET deleted_at = now() WHERE id = ANY(%s)", [documents])
    return _swap(connection, generation, documents)


def replace_documents(
    connection: Connection, generation: Generation, documents: list[int], round_: int, folder: Path, corpus: Corpus
) -> float:
    """Seconds to swap in new versions of `documents`, every passage of them another; making them is not counted."""
    prepare_documents(connection, generation, documents, round_, vectors_of(folder, corpus))
    return _swap(connection, generation, documents)


def prepare_documents(
    connection: Connection, generation: Generation, documents: list[int], round_: int, known: NDArray[np.float16]
) -> None:
    """New chunks of `documents`, with vectors near to those they had, as the stages before the table leave them."""
    rng = np.random.default_rng((round_, documents[0]))
    before = np.concatenate([known[(one - 1) * CHUNKS_PER_DOCUMENT : one * CHUNKS_PER_DOCUMENT] for one in documents])
    drift = unit(rng.standard_normal(before.shape, dtype=np.float32))
    vectors = unit(before.astype(np.float32) + DRIFT * drift)
    hashes = [hashlib.sha256(f"{round_} {documents[0]} {n}".encode()).digest() for n in range(len(vectors))]
    with connection.transaction():
        ledger.insert_embeddings(connection, generation.model_fingerprint, hashes, vectors)
        connection.execute("DELETE FROM chunks WHERE document_id = ANY(%s)", [documents])
        given = {"ids": documents, "hashes": hashes, "per": CHUNKS_PER_DOCUMENT, "round": round_, "rows": len(known)}
        connection.execute(sql.SQL(CHUNKS).format(table=generation.table), given)
        connection.execute("UPDATE documents SET revision = revision + 1 WHERE id = ANY(%s)", [documents])


# Of each document some passages of other documents, from all over the table, under keys of their own.
CHUNKS = """
INSERT INTO chunks (document_id, chunk_key, ordinal, text_hash, content, section_path, language, token_count, lexemes,
                    metadata)
SELECT d.id, encode(h.hash, 'hex'), (h.place - 1) %% %(per)s, h.hash, t.content || ' again', '{{}}', t.language,
       t.token_count, t.lexemes, '{{}}'
FROM unnest(%(hashes)s::bytea[]) WITH ORDINALITY AS h (hash, place)
JOIN unnest(%(ids)s::bigint[]) WITH ORDINALITY AS d (id, place) ON d.place = (h.place - 1) / %(per)s + 1
CROSS JOIN LATERAL (
    SELECT content, language, token_count, lexemes FROM {table}
    WHERE id >= 1 + (h.place * 7919 + %(round)s * 104729) %% %(rows)s ORDER BY id LIMIT 1
) t
"""


def _swap(connection: Connection, generation: Generation, documents: list[int]) -> float:
    started = time.perf_counter()
    for batch in batched(documents, DOCUMENTS_PER_SWAP):
        generations.swap_documents(connection, generation, batch)
    return time.perf_counter() - started


def vectors_of(folder: Path, corpus: Corpus) -> NDArray[np.float16]:
    """(rows, dimension), not read into memory."""
    return np.memmap(folder / "vectors.f16", np.float16, "r", shape=(corpus.rows, corpus.dimension))


def in_parts(vectors: NDArray[np.float16], size: int = 20_000) -> Iterator[tuple[int, Floats]]:
    """The place of the first row, and rows as float32, `size` at a time."""
    for first in range(0, len(vectors), size):
        yield first, vectors[first : first + size].astype(np.float32)

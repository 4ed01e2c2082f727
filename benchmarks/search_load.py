"""The corpus in the product's own tables: loaded, indexed, and changed while others search.

Rows go into the serving table by COPY BINARY, the word index in place, as the pipeline's swaps leave them; documents
and what is recorded of them are rows of the ledger. Chunks and native vectors are only made for documents that are
replaced, since no search looks at them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import psutil
from common import say
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql
from psycopg.types.json import Jsonb
from search_corpus import CHUNKS_PER_DOCUMENT, Corpus, Floats, unit

from kb_pipeline.chunking.lexemes import Occurrence, occurrences
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
INSTRUCTION = "benchmark"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading cost. Bytes are those of the whole relation, and of its vector index."""

    rows: int
    dimension: int
    load_seconds: float
    build_seconds: float
    words_seconds: float
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


def load(connection: Connection, corpus: Corpus, folder: Path, *, build: bool = True) -> tuple[Generation, Loaded]:
    """Into an empty database; `folder` takes the vectors and tokens, for exact answers."""
    key = GenerationKey(FINGERPRINT, MODEL, corpus.dimension, corpus.dimension, INSTRUCTION)
    generation = generations.ensure_generation(connection, key)
    loading = _load_rows(connection, generation, corpus, folder)
    _load_documents(connection, generation, corpus)
    generations.activate(connection, generation)
    started = time.perf_counter()
    generations.refresh_statistics(connection, generation)
    words = time.perf_counter() - started
    say(f"loaded {corpus.rows:,} rows in {loading:,.0f} s, lexemes counted in {words:,.0f} s")
    started = time.perf_counter()
    if build:
        generations.ensure_vector_index(connection, generation, memory=psutil.virtual_memory().total)
    building = time.perf_counter() - started
    say(f"built the vector index in {building:,.0f} s")
    loaded = Loaded(corpus.rows, corpus.dimension, loading, building, words, *sizes(connection, generation))
    loaded.write(folder)
    return generation, loaded


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


def _load_rows(connection: Connection, generation: Generation, corpus: Corpus, folder: Path) -> float:
    """Seconds that the database took; making the corpus is not counted."""
    database.register_types(connection)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        generation.table, sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    seconds, known, lengths = 0.0, dict[str, int](), list[NDArray[np.int32]]()
    places: list[int] = []
    with (folder / "vectors.f16").open("wb") as vectors, (folder / "tokens.i32").open("wb") as held:
        for passages in corpus.passages(ROWS_PER_TRANSACTION):
            rows, counts = [], []
            for place, (text, language) in enumerate(zip(passages.texts, passages.languages, strict=True)):
                number = passages.first + place
                lexemes = occurrences(text)
                numbers = [known.setdefault(one.lexeme, len(known)) for one in lexemes]
                places.append(lexemes[-1].place)
                counts.append(len(numbers))
                held.write(np.array(numbers, np.int32).tobytes())
                rows.append(_row(number, text, language, lexemes, HalfVector(passages.vectors[place])))
            vectors.write(passages.vectors.astype(np.float16).tobytes())
            lengths.append(np.array(counts, np.int32))
            started = time.perf_counter()
            with connection.transaction(), connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(list(COLUMNS.values()))
                for row in rows:
                    copy.write_row(row)
            seconds += time.perf_counter() - started
            if passages.first % 50_000 == 0:
                say(f"{passages.first + len(rows):,} rows")
    (folder / "lexemes.txt").write_text("\n".join(known), encoding="utf-8")
    np.save(folder / "counts.npy", np.concatenate(lengths))
    np.save(folder / "lengths.npy", np.array(places, np.int32))
    connection.execute(
        "UPDATE generations SET row_count = %s, churn = %s WHERE id = %s", [corpus.rows, corpus.rows, generation.id]
    )
    return seconds


def _row(number: int, text: str, language: str, lexemes: list[Occurrence], vector: HalfVector) -> tuple[object, ...]:
    """In the order of COLUMNS."""
    document, ordinal = divmod(number, CHUNKS_PER_DOCUMENT)
    return (
        *(document + 1, hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), ordinal, text, vector),
        *(path_of(document), collection_of(document), ordinal + 1, ordinal + 1, f"Section {ordinal}"),
        *([f"Document {document}", f"Section {ordinal}"], language, lexemes[-1].place, Jsonb({}), TsVector(lexemes)),
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


def replace_documents(connection: Connection, generation: Generation, documents: list[int], round_: int) -> float:
    """Seconds to swap in new versions of `documents`, every passage of them another; making them is not counted."""
    prepare_documents(connection, generation, documents, round_)
    return _swap(connection, generation, documents)


def prepare_documents(connection: Connection, generation: Generation, documents: list[int], round_: int) -> None:
    """New chunks of `documents`, with their vectors, as the stages before the table leave them."""
    rng = np.random.default_rng((round_, documents[0]))
    vectors = unit(rng.standard_normal((len(documents) * CHUNKS_PER_DOCUMENT, generation.dimension), dtype=np.float32))
    hashes = [hashlib.sha256(f"{round_} {documents[0]} {n}".encode()).digest() for n in range(len(vectors))]
    with connection.transaction():
        ledger.insert_embeddings(connection, generation.model_fingerprint, hashes, vectors)
        connection.execute("DELETE FROM chunks WHERE document_id = ANY(%s)", [documents])
        connection.execute(sql.SQL(CHUNKS), {"ids": documents, "hashes": hashes, "per": CHUNKS_PER_DOCUMENT})
        connection.execute("UPDATE documents SET revision = revision + 1 WHERE id = ANY(%s)", [documents])


# Of each document some passages of other documents, under keys of their own.
CHUNKS = """
INSERT INTO chunks (document_id, chunk_key, ordinal, text_hash, content, section_path, language, token_count, lexemes,
                    metadata)
SELECT d.id, encode(h.hash, 'hex'), (h.place - 1) %% %(per)s, h.hash, t.content || ' again', '{}', t.language,
       t.token_count, t.lexemes, '{}'
FROM unnest(%(hashes)s::bytea[]) WITH ORDINALITY AS h (hash, place)
JOIN unnest(%(ids)s::bigint[]) WITH ORDINALITY AS d (id, place) ON d.place = (h.place - 1) / %(per)s + 1
JOIN knowledge_chunks t ON t.id = 1 + (h.place * 7919) %% 10000
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

"""Every question that a run with little to do asks is answered from an index, whatever the knowledge base holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kb_pipeline.source.listing import Entry
from kb_pipeline.store import audit, generations, ledger
from kb_pipeline.store.database import connect, migrate
from kb_pipeline.store.generations import GenerationKey
from kb_pipeline_tests.conftest import new_database
from kb_pipeline_tests.plans import Explained, indexes, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

DOCUMENTS = 20_000
MOST_PAGES = 100  # that an answer takes; those of the documents are 600, of the index of all elements 180
# What looks at a number of rows, wherever they lie, and what is as large as a shard.
MORE_PAGES = {"any text": 400, "whether the newest rows are orphans": 400, "a shard's files": 700}
LARGE = {"documents", "chunks", "elements", "embeddings", "generation_documents", "generation_1"}
FILL = """
INSERT INTO documents (source_id, path, shard_hash, collection, size, modified_ns, content_hash, chunked_hash,
                       chunked_extension, chunked_parse, chunked_fingerprint, chunked_at, changed_at, chunk_count,
                       token_count, revision, loaded_generation, loaded_revision)
SELECT 1, n || '.md', right(md5(n::text), 2), 'team-' || n % 3, 1, 1, sha256(n::text::bytea),
       sha256(n::text::bytea), 'md', 'p', 'c', now() - interval '1 day' * n, now() - interval '1 day' * n, 1, 9, 1, 1, 1
FROM generate_series(1, 20000) n;
INSERT INTO elements (content_hash, extension, parse_fingerprint, format, element_count, dropped_count, privacy_counts,
                      warnings, payload, created_at)
SELECT content_hash, 'md', 'p', 'md', 1, 0, '{}', '{}', '', changed_at FROM documents;
INSERT INTO chunks (document_id, chunk_key, ordinal, text_hash, content, section_path, language, token_count, lexemes,
                    metadata)
SELECT id, md5(id::text), 0, sha256(id::text::bytea), 'text', '{}', 'en', 9, '', '{}' FROM documents;
INSERT INTO embeddings (text_hash, model_fingerprint, embedding) SELECT text_hash, 'm', '[1,0]' FROM chunks;
INSERT INTO generation_documents (generation_id, document_id, revision, path, chunk_count, loaded_at)
SELECT 1, id, 1, path, 1, changed_at FROM documents;
INSERT INTO generation_1 (document_id, chunk_key, ordinal, content, embedding, source_file, collection, section_path,
                          language, token_count, metadata, lexemes)
SELECT c.document_id, chunk_key, 0, content, '[1,0]', path, collection, '{}', 'en', 9, '{}', ''
FROM chunks c JOIN documents d ON d.id = c.document_id;
UPDATE documents SET content_hash = 'other' WHERE id <= 3;
UPDATE documents SET revision = 2 WHERE id BETWEEN 11 AND 13;
"""


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[tuple[str, Generation]]:
    with new_database(postgres_url) as url:
        migrate(url)
        with connect(url, autocommit=True) as connection:
            ledger.register_source(connection, "/docs")
            generation = generations.ensure_generation(connection, GenerationKey("m", "m", 2, 2, ""))
            connection.execute(FILL)
            ledger.add_up_figures(connection)
            connection.execute("VACUUM ANALYZE")
        yield url, generation


SETTINGS = ledger.StageFingerprints("p", "c")
ALL = ledger.Scope(1, "0", "f", SETTINGS, {"team-1": SETTINGS})
SHARD = ledger.Scope(1, "3", "3", SETTINGS, {})

QUESTIONS: dict[str, tuple[Callable[[Connection, Generation], object], set[str]]] = {
    "what to parse": (lambda c, _: ledger.pending_elements(c, ALL), {"documents_to_chunk", "documents_chunked_as"}),
    "what to chunk": (lambda c, _: ledger.pending_chunks(c, ALL), {"documents_to_chunk", "documents_chunked_as"}),
    "what to parse in a shard": (
        lambda c, _: ledger.pending_elements(c, SHARD),
        {"documents_to_chunk", "documents_chunked_as"},
    ),
    "what to chunk in a shard": (
        lambda c, _: ledger.pending_chunks(c, SHARD),
        {"documents_to_chunk", "documents_chunked_as"},
    ),
    "what to load in a shard": (
        lambda c, g: ledger.pending_loads(c, SHARD, [g.id]),
        {"documents_to_load", "documents_loaded"},
    ),
    "how much to embed": (
        lambda c, g: ledger.pending_text_totals(c, ALL, [g.id], "m"),
        {"documents_to_load", "documents_loaded", "chunks_pkey", "embeddings_pkey"},
    ),
    "what to embed": (
        lambda c, g: list(ledger.pending_texts(c, ALL, [g.id], "m")),
        {"documents_to_load", "documents_loaded"},
    ),
    "what to load": (lambda c, g: ledger.pending_loads(c, ALL, [g.id]), {"documents_to_load", "documents_loaded"}),
    "what needs a note": (lambda c, g: ledger.loaded_unnoted(c, ALL, [g.id]), {"documents_to_load"}),
    "what is incomplete": (lambda c, g: ledger.incomplete_documents(c, ALL, [g.id]), {"documents_to_load"}),
    "which shards are dirty": (
        lambda c, g: ledger.dirty_shards(c, ALL, [g.id]),
        {"documents_to_chunk", "documents_chunked_as", "documents_to_load", "documents_loaded"},
    ),
    "which collections": (lambda c, _: ledger.collections(c), {"documents_chunked_as", "documents_to_chunk"}),
    "what left": (lambda c, _: ledger.leaving_documents(c, ALL), {"documents_deleted"}),
    "a shard's files": (lambda c, _: ledger.signatures(c, 1, SHARD.range), {"documents_shard"}),
    "the figures of all": (lambda c, _: ledger.document_figures(c, ALL), set()),
    "how many documents": (lambda c, _: ledger.count_documents(c), set()),
    "files by path": (
        lambda c, _: ledger.known_documents(c, 1, ["7.md", "8.md"]),
        {"documents_source_id_path_key"},
    ),
    "locking paths": (
        lambda c, _: ledger.lock_paths(c, ledger.Source(1, "/docs", None), ["7.md"], [5]),
        {"documents_source_id_path_key", "documents_pkey"},
    ),
    "the newest documents": (lambda c, _: ledger.recent_documents(c, ALL), {"documents_changed"}),
    "the newest chunks": (lambda c, _: ledger.newest_chunks(c, ALL, 10), {"documents_chunked"}),
    "the newest elements": (lambda c, _: ledger.newest_elements(c, ALL, 10), {"elements_created"}),
    "what was parsed": (lambda c, _: ledger.elements_by_format(c, ALL, 60.0), {"elements_created"}),
    "whether loaded rows are complete": (
        lambda c, g: audit.wrong_counts(c, g, 60.0),
        {"generation_documents_loaded", "generation_1_chunk"},
    ),
    "whether loaded vectors are sound": (
        lambda c, g: audit.check_serving_vectors(c, g, 60.0),
        {"generation_documents_loaded", "generation_1_chunk"},
    ),
    "whether vectors to load are sound": (lambda c, g: audit.check_vectors_to_load(c, ALL, g), {"documents_to_load"}),
    "whether the newest rows are orphans": (lambda c, g: audit.orphan_rows(c, g, 100), {"generation_1_pkey"}),
    "any text": (lambda c, _: audit.sample_text(c, 100), {"documents_pkey"}),
    "text that was chunked": (lambda c, _: audit.recent_text(c, 60.0, 10), {"documents_chunked", "chunks_pkey"}),
    "who holds a text": (lambda c, _: ledger.documents_with_texts(c, [b"x"]), {"chunks_text_hash"}),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_it_is_answered_from_indexes(filled: tuple[str, Generation], name: str) -> None:
    url, generation = filled
    ask, expected = QUESTIONS[name]
    with connect(url) as connection:
        Explained.plans = []
        connection.cursor_factory = Explained
        ask(connection, generation)
    assert expected <= indexes(Explained.plans)
    assert not read_whole(Explained.plans) & LARGE


def test_the_answers_are_those_of_the_few_that_changed(filled: tuple[str, Generation]) -> None:
    url, generation = filled
    with connect(url) as connection:
        assert [job.id for job in ledger.pending_elements(connection, ALL)] == [1, 2, 3]
        loads = ledger.pending_loads(connection, ALL, [generation.id])
        assert loads == [(11, False), (12, False), (13, False)]
        assert sum(shard.documents for shard in ledger.dirty_shards(connection, ALL, [generation.id])) == 6


def test_other_settings_make_all_documents_of_their_collection_unfinished(filled: tuple[str, Generation]) -> None:
    url, _ = filled
    other = ledger.Scope(1, "0", "f", SETTINGS, {"team-1": ledger.StageFingerprints("p", "d")})
    with connect(url) as connection:
        expected = connection.execute("SELECT id FROM documents WHERE collection = 'team-1' AND id > 3").fetchall()
        assert [job.id for job in ledger.pending_chunks(connection, other)] == sorted(row[0] for row in expected)


def test_a_document_is_found_from_its_path_in_one_shard_only(filled: tuple[str, Generation]) -> None:
    url, _ = filled
    with connect(url) as connection:
        ranges = [ledger.Scope(1, digit, digit, SETTINGS, {}).range for digit in "0123456789abcdef"]
        lines = [ledger.signatures(connection, 1, shards) for shards in ranges]
        assert sum(map(len, lines)) == DOCUMENTS
        assert frozenset.union(*lines) == ledger.signatures(connection, 1)
        assert Entry("7.md", 1, 1, None).signature in ledger.signatures(connection, 1)

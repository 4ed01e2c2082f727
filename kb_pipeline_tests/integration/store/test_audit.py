"""What checks look at, and what retention takes away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.errors import SettingsError
from kb_pipeline.stages.retention import drop_masked_less, drop_retired
from kb_pipeline.store import audit, generations, ledger
from kb_pipeline.store.database import connect, migrate
from kb_pipeline.store.generations import GenerationKey
from kb_pipeline.store.ledger import ParsePolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation

FILL = """
INSERT INTO sources (uri) VALUES ('/docs');
INSERT INTO documents (source_id, path, shard_hash, collection, size, content_hash, chunked_hash, chunked_extension,
                       chunked_parse, chunked_fingerprint, chunked_at, chunk_count, token_count, revision)
SELECT 1, n || '.md', '00', 'docs', 1, n::text::bytea, n::text::bytea, 'md', 'p', 'c',
       now() - CASE WHEN n > 400 THEN interval '1 second' ELSE interval '1 day' END, 2, 9, 1
FROM generate_series(1, 420) n;
INSERT INTO chunks (document_id, chunk_key, ordinal, text_hash, content, section_path, language, token_count, lexemes,
                    metadata)
SELECT id, md5(id || '-' || n), n, sha256((id || '-' || n)::bytea), id || '-' || n || repeat(' text', 200), '{}', 'en',
       9, '', '{}'
FROM documents, generate_series(1, 2) n;
ANALYZE chunks;
"""
BASE: dict[str, Any] = {
    "version": 1,
    "ner_model": None,
    "allow": [],
    "allow_patterns": [],
    "deny": [],
    "deny_patterns": [],
}


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    migrate(database_url)
    with connect(database_url, autocommit=True) as opened:
        yield opened


def generation_of(connection: Connection, dimension: int) -> Generation:
    """A generation, the first of them active as after a first load."""
    made = generations.ensure_generation(connection, GenerationKey("m", "m", 8, dimension, ""))
    if generations.active_generation(connection) is None:
        generations.activate(connection, made)
    return generations.named_generation(connection, made.name)


def count(connection: Connection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


def test_the_text_that_a_run_brought_is_looked_at_first(connection: Connection) -> None:
    connection.execute(FILL)
    recent = audit.recent_text(connection, 60.0, 50)
    assert {path for path, _, _ in recent} == {f"{number}.md" for number in range(401, 421)}
    few = audit.recent_text(connection, 60.0, 5)  # fewer chunks than documents: of as many documents
    assert len({path for path, _, _ in few}) == 5


def test_the_sample_of_all_the_text_is_another_one_each_time(connection: Connection) -> None:
    connection.execute(FILL)
    samples = [frozenset(audit.sample_text(connection, 20)) for _ in range(4)]
    assert {len(sample) for sample in samples} == {20}
    assert len(set(samples)) > 1


def test_elements_and_vectors_go_when_nothing_has_needed_them_for_long_enough(connection: Connection) -> None:
    connection.execute(FILL)
    generation_of(connection, 2)
    connection.execute(
        "INSERT INTO embeddings (text_hash, model_fingerprint, embedding) SELECT text_hash, 'm', '[1,0]' FROM chunks"
    )
    connection.execute(
        "INSERT INTO elements (content_hash, extension, parse_fingerprint, format, element_count, dropped_count,"
        " privacy_counts, warnings, payload) SELECT content_hash, 'md', 'p', 'md', 1, 0, '{}', '{}', '' FROM documents"
    )
    connection.execute("DELETE FROM documents WHERE id <= 9")
    connection.execute("UPDATE documents SET chunked_parse = 'newer' WHERE id = 10")  # its elements are others now
    connection.execute("DELETE FROM chunks WHERE document_id = 10")
    assert audit.purge_unused(connection, days=30) == {"delete_unused_elements": 0, "delete_unused_embeddings": 0}
    connection.execute("UPDATE elements SET unused_since = unused_since - interval '31 days'")
    connection.execute("UPDATE embeddings SET unused_since = unused_since - interval '31 days'")
    # One document comes back in time, with its bytes and its texts.
    connection.execute("UPDATE documents SET content_hash = '1' WHERE id = 11")
    connection.execute("UPDATE chunks SET text_hash = sha256('1-1') WHERE document_id = 11 AND ordinal = 1")
    assert audit.purge_unused(connection, days=30) == {"delete_unused_elements": 9, "delete_unused_embeddings": 19}
    assert (count(connection, "elements"), count(connection, "embeddings")) == (411, 821)
    used = "SELECT count(*) FROM elements WHERE content_hash = '1' AND unused_since IS NULL"
    assert connection.execute(used).fetchone() == (1,)
    # What they were before is noted now, and goes at once when nothing is to be kept.
    assert audit.purge_unused(connection, days=0) == {"delete_unused_elements": 1, "delete_unused_embeddings": 1}


def test_the_log_of_searches_is_kept_for_a_while_and_removed_piece_by_piece(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "DELETED_AT_ONCE", 3)
    connection.execute(
        "INSERT INTO search_events (query, mode, generation_id, hits, created_at)"
        " SELECT 'q', 'hybrid', 1, '[]', now() - interval '1 day' * n FROM generate_series(1, 20) n"
    )
    assert audit.purge_searches(connection, days=10) == 11
    assert count(connection, "search_events") == 9


def test_a_generation_that_is_searched_cannot_be_dropped_and_no_number_is_used_again(connection: Connection) -> None:
    first, second = generation_of(connection, 8), generation_of(connection, 4)
    generations.activate(connection, second)
    generations.activate(connection, first)
    with pytest.raises(SettingsError, match=r"g1 is .*; activate another one"):
        generations.drop(connection, first)
    generations.drop(connection, second)
    assert [generation.name for generation in generations.generations(connection)] == ["g1"]
    assert connection.execute("SELECT to_regclass('generation_2')").fetchone() == (None,)
    assert generation_of(connection, 2).name == "g3"


def test_a_run_that_still_knows_a_dropped_generation_passes_it_over(connection: Connection) -> None:
    connection.execute(FILL)
    first, second = generation_of(connection, 8), generation_of(connection, 4)
    generations.activate(connection, second)
    generations.drop(connection, first)
    assert generations.swap_documents(connection, first, [1, 2]).loaded == []


def test_retired_generations_go_after_their_time(connection: Connection) -> None:
    first, second = generation_of(connection, 8), generation_of(connection, 4)
    generations.activate(connection, second)
    (retired, _) = generations.generations(connection)
    assert retired.retired_at is not None
    assert drop_retired(connection, first.created_at) == 0
    assert drop_retired(connection, retired.retired_at) == 1


def test_after_a_policy_became_stricter_what_was_retired_before_goes_at_once(connection: Connection) -> None:
    old = ParsePolicy("old", "v", {**BASE, "actions": {"PERSON": "keep"}})
    new = ParsePolicy("new", "v", {**BASE, "actions": {"PERSON": "mask"}})
    generation_of(connection, 8)
    ledger.register_policies(connection, [old])
    generations.activate(connection, generation_of(connection, 4))
    assert drop_masked_less(connection, [old]) == 0
    ledger.register_policies(connection, [new])
    assert drop_masked_less(connection, [old]) == 0  # nobody asks for the stricter one
    assert drop_masked_less(connection, [new]) == 1
    # What was retired under the stricter policy stays for its time.
    generations.activate(connection, generation_of(connection, 2))
    assert drop_masked_less(connection, [new]) == 0
    assert [generation.name for generation in generations.generations(connection)] == ["g2", "g3"]


def test_a_serving_table_takes_no_chunk_twice(connection: Connection) -> None:
    import psycopg

    generation_of(connection, 8)
    row = (
        "INSERT INTO generation_1 (document_id, chunk_key, ordinal, content, embedding, source_file, collection,"
        " section_path, language, token_count, metadata, lexemes)"
        " VALUES (1, 'k', 0, 't', '[1,0,0,0,0,0,0,0]', 'a.md', 'c', '{}', 'en', 1, '{}', '')"
    )
    connection.execute(row)
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(row)


def test_lexemes_are_counted_again_when_rows_were_replaced_and_not_only_when_there_are_more(
    connection: Connection,
) -> None:
    generation = generation_of(connection, 8)
    assert generations.refresh_statistics(connection, generation)
    assert not generations.refresh_statistics(connection, generation)
    connection.execute("UPDATE generations SET row_count = 100, churn = 100")
    connection.execute("UPDATE generation_statistics SET row_count = 100")
    assert generations.refresh_statistics(connection, generation)
    assert connection.execute("SELECT churn FROM generations").fetchone() == (0,)


def test_the_index_is_built_in_the_memory_it_needs_as_far_as_the_machine_has_it() -> None:
    million = generations.index_memory(1_000_000, 1024, 64 << 30)
    assert 2.6e9 < million < 2.9e9  # measured: 2.7 GB
    assert generations.index_memory(1_000_000, 1024, 4 << 30) == 1 << 30
    assert generations.index_memory(1_000_000, 1024, None) == 1 << 30
    assert generations.index_memory(10, 8, None) == 64 << 20

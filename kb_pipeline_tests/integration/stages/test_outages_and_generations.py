"""A server that goes away or changes its model, a database that is full, and new generations."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest

from kb_pipeline.embedding.client import EmbeddedText
from kb_pipeline.errors import DatabaseUnavailable, EmbeddingServerUnavailable, GenerationMismatch, SettingsError
from kb_pipeline.operations.agreement import disagreements, require_possible
from kb_pipeline.operations.audit import audit
from kb_pipeline.operations.ingest import pending_reasons, plan
from kb_pipeline.stages import embeddings
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import generations
from kb_pipeline.store.database import database_errors
from kb_pipeline_tests.instant_embedding_server import InstantServer, instant_server, instant_vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline_tests.sites import TestSite

TEXT = "# One\n\nFirst text.\n\n# Two\n\nSecond text.\n"


@pytest.fixture
def own_server() -> Iterator[InstantServer]:
    """A server that the test may stop."""
    with instant_server(dimension=64) as server:
        yield server


def test_without_an_embedding_server_the_parsed_work_stays(kb: TestSite, own_server: InstantServer) -> None:
    kb.reopen(embedding_url=own_server.base_url)
    own_server.stop()
    kb.write("a.md", TEXT)
    with pytest.raises(EmbeddingServerUnavailable):
        kb.refresh()
    assert (kb.count("elements"), kb.count("chunks"), kb.count("embeddings")) == (1, 2, 0)
    assert kb.failures() == {}
    assert [finding.kind for finding in audit(kb.site).findings] == ["unfinished_documents"]
    own_server.start()
    kb.reopen()
    counts = kb.refresh()
    assert (counts["elements"], counts["texts_embedded"], counts["chunks_written"]) == (0, 2, 2)
    assert audit(kb.site).findings == ()


def test_what_the_server_answered_before_it_went_away_is_kept(kb: TestSite) -> None:
    def answers() -> Iterator[EmbeddedText]:
        yield EmbeddedText(b"1" * 32, instant_vector("x", 384))
        raise EmbeddingServerUnavailable("It went away.")

    kb.write("a.md", TEXT)
    kb.refresh()
    model = generations.active_generation(kb.connection)
    assert model is not None
    before = kb.count("embeddings")
    with pytest.raises(EmbeddingServerUnavailable):
        embeddings._commit(kb.connection, model.model_fingerprint, answers(), StageReport.of())
    assert kb.count("embeddings") == before + 1


def test_deletions_need_no_embedding_server(kb: TestSite, own_server: InstantServer) -> None:
    kb.reopen(embedding_url=own_server.base_url)
    kb.write("a.md", TEXT)
    kb.write("b.md", TEXT)
    kb.refresh()
    own_server.stop()
    kb.reopen()
    (kb.documents / "a.md").unlink()
    kb.move("b.md", "c.md")
    assert kb.refresh()["documents_removed"] == 1
    assert set(kb.contents()) == {"c.md"}


def test_a_server_with_another_model_is_refused_until_a_rebuild_makes_it_a_generation(
    kb: TestSite, own_server: InstantServer
) -> None:
    kb.write("a.md", TEXT)
    kb.refresh()
    role = f"reader_{uuid.uuid4().hex}"  # roles belong to the whole server
    kb.connection.execute(f"CREATE ROLE {role}".encode())
    kb.connection.execute(f"GRANT SELECT ON knowledge_chunks TO {role}".encode())
    kb.reopen(embedding_url=own_server.base_url)  # 64 dimensions instead of 384
    kb.write("b.md", "# Three\n\nThird text.\n")
    with pytest.raises(GenerationMismatch, match=r"KB_EMBEDDING_MODEL=.* kb generations build \(the job re_embed\)"):
        kb.refresh()
    assert set(kb.contents()) == {"a.md"}

    rebuilt = kb.rebuild()
    assert (rebuilt["texts_embedded"], rebuilt["activated"], rebuilt["index_built"]) == (3, 1, 1)
    known = generations.generations(kb.connection)
    assert [(g.name, g.state, g.dimension) for g in known] == [("g1", "retired", 384), ("g2", "active", 64)]
    assert set(kb.contents()) == {"a.md", "b.md"}
    assert {len(row["embedding"].to_list()) for row in kb.rows()} == {64}
    granted = kb.connection.execute(f"SELECT has_table_privilege('{role}', 'knowledge_chunks', 'SELECT')".encode())
    assert granted.fetchone() == (True,)
    kb.connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
    assert audit(kb.site).findings == ()

    # Deleted documents leave the retired generation, too.
    (kb.documents / "a.md").unlink()
    kb.refresh()
    rows = [generation.row_count for generation in generations.generations(kb.connection)]
    assert rows == [0, 1]


def test_a_smaller_dimension_needs_no_embedding_call(kb: TestSite, embedding_server: InstantServer) -> None:
    kb.write("a.md", TEXT)
    kb.refresh()
    texts = embedding_server.seen()["texts"]
    kb.reopen(dimension=32)
    rebuilt = kb.rebuild()
    assert (rebuilt["texts_embedded"], rebuilt["activated"]) == (0, 1)
    assert embedding_server.seen()["texts"] == texts + 1  # the probe of a new connection
    (row,) = (row for row in kb.rows() if row["section_title"] == "One")
    expected = instant_vector("One\nFirst text.", 384)[:32]
    served = np.array(row["embedding"].to_list())
    assert np.allclose(served, expected / np.linalg.norm(expected), atol=2e-3)
    assert np.isclose(np.linalg.norm(served), 1, atol=2e-3)


def test_a_dimension_that_the_model_has_not_is_refused_before_anything_is_made(kb: TestSite) -> None:
    kb.write("a.md", TEXT)
    kb.reopen(dimension=400)
    with pytest.raises(SettingsError, match=r"KB_DIMENSION is 400.*384 dimensions"):
        require_possible(kb.site, kb.connection)
    with pytest.raises(SettingsError, match=r"KB_DIMENSION is 400"):
        kb.refresh()
    assert generations.generations(kb.connection) == []
    kb.reopen(dimension=384)
    assert kb.refresh()["activated"] == 1
    assert set(kb.contents()) == {"a.md"}


def test_a_generation_that_holds_nothing_gives_way_to_what_the_settings_ask_for(kb: TestSite) -> None:
    identity = kb.site.embedding.identity
    first = generations.ensure_generation(kb.connection, embeddings.generation_key(identity, kb.site.settings))
    assert first.state == "building"
    assert generations.active_generation(kb.connection) is None
    generations.activate(kb.connection, first)  # as a release before this one did
    kb.reopen(dimension=32)
    kb.write("a.md", TEXT)
    assert kb.refresh()["activated"] == 1
    known = [(g.state, g.dimension) for g in generations.generations(kb.connection)]
    assert known == [("retired", 384), ("active", 32)]
    assert set(kb.contents()) == {"a.md"}
    assert disagreements(kb.site, kb.connection) == []
    kb.reopen(dimension=64)
    kb.write("b.md", TEXT)
    assert kb.refresh()["activated"] == 0
    assert set(kb.contents()) == {"a.md", "b.md"}
    assert "64 dimensions" in str(disagreements(kb.site, kb.connection))


def test_a_plan_says_why_documents_wait(kb: TestSite) -> None:
    for name in ("a.md", "b.md", "c/d.md"):
        kb.write(name, f"# {name}\n\nText of {name}.\n")
    kb.refresh()
    kb.scan()
    assert pending_reasons(kb.site, kb.connection) == {}
    kb.write("e.md", TEXT)
    kb.write("a.md", TEXT)
    kb.move("b.md", "f.md")
    kb.scan()
    assert pending_reasons(kb.site, kb.connection) == {"changed": 1, "moved": 1, "new": 1}
    assert sum(pending_reasons(kb.site, kb.connection).values()) == kb.dirty()
    kb.refresh()
    kb.reopen(chunking={"max_characters": 1000})
    assert pending_reasons(kb.site, kb.connection) == {"chunk": 4}
    kb.reopen(collections={"c": {"privacy": {"preset": "strict"}}})
    assert pending_reasons(kb.site, kb.connection) == {"policy": 1, "chunk": 3}
    kb.reopen(chunking={}, collections={})
    kb.connection.execute("DELETE FROM generation_documents WHERE path = 'f.md'")
    kb.connection.execute("UPDATE documents SET loaded_revision = NULL WHERE path = 'f.md'")
    (kb.documents / "a.md").unlink()
    kb.connection.execute("UPDATE documents SET deleted_at = now() WHERE path = 'a.md'")
    kb.connection.execute("UPDATE documents SET chunked_hash = NULL WHERE path = 'e.md'")
    kb.connection.execute(
        "INSERT INTO failures (document_id, stage, input_version, error, reason, next_retry) "
        "SELECT id, 'chunks', 'any', 'E', 'r', now() FROM documents WHERE path = 'e.md'"
    )
    assert pending_reasons(kb.site, kb.connection) == {"deleted": 1, "retry": 1, "vectors": 1}
    assert sum(pending_reasons(kb.site, kb.connection).values()) == kb.dirty()


def test_a_plan_tells_other_readers_of_a_collection_from_another_policy(
    kb: TestSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kb_pipeline.parsing.exchange._are_there", lambda _: True)  # no file here is for the reader
    kb.write("c/d.md", TEXT)
    kb.refresh()
    kb.reopen(collections={"c": {"readers": {"html": "unstructured"}}})
    assert pending_reasons(kb.site, kb.connection) == {"parse": 1}
    kb.refresh()
    assert pending_reasons(kb.site, kb.connection) == {}
    kb.reopen(collections={"c": {"readers": {"html": "unstructured"}, "privacy": {"preset": "strict"}}})
    assert pending_reasons(kb.site, kb.connection) == {"policy": 1}


def test_a_file_that_becomes_excluded_is_taken_out_under_the_guard(kb: TestSite) -> None:
    for name in ("a.md", "drafts/b.md", "drafts/c.md", "film.mp4"):
        kb.write(name, f"# {name}\n\nText of {name}.\n")
    kb.refresh()
    source = {"uri": str(kb.documents), "exclude": ["drafts/"]}
    kb.reopen(sources=[source], mass_delete_count=1)
    counts = kb.refresh()
    assert (counts["held"], counts["deleted"], counts["skipped"]) == (2, 0, 1)
    assert set(kb.contents()) == {"a.md", "drafts/b.md", "drafts/c.md"}
    found = plan(kb.site, None, allow_mass_delete=True)
    assert (found.counts.deleted, dict(found.skipped)) == (2, {".mp4": 1})
    assert kb.refresh(allow_mass_delete=True)["deleted"] == 2
    assert set(kb.contents()) == {"a.md"}
    assert kb.failures() == {}


def test_a_rebuild_that_is_not_complete_does_not_go_live(kb: TestSite, own_server: InstantServer) -> None:
    names = {f"{number}.md" for number in range(12)}  # which shards they are in depends on the folder of this test
    for name in names:
        kb.write(name, TEXT)
    kb.refresh()
    kb.reopen(embedding_url=own_server.base_url)
    shards = [shard for (shard,) in kb.connection.execute("SELECT DISTINCT left(shard_hash, 1) FROM documents")]
    assert len(shards) >= 2
    from kb_pipeline.stages import knowledge_chunks

    for shard in shards:
        embeddings.run(kb.site, [shard], rebuild=True)
        activated = knowledge_chunks.run(kb.site, [shard], rebuild=True).counts["activated"]
        assert activated == (shard == shards[-1])
        assert set(kb.contents()) == names


def test_the_query_of_a_database_administrator_uses_the_vector_index(kb: TestSite) -> None:
    for number in range(3):
        sections = "".join(f"# S{number}-{n}\n\nText {number} {n}.\n\n" for n in range(400))
        kb.write(f"{'contracts' if number else 'policies'}/{number}.md", sections)
    kb.refresh()
    generation = generations.active_generation(kb.connection)
    assert generation is not None
    vector = "[" + ",".join(map(str, instant_vector("question", 384))) + "]"
    plan = kb.connection.execute(
        "EXPLAIN SELECT content, source_file, page_number FROM knowledge_chunks WHERE collection = 'contracts' "
        "ORDER BY embedding <=> %s LIMIT 10",
        [vector],
    ).fetchall()
    assert f"generation_{generation.id}_embedding" in "\n".join(line for (line,) in plan)


def test_a_full_disk_is_one_sentence_and_loses_nothing(kb: TestSite) -> None:
    kb.write("a.md", TEXT)
    kb.refresh()
    before = kb.rows()
    kb.write("a.md", TEXT.replace("First", "Other"))
    # PostgreSQL itself raises its error for a full disk, as soon as chunks are written.
    kb.connection.execute(
        "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END$$"
    )
    kb.connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON chunks EXECUTE FUNCTION no_space()")
    said = r"no disk space left.*nothing that was committed is lost\.$"
    with pytest.raises(DatabaseUnavailable, match=said), database_errors():
        kb.refresh()
    assert kb.rows() == before
    kb.connection.execute("DROP TRIGGER full_disk ON chunks")
    kb.refresh()
    assert "Other text." in kb.contents()["a.md"]
    assert audit(kb.site).findings == ()


def test_an_audit_finds_what_was_damaged_and_mends_it(kb: TestSite) -> None:
    for name in ("a.md", "b.md", "c.md"):
        kb.write(name, f"# {name}\n\nText of {name}.\n\n# More\n\nMore of {name}.\n")
    kb.refresh()
    assert audit(kb.site).findings == ()
    kb.connection.execute("DELETE FROM generation_1 WHERE source_file = 'a.md' AND ordinal = 0")
    kb.connection.execute("UPDATE generation_1 SET document_id = 999 WHERE source_file = 'b.md'")
    kb.connection.execute(
        "DELETE FROM chunks USING documents d WHERE document_id = d.id AND d.path = 'c.md' AND ordinal = 1"
    )
    kb.write("d.md", "# New\n\nNot yet taken in.\n")
    (kb.documents / "c.md").unlink()
    found = {finding.kind: finding.examples for finding in audit(kb.site).findings}
    assert found["wrong_counts"] == ("a.md", "b.md")
    assert found["orphan_rows"] == ("b.md",)
    assert found["not_ingested"] == ("d.md",)
    assert found["deleted_since"] == ("c.md",)
    audit(kb.site, repair=True)
    kb.refresh()
    assert audit(kb.site).findings == ()
    assert set(kb.contents()) == {"a.md", "b.md", "d.md"}
    assert audit(kb.site, repair=True).reclaimable == ()


def test_stored_text_that_should_have_been_masked_is_found(kb: TestSite) -> None:
    kb.write("a.md", "# Contact\n\nWrite to someone.\n")
    kb.refresh()
    kb.connection.execute("UPDATE chunks SET content = 'Call 13800138000 or li.lei@example.com'")
    assert "unmasked" in {finding.kind for finding in audit(kb.site).findings}


def test_a_lost_connection_in_a_stage_is_one_sentence_and_the_next_run_goes_on(kb: TestSite) -> None:
    kb.write("a.md", TEXT)
    kb.connection.execute(
        "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$"
    )
    kb.connection.execute("CREATE TRIGGER cut BEFORE INSERT ON embeddings EXECUTE FUNCTION hang_up()")
    with pytest.raises(DatabaseUnavailable), database_errors():
        kb.refresh()
    kb.connection.execute("DROP TRIGGER cut ON embeddings")
    assert kb.count("chunks") == 2
    assert kb.refresh()["chunks_written"] == 2


def test_embeddings_that_another_run_stored_meanwhile_are_kept_once(kb: TestSite) -> None:
    from kb_pipeline.store import ledger

    kb.write("a.md", TEXT)
    kb.refresh()
    hashes = [bytes([number]) * 32 for number in (3, 1, 2)]
    vectors = np.stack([instant_vector(str(number), 384) for number in (3, 1, 2)])
    ledger.insert_embeddings(kb.connection, "model", hashes[:2], vectors[:2])
    ledger.insert_embeddings(kb.connection, "model", hashes, vectors)
    rows = kb.connection.execute(
        "SELECT text_hash, embedding FROM embeddings WHERE model_fingerprint = 'model' ORDER BY text_hash"
    ).fetchall()
    assert [text_hash[0] for text_hash, _ in rows] == [1, 2, 3]
    for text_hash, embedding in rows:
        assert np.allclose(embedding.to_list(), instant_vector(str(text_hash[0]), 384), atol=1e-3)
    assert kb.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

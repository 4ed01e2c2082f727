"""The life of documents through the five stages: what is done, and above all what is not done again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kb_pipeline.errors import SourceUnavailable
from kb_pipeline.operations.audit import audit
from kb_pipeline.source.listing import shard_hash
from kb_pipeline.stages import chunks, cleaned_elements, embeddings, knowledge_chunks, raw_documents
from kb_pipeline.stages.planning import make_plan
from kb_pipeline.store import ledger
from kb_pipeline_tests.instant_embedding_server import REJECT_MARKER, InstantServer

if TYPE_CHECKING:
    from kb_pipeline_tests.sites import TestSite

# A section never shares a chunk with another, so each paragraph here is a text of its own.
LEAVE = "# Leave\n\nTwenty days a year.\n\n# Sickness\n\nCall before nine.\n\n# 工资\n\n每月十五日发放。\n"


def embedded(server: InstantServer) -> int:
    return int(server.seen()["texts"])


def test_a_document_lives_through_edit_touch_move_delete_and_return(
    kb: TestSite, embedding_server: InstantServer
) -> None:
    # added
    kb.write("policies/leave.md", LEAVE)
    added = kb.refresh()
    assert (added["new"], added["texts_embedded"], added["chunks_written"], added["failed"]) == (1, 3, 3, 0)
    before = {row["section_title"]: row for row in kb.rows()}
    assert set(before) == {"Leave", "Sickness", "工资"}
    assert {row["source_file"] for row in before.values()} == {"policies/leave.md"}
    assert {row["collection"] for row in before.values()} == {"policies"}
    assert {row["language"] for row in before.values()} == {"en", "zh"}
    assert kb.dirty() == 0
    texts = embedded(embedding_server)

    # one paragraph edited
    kb.write("policies/leave.md", LEAVE.replace("before nine", "before eight"))
    edited = kb.refresh()
    assert (edited["changed"], edited["texts_embedded"], edited["texts_reused"], edited["chunks_written"]) == (
        1,
        1,
        2,
        1,
    )
    assert embedded(embedding_server) == texts + 1
    after = {row["section_title"]: row for row in kb.rows()}
    assert "eight" in after["Sickness"]["content"]
    assert {t for t in after if after[t]["id"] == before[t]["id"]} == {"Leave", "工资"}
    assert {row["document_id"] for row in after.values()} == {row["document_id"] for row in before.values()}

    # touched: nothing but the time changes
    kb.touch("policies/leave.md")
    requests = embedding_server.seen()["requests"]
    touched = kb.refresh()
    assert (touched["changed"], touched["documents"], touched["chunks_written"]) == (1, 0, 0)
    assert kb.refresh()["unchanged"] == 1

    # moved into another collection
    kb.move("policies/leave.md", "archive/old leave.md")
    moved = kb.refresh()
    assert (moved["moved"], moved["new"], moved["deleted"], moved["chunks_written"]) == (1, 0, 0, 0)
    rows = {row["section_title"]: row for row in kb.rows()}
    assert {row["source_file"] for row in rows.values()} == {"archive/old leave.md"}
    assert {row["collection"] for row in rows.values()} == {"archive"}
    assert [(r["id"], r["chunk_key"]) for r in rows.values()] == [(r["id"], r["chunk_key"]) for r in after.values()]

    # deleted
    (kb.documents / "archive/old leave.md").unlink()
    deleted = kb.refresh()
    assert (deleted["deleted"], deleted["documents_removed"]) == (1, 1)
    assert kb.rows() == []
    assert [kb.count(table) for table in ("documents", "chunks", "generation_documents", "failures")] == [0, 0, 0, 0]
    assert kb.dirty() == 0

    # back again: a new document, but no text is embedded a second time
    kb.write("policies/leave.md", LEAVE)
    back = kb.refresh()
    assert (back["new"], back["texts_embedded"], back["texts_reused"], back["chunks_written"]) == (1, 0, 3, 3)
    assert embedding_server.seen()["requests"] == requests


def test_the_same_text_in_two_documents_is_embedded_once(kb: TestSite) -> None:
    kb.write("a.md", LEAVE)
    kb.write("b.md", LEAVE + "\n# More\n\nOnly here.\n")
    kb.write("c/a.md", LEAVE)
    counts = kb.refresh()
    assert (counts["texts_embedded"], counts["texts_reused"], counts["chunks_written"]) == (4, 6, 10)
    assert kb.count("elements") == 2  # a.md and c/a.md are the same bytes
    assert kb.dirty() == 0


def test_two_documents_of_the_same_bytes_come_and_go_apart(kb: TestSite) -> None:
    kb.write("a.md", LEAVE)
    kb.write("b.md", LEAVE)
    kb.refresh()
    (kb.documents / "a.md").unlink()
    assert kb.refresh()["deleted"] == 1
    assert set(kb.contents()) == {"b.md"}
    kb.write("b.md", "# Leave\n\nNone.\n")
    kb.refresh()
    assert "None." in kb.contents()["b.md"]


def test_the_extension_decides_how_the_same_bytes_are_read(kb: TestSite) -> None:
    kb.write("notes.md", "# Heading\n\nText below it.\n")
    kb.write("notes.txt", "# Heading\n\nText below it.\n")
    kb.refresh()
    sections = {row["source_file"]: row["section_title"] for row in kb.rows()}
    assert sections == {"notes.md": "Heading", "notes.txt": None}


def test_a_renamed_extension_is_parsed_anew_and_stays_the_same_document(kb: TestSite) -> None:
    kb.write("notes.xyz", "# Heading\n\nText below it.\n")
    assert kb.refresh()["failed"] == 1
    assert kb.failures()["notes.xyz"].error == "UnsupportedFormat"
    kb.move("notes.xyz", "notes.txt")
    moved = kb.refresh()
    assert (moved["moved"], moved["failed"]) == (1, 0)
    assert kb.failures() == {}
    kb.move("notes.txt", "notes.md")
    kb.refresh()
    (row,) = kb.rows()
    assert (row["source_file"], row["section_title"]) == ("notes.md", "Heading")
    assert kb.dirty() == 0


def test_changed_chunk_settings_chunk_again_without_parsing_and_only_their_collection(kb: TestSite) -> None:
    long = "# Rules\n\n" + "\n\n".join(f"Rule {n} says that everybody does what rule {n} says." for n in range(30))
    kb.write("contracts/a.md", long)
    kb.write("policies/b.md", long)
    kb.refresh()
    before = len(kb.rows("collection = 'contracts'"))
    kb.reopen(collections={"contracts": {"chunking": {"max_characters": 400}}})
    assert kb.dirty() == 1
    counts = kb.refresh()
    assert (counts["elements"], counts["failed"]) == (0, 0)
    assert len(kb.rows("collection = 'contracts'")) > before == len(kb.rows("collection = 'policies'"))
    assert kb.dirty() == 0


def test_a_broken_file_is_a_failure_with_a_reason_until_it_is_mended(kb: TestSite) -> None:
    kb.write("good.md", LEAVE)
    kb.write("broken.docx", b"no archive at all, only some bytes\x00\x01")
    kb.write("empty.md", b"")
    counts = kb.refresh()
    assert (counts["failed"], counts["documents"]) == (2, 1)
    failures = kb.failures()
    assert set(failures) == {"broken.docx", "empty.md"}
    assert failures["empty.md"].error == "EmptyDocument"
    assert all(failure.reason.endswith(".") and failure.attempts == 1 for failure in failures.values())
    assert kb.dirty() == 0
    assert kb.refresh()["failed"] == 0  # not tried again without a reason
    assert kb.failures() == failures

    kb.write("empty.md", "# Not empty\n\nAny more.\n")
    (kb.documents / "broken.docx").unlink()
    assert kb.refresh()["failed"] == 0
    assert kb.failures() == {}
    assert set(kb.contents()) == {"good.md", "empty.md"}


def test_the_old_version_stays_searchable_while_the_new_one_is_broken(kb: TestSite) -> None:
    kb.write("a.md", LEAVE)
    kb.refresh()
    old = kb.contents()
    kb.write("a.md", b"\x00\x01\x02\x03 binary now" * 50)
    assert kb.refresh()["failed"] == 1
    assert kb.contents() == old
    # A failed document that moves is still found under its new name.
    kb.move("a.md", "b/a.md")
    assert kb.scan()["moved"] == 1
    assert kb.dirty() == 1
    kb.refresh()
    assert set(kb.contents()) == {"b/a.md"}
    # Put back as it was: nothing to do, and nothing left to complain about.
    kb.write("b/a.md", LEAVE)
    restored = kb.refresh()
    assert (restored["texts_embedded"], restored["failed"]) == (0, 0)
    assert (kb.failures(), kb.dirty()) == ({}, 0)


def test_a_failure_ends_when_a_twin_brought_the_elements(kb: TestSite) -> None:
    kb.write("a.md", b"")
    kb.write("b.md", LEAVE)
    kb.refresh()
    assert set(kb.failures()) == {"a.md"}
    kb.write("a.md", LEAVE)
    assert kb.refresh()["elements"] == 0
    assert kb.failures() == {}
    assert set(kb.contents()) == {"a.md", "b.md"}


def test_a_text_that_the_server_refuses_fails_only_its_document(kb: TestSite) -> None:
    kb.write("good.md", LEAVE)
    kb.write("bad.md", f"# A\n\nFine.\n\n# B\n\nRefused {REJECT_MARKER} here.\n")
    kb.write("also bad.md", f"# B\n\nRefused {REJECT_MARKER} here.\n\n# C\n\nFine, too.\n")
    counts = kb.refresh()
    assert (counts["failed"], counts["texts_rejected"], counts["texts_embedded"]) == (2, 1, 5)
    assert {f.error for f in kb.failures().values()} == {"TextRejected"}
    assert set(kb.failures()) == {"bad.md", "also bad.md"}
    assert "Refused" not in "".join(failure.reason for failure in kb.failures().values())
    assert set(kb.contents()) == {"good.md"}
    assert kb.dirty() == 0
    assert kb.refresh()["texts_rejected"] == 0

    kb.write("bad.md", "# A\n\nFine.\n\n# B\n\nMended.\n")
    assert kb.refresh()["failed"] == 0
    assert set(kb.failures()) == {"also bad.md"}
    assert "Mended." in kb.contents()["bad.md"]


def test_rows_of_an_older_version_follow_their_document_when_it_moves(kb: TestSite) -> None:
    kb.write("a.md", "# A\n\nGood.\n")
    kb.refresh()
    kb.write("a.md", f"# A\n\nRefused {REJECT_MARKER}.\n")
    kb.refresh()
    kb.move("a.md", "moved/a.md")
    kb.refresh()
    kb.write("a.md", "# A\n\nAnother.\n")
    kb.refresh()
    assert kb.contents() == {"a.md": "Another.\n", "moved/a.md": "Good.\n"}
    assert {row["source_file"]: row["collection"] for row in kb.rows()} == {"a.md": "default", "moved/a.md": "moved"}
    assert (kb.dirty(), set(kb.failures())) == (0, {"moved/a.md"})
    assert audit(kb.site).findings == ()


def test_retry_makes_every_failure_due_once(kb: TestSite) -> None:
    kb.write("empty.md", b"")
    kb.refresh()
    assert ledger.retry_failures(kb.connection) == 1
    assert kb.dirty() == 1
    assert kb.refresh()["failed"] == 1
    assert kb.failures()["empty.md"].attempts == 2
    assert kb.dirty() == 0


def test_a_file_that_cannot_be_read_is_tried_again_later_and_may_vanish(kb: TestSite) -> None:
    name = os.fsdecode(b"caf\xe9.md")  # fails for root, too
    kb.write(name, LEAVE)
    assert kb.refresh()["failed"] == 1
    failure = kb.failures()["caf\\xe9.md"]
    assert (failure.stage, failure.error) == ("raw_documents", "UnreadableFile")
    assert failure.next_retry is not None
    assert kb.refresh()["unchanged"] == 1  # not yet due
    ledger.retry_failures(kb.connection)
    again = kb.refresh()
    assert (again["changed"], again["failed"]) == (1, 1)
    ledger.retry_failures(kb.connection)
    (kb.documents / name).unlink()
    assert kb.refresh()["deleted"] == 1
    assert (kb.failures(), kb.count("documents")) == ({}, 0)


def test_transient_failures_are_retried_after_longer_and_longer_times(kb: TestSite) -> None:
    from kb_pipeline.errors import DocumentError, MalformedDocument, ParserCrashed

    kb.write("a.md", LEAVE)
    kb.scan()
    (document,) = (row[0] for row in kb.connection.execute("SELECT id FROM documents"))
    minutes = []

    def fail(version: str, error: DocumentError) -> None:
        ledger.record_failures(kb.connection, "cleaned_elements", [(document, version, error)])

    for _ in range(9):
        fail("v1", ParserCrashed("It died."))
        row = kb.connection.execute("SELECT next_retry - failed_at FROM failures").fetchone()
        assert row is not None
        minutes.append(row[0].total_seconds() / 60)
    assert minutes == [2, 8, 32, 128, 512, 2048, 8192, 8192, 8192]
    fail("v2", ParserCrashed("It died."))
    assert kb.failures()["a.md"].attempts == 1
    fail("v2", MalformedDocument("It is broken."))
    assert kb.failures()["a.md"].next_retry is None


def test_a_document_that_comes_back_before_it_left_is_the_same_document(kb: TestSite) -> None:
    kb.write("a.md", LEAVE)
    kb.refresh()
    identity = {row["document_id"] for row in kb.rows()}
    (kb.documents / "a.md").unlink()
    assert kb.scan()["deleted"] == 1
    assert set(kb.contents()) == {"a.md"}  # until the last stage takes it out
    kb.write("a.md", LEAVE.replace("Twenty", "Thirty"))
    assert kb.refresh()["new"] == 1
    assert {row["document_id"] for row in kb.rows()} == identity
    assert "Thirty" in kb.contents()["a.md"]


def test_a_move_may_land_where_a_deleted_document_has_not_left_yet(kb: TestSite) -> None:
    kb.write("a.md", LEAVE)
    kb.write("b.md", "# B\n\nOther text.\n")
    kb.refresh()
    (kb.documents / "b.md").unlink()
    kb.scan()
    kb.move("a.md", "b.md")
    assert kb.scan()["moved"] == 1
    kb.refresh()
    assert set(kb.contents()) == {"b.md"}
    assert "Twenty" in kb.contents()["b.md"]
    assert (kb.count("documents"), kb.dirty()) == (1, 0)


def test_swapped_files_swap_their_texts_and_nothing_is_embedded(kb: TestSite) -> None:
    kb.write("a.md", "# A\n\nThe text of a.\n")
    kb.write("b.md", "# B\n\nThe text of b.\n")
    kb.refresh()
    kb.move("a.md", "c.tmp")
    kb.move("b.md", "a.md")
    kb.move("c.tmp", "b.md")
    counts = kb.refresh()
    assert (counts["changed"], counts["texts_embedded"]) == (2, 0)
    assert kb.contents() == {"a.md": "The text of b.\n", "b.md": "The text of a.\n"}


def test_a_move_is_complete_whichever_of_its_shards_runs(kb: TestSite) -> None:
    names = {shard_hash(str(kb.documents), f"{n}.md")[0]: f"{n}.md" for n in range(100)}
    (old, old_name), (new, new_name) = list(names.items())[:2]
    kb.write(old_name, LEAVE)
    kb.refresh()
    kb.move(old_name, new_name)
    plan = make_plan(kb.connection, kb.site.settings, kb.site.scope(), kb.site.names)
    assert dict(plan.dirty) == {new: 1}
    kb.refresh([old])  # as a person may choose in Dagster's UI
    assert set(kb.contents()) == {old_name}
    assert kb.dirty() == 1
    kb.refresh([new])
    assert set(kb.contents()) == {new_name}
    assert kb.dirty() == 0


def test_mass_deletion_is_held_until_it_is_allowed(kb: TestSite) -> None:
    kb.reopen(mass_delete_count=2, mass_delete_share=0.2)
    for number in range(6):
        kb.write(f"{number}.md", f"# Number {number}\n\nText.\n")
    kb.refresh()
    for number in range(3):
        (kb.documents / f"{number}.md").unlink()
    kb.write("new.md", "# New\n\nComes in all the same.\n")
    held = kb.refresh()
    assert (held["held"], held["deleted"], held["new"]) == (3, 0, 1)
    assert len(kb.contents()) == 7
    allowed = kb.refresh(allow_mass_delete=True)
    assert (allowed["held"], allowed["deleted"]) == (0, 3)
    assert set(kb.contents()) == {"3.md", "4.md", "5.md", "new.md"}


def test_a_source_that_vanished_deletes_nothing_and_does_not_stop_the_others(
    kb: TestSite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    ledger.register_source(kb.connection, str(other))
    kb.write("a.md", LEAVE)
    kb.refresh()
    kb.documents.rename(kb.documents.with_name("unmounted"))
    (other / "b.md").write_text("# B\n\nIs still taken in.\n")
    os.utime(other / "b.md", ns=(1, 1))
    plan = make_plan(kb.connection, kb.site.settings, kb.site.scope(), kb.site.names)
    assert [str(kb.documents) in sentence for sentence in plan.unavailable] == [True]
    counts = kb.refresh()
    assert (counts["new"], counts["deleted"], counts["sources_unavailable"]) == (1, 0, 1)
    assert set(kb.contents()) == {"a.md", "b.md"}
    with pytest.raises(SourceUnavailable):
        kb.refresh(prefix={str(kb.documents): ""})


def test_a_run_may_be_limited_to_a_path(kb: TestSite) -> None:
    for name in ("a/x.md", "a/y.md", "ab.md", "b/z.md"):
        kb.write(name, f"# {name}\n\nText.\n")
    assert kb.refresh(prefix={str(kb.documents): "a"})["new"] == 2
    assert set(kb.contents()) == {"a/x.md", "a/y.md"}
    assert kb.refresh(prefix={str(kb.documents): "ab.md"})["new"] == 1
    assert kb.refresh(prefix={"/elsewhere": ""})["new"] == 0
    assert kb.refresh()["new"] == 1


def test_names_and_texts_that_look_like_sql_are_only_names_and_texts(kb: TestSite) -> None:
    name = 'x\'); DROP TABLE documents; --/%s {0} "q"\n\t.md'
    kb.write(name, "# '; DROP TABLE chunks; --\n\n{table} %(ids)s 'quoted' \\ $1 and \ufeff\u200b\n")
    counts = kb.refresh()
    assert counts["failed"] == 0
    (row,) = kb.rows()
    assert row["source_file"] == name
    assert "%(ids)s" in row["content"]
    assert kb.refresh()["unchanged"] == 1


def test_every_report_has_the_same_counts_whether_there_is_work_or_not(kb: TestSite) -> None:
    def names() -> list[set[str]]:
        return [
            set(stage.run(kb.site, None).counts)
            for stage in (raw_documents, cleaned_elements, chunks, embeddings, knowledge_chunks)
        ]

    idle = names()
    kb.write("a.md", LEAVE)
    kb.write("broken.docx", b"broken")
    kb.write("bad.md", f"Refused {REJECT_MARKER} here.")
    assert names() == idle
    assert all(idle)


def test_of_files_whose_stored_names_are_equal_all_but_one_are_failures_until_they_are_renamed(kb: TestSite) -> None:
    kb.write("报销 13812345678.md", "# 甲\n\n第一份的内容。")
    kb.write("报销 １３８１２３４５６７８.md", "# 乙\n\n第二份的内容。")
    first = kb.scan()
    assert (first["new"], first["failed"], first["unlisted"]) == (2, 1, 0)
    kb.refresh()
    assert [row["content"] for row in kb.rows()] == ["第一份的内容。"]
    ((path, failure),) = kb.failures().items()
    assert path.endswith("> [2].md")
    assert "rename one of them" in failure.reason
    again = kb.scan()
    assert (again["new"], again["changed"], again["failed"]) == (0, 0, 0)
    (kb.documents / "报销 13812345678.md").unlink()
    kb.write("报销 １３８１２３４５６７８.md", "# 乙\n\n第二份的内容，已改名。")
    kb.refresh()
    assert [row["content"] for row in kb.rows()] == ["第二份的内容，已改名。"]
    assert not kb.failures()


def test_folders_whose_stored_names_are_equal_keep_their_files_apart(kb: TestSite) -> None:
    kb.write("客户 13812345678/a.md", "# 甲\n\n第一份的内容。")
    kb.write("客户 １３８１２３４５６７８/b.md", "# 乙\n\n第二份的内容。")
    assert kb.refresh()["failed"] == 0
    assert sorted(row["content"] for row in kb.rows()) == ["第一份的内容。", "第二份的内容。"]

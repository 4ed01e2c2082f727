"""Runs side by side, and readers who must never see half a document."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb_pipeline.operations.audit import audit
from kb_pipeline.site import open_site
from kb_pipeline.stages import chunks, cleaned_elements, embeddings, knowledge_chunks, raw_documents
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import ledger
from kb_pipeline_tests.instant_embedding_server import REJECT_MARKER

if TYPE_CHECKING:
    from kb_pipeline_tests.sites import TestSite

WAITING = """
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""
STAGES = (raw_documents, cleaned_elements, chunks, embeddings, knowledge_chunks)


def document(version: int, sections: int = 6) -> str:
    """Every chunk says its version; a tail that is the same in every version stays where it is."""
    parts = [f"# Part {n}\n\nVersion {version} of part {n}.\n\n" for n in range(sections + version % 3)]
    return "".join(parts) + "# Tail\n\nThe same in every version.\n"


def run_beside(kb: TestSite, runs: int, barrier: threading.Barrier) -> list[BaseException]:
    """Run all stages over all shards, several times at once, each with a site of its own."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with open_site(kb.site.settings) as site:
                for stage in STAGES:
                    barrier.wait(60)
                    stage.run(site, None)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            barrier.abort()
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return errors


def test_runs_over_the_same_shards_neither_deadlock_nor_duplicate(kb: TestSite) -> None:
    kb.reopen(batch_documents=5)
    for number in range(24):  # many share their bytes or their texts with others
        kb.write(f"{number % 3}/{number}.md", document(number % 6))
    kb.write("empty.md", b"")
    kb.write("refused.md", f"# R\n\nRefused {REJECT_MARKER}.\n")
    assert run_beside(kb, 3, threading.Barrier(3)) == []
    assert audit(kb.site).findings == ()
    assert (kb.dirty(), set(kb.failures())) == (0, {"empty.md", "refused.md"})
    assert len(kb.contents()) == 24
    duplicates = "SELECT document_id FROM knowledge_chunks GROUP BY document_id, chunk_key HAVING count(*) > 1"
    assert kb.connection.execute(duplicates).fetchall() == []


def test_a_reader_sees_the_old_or_the_new_version_never_a_mixture(kb: TestSite) -> None:
    for name in ("a.md", "b.md"):
        kb.write(name, document(0))
    kb.refresh()
    kept = {row["id"] for row in kb.rows("section_title = 'Tail'")}
    stop = threading.Event()
    seen: list[dict[str, list[Any]]] = []
    reader = kb.site.connect()

    def read() -> None:
        while not stop.is_set():
            rows = reader.execute("SELECT source_file, section_title, content FROM knowledge_chunks").fetchall()
            state: dict[str, list[Any]] = {}
            for file, section, content in rows:
                state.setdefault(file, []).append((section, content))
            seen.append(state)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for version in range(1, 5):
            kb.write("a.md", document(version))
            kb.write("b.md", document(version + 1))
            kb.refresh()
    finally:
        stop.set()
        thread.join()
    versions = set()
    for state in seen:
        assert set(state) == {"a.md", "b.md"}
        for file, found in state.items():
            (version,) = {content.split()[1] for section, content in found if section != "Tail"}
            versions.add((file, version))
            assert len(found) == 6 + int(version) % 3 + 1, "a chunk is missing or twice"
    assert len(versions) > 2, "the reader saw no change"
    assert {row["id"] for row in kb.rows("section_title = 'Tail'")} == kept


NAMES = st.sampled_from(["a.md", "b.md", "x/a.md", "y/a.md", "x/b.txt"])
TEXTS = st.sampled_from(
    ["", "# A\n\nOne.\n", "# A\n\nOne.\n\n# B\n\nTwo.\n", "# A\n\nTwo.\n", f"# A\n\n{REJECT_MARKER}\n\n# B\n\nTwo.\n"]
)
STEPS = st.one_of(
    st.tuples(st.just("write"), NAMES, TEXTS),
    st.tuples(st.just("delete"), NAMES, st.none()),
    st.tuples(st.just("move"), NAMES, NAMES),
    st.tuples(st.just("run"), st.sampled_from(["scan", "half", "all"]), st.none()),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=2, max_size=10))
def test_whatever_happened_a_run_leaves_nothing_dirty_and_the_table_is_the_folder(
    kb: TestSite, steps: list[tuple[str, str, str | None]]
) -> None:
    for file in kb.documents.rglob("*.*"):  # of the history before
        file.unlink()
    kb.refresh()
    for action, name, other in steps:
        there = (kb.documents / name).exists() if action != "run" else False
        if action == "write":
            kb.write(name, other or "")
        elif action == "delete" and there:
            (kb.documents / name).unlink()
        elif action == "move" and there and other and not (kb.documents / other).exists():
            kb.move(name, other)
        elif action == "run" and name == "scan":
            kb.scan()
        elif action == "run" and name == "half":
            kb.refresh(list("01234567"))
        elif action == "run":
            kb.refresh()
    kb.refresh()
    assert kb.dirty() == 0
    files = {
        str(path.relative_to(kb.documents)): path.read_text() for path in kb.documents.rglob("*") if path.is_file()
    }
    failing = {name for name, text in files.items() if not text or REJECT_MARKER in text}
    assert set(kb.failures()) == failing
    served = kb.contents() if kb.count("generations WHERE state = 'active'") else {}
    assert set(files) - failing <= set(served) <= set(files)
    for name in set(files) - failing:
        if name.endswith(".md"):
            assert served[name].split() == [word for word in files[name].split() if word not in ("#", "A", "B")]
    documents = "SELECT source_file FROM knowledge_chunks GROUP BY source_file HAVING count(DISTINCT document_id) > 1"
    if served:
        assert kb.connection.execute(documents).fetchall() == []
        assert audit(kb.site).findings == ()
    assert kb.count("documents") == len(files)


def test_a_source_that_is_removed_while_a_run_waits_for_it_is_passed_over(kb: TestSite) -> None:
    kb.write("a.md", document(1))
    (source,) = ledger.sources(kb.connection)

    def scan() -> StageReport:
        with open_site(kb.site.settings) as site:
            return raw_documents.run(site, None)

    with ThreadPoolExecutor(1) as pool, kb.site.connect() as holder:
        with ledger.source_lock(holder, source.id):
            waiting = pool.submit(scan)
            while not holder.execute(WAITING).rowcount:
                assert not waiting.done()
            holder.execute("DELETE FROM sources")
        assert waiting.result(60).counts["new"] == 0
    assert kb.count("documents") == 0


@pytest.mark.parametrize("runs", [2])
def test_runs_that_start_on_an_empty_database_make_one_generation(kb: TestSite, runs: int) -> None:
    kb.write("a.md", document(1))
    assert run_beside(kb, runs, threading.Barrier(runs)) == []
    assert (kb.count("generations"), len(kb.contents())) == (1, 1)

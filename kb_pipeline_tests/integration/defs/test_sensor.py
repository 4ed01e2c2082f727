"""The sensor, tick by tick, against a real instance, database and folder."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from kb_pipeline.definitions import defs
from kb_pipeline.defs import sensors
from kb_pipeline.defs.partitions import range_tags
from kb_pipeline.defs.sensors import WORK_TAG
from kb_pipeline.stages import raw_documents

if TYPE_CHECKING:
    import dagster as dg
    import pytest

    from kb_pipeline_tests.integration.defs.conftest import Workplace

FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def _record(site: Workplace, tags: dict[str, str], *, failed: bool) -> dg.DagsterRun:
    """A refresh run in Dagster's storage that nothing executes."""
    run = site.instance.create_run_for_job(defs.resolve_job_def("refresh"), tags={**range_tags("0", "f"), **tags})
    if failed:
        site.instance.report_run_failed(run)
    return run


def test_one_dropped_file_asks_for_one_run_over_its_shard(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    (request,) = site.requests()
    assert request.tags[FIRST] == request.tags[LAST]
    assert request.tags[FIRST] in "0123456789abcdef"


def test_twelve_files_ask_for_one_run(site: Workplace) -> None:
    for number in range(12):
        site.write(f"{number}.md", f"# {number}\n\nText.")
    (request,) = site.requests()
    assert request.tags[FIRST] < request.tags[LAST]


def test_nothing_new_says_among_how_many(site: Workplace) -> None:
    assert site.skip_reason() == "Nothing new among 0 files."


def test_after_the_run_there_is_nothing_new(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    site.run()
    assert site.skip_reason() == "Nothing new among 1 files."
    assert site.sql("SELECT source_file FROM knowledge_chunks") == [("a.md",)]


def test_without_a_source_the_tick_says_how_to_get_one(site: Workplace) -> None:
    site.sql("DELETE FROM sources")
    assert "kb ingest FOLDER" in site.skip_reason()


def test_a_file_still_being_written_waits(site: Workplace) -> None:
    path = site.write("growing.md", "#", age_seconds=0)
    done = threading.Event()

    def grow() -> None:
        while not done.wait(0.05):
            with path.open("a") as file:
                file.write("more\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        reason = site.skip_reason()
    finally:
        done.set()
        writer.join()
    assert reason == "Nothing new among 1 files, 1 of them still being written."


def test_deletions_that_are_held_are_named_in_the_tick(site: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_MASS_DELETE_COUNT", "1")
    for number in range(4):
        site.write(f"{number}.txt", f"Text {number}.")
    site.run()
    for number in range(3):
        (site.folder / f"{number}.txt").unlink()
    reason = site.skip_reason()
    assert "lost 3 files at once" in reason
    assert "--allow-mass-delete" in reason


def test_an_unmounted_source_is_named_in_the_tick(site: Workplace) -> None:
    site.folder.rmdir()
    assert "mount or create it" in site.skip_reason()


def test_a_database_that_is_away_is_one_sentence(site: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KB_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:9/kb")
    reason = site.skip_reason()
    assert "cannot be reached" in reason
    assert "secret" not in reason
    assert "\n" not in reason


def test_no_second_run_while_one_is_unfinished(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    run = _record(site, {}, failed=False)
    assert site.skip_reason() == f"Run {run.run_id[:8]} is still at work; the next tick looks at what it leaves."


def test_after_a_failed_run_it_waits_and_then_asks_again(site: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("a.md", "# A\n\nText.")
    (request,) = site.requests()
    run = _record(site, dict(request.tags), failed=True)
    assert f"Run {run.run_id[:8]} ended (failure) and left 1 documents" in site.skip_reason()
    monkeypatch.setattr(sensors, "RETRY_SECONDS", -1)
    (again,) = site.requests()
    assert again.tags == request.tags
    assert again.run_key != request.run_key


def test_another_file_after_a_failed_run_is_asked_for_at_once(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    (request,) = site.requests()
    _record(site, dict(request.tags), failed=True)
    site.write("b.md", "# B\n\nText.")
    (other,) = site.requests()
    assert other.tags[WORK_TAG] != request.tags[WORK_TAG]


def test_a_tick_over_ten_thousand_unchanged_files_costs_little(site: Workplace) -> None:
    for number in range(10_000):
        (site.folder / f"{number}.md").touch()
    with site.resource.site() as opened:
        raw_documents.run(opened, None)
    # Without a hash a document has nothing to be done, as if all had been done.
    site.sql("UPDATE documents SET content_hash = NULL")
    before = time.process_time()
    assert site.skip_reason() == "Nothing new among 10,000 files."
    assert time.process_time() - before < 2.0

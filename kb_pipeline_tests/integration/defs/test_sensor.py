"""The sensor, tick by tick, against a real instance, database and folder."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from kb_pipeline.definitions import defs
from kb_pipeline.defs import sensors
from kb_pipeline.defs.build import build_defs
from kb_pipeline.defs.partitions import SHARDS_TAG, range_tags
from kb_pipeline.defs.placement import ASSETS
from kb_pipeline.defs.sensors import INTERVAL_SECONDS, WORK_TAG, Look
from kb_pipeline.settings import load_settings

if TYPE_CHECKING:
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


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("KB_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:9/kb", "cannot be reached"),
        ("KB_DIMENSION", "3", "Setting dimension (KB_DIMENSION) is wrong"),
    ],
)
def test_a_wrong_setting_or_a_database_that_is_away_makes_the_tick_fail_with_one_sentence(
    site: Workplace, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(dg.Failure) as raised:
        site.tick()
    reason = raised.value.description or ""
    assert sentence in reason
    assert "secret" not in reason
    assert "\n" not in reason
    assert raised.value.__cause__ is None


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


def test_a_look_that_took_long_is_followed_by_a_rest_of_twenty_times_as_long(site: Workplace) -> None:
    site.write("a.md", "# A\n\nText.")
    now = time.time()
    reason = site.skip_reason(Look(ended=now, took=30.0).cursor())
    assert reason.startswith("The last look at the sources took 30.0 s; the next one is in ")
    assert site.requests()
    rested = site.tick(Look(ended=now - 601.0, took=30.0).cursor())
    assert rested.run_requests
    seen = Look.of(rested.cursor)
    assert seen is not None
    assert seen.ended >= int(now)


def test_a_short_look_never_makes_a_tick_wait() -> None:
    assert Look(ended=100.0, took=0.5).rest(now=100.0 + INTERVAL_SECONDS) < 0


def test_a_run_over_a_few_of_many_shards_is_told_of_those_alone(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KB_SHARD_DIGITS", "2")
    for number in range(12):
        site.write(f"{number}.md", f"# {number}\n\nText.")
    (request,) = site.requests()
    worked_on = request.tags[SHARDS_TAG].split()
    assert len(worked_on) <= 12
    assert request.tags[FIRST] == request.tags[LAST] == worked_on[-1]
    job = build_defs(load_settings()).resolve_job_def("refresh")
    result = job.execute_in_process(instance=site.instance, tags=request.tags)
    for asset in ASSETS:
        events = [event for event in result.get_asset_materialization_events() if event.asset_key == dg.AssetKey(asset)]
        assert [event.partition for event in events] == worked_on
        *others, totals = [event.materialization.metadata for event in events]
        assert [set(metadata) for metadata in others] == [{"shard"}] * len(others)
        assert "figures" in totals
    assert site.sql("SELECT count(DISTINCT source_file) FROM knowledge_chunks") == [(12,)]
    assert site.skip_reason() == "Nothing new among 12 files."

"""What the nightly sweep deletes of Dagster's history, and what stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from kb_pipeline.definitions import defs
from kb_pipeline.defs import history
from kb_pipeline.defs.history import SWEEP_TAG, prune
from kb_pipeline.defs.partitions import range_tags
from kb_pipeline.defs.placement import ASSETS, Placement

if TYPE_CHECKING:
    import pytest

    from kb_pipeline_tests.integration.defs.conftest import Workplace


@dg.op
def _nothing() -> None:
    """Of a job that is not the knowledge base's."""


@dg.job
def another() -> None:
    _nothing()


def _record(site: Workplace, job: str = "refresh", *, end: bool = True) -> str:
    """A run in Dagster's storage that nothing executed and that materialized nothing."""
    definition = another if job == "another" else defs.resolve_job_def(job)
    tags = {} if job == "another" else range_tags("0", "f")
    run = site.instance.create_run_for_job(definition, tags=tags)
    if end:
        site.instance.report_run_failed(run)
    return run.run_id


def _runs(site: Workplace) -> set[str]:
    return {run.run_id for run in site.instance.get_runs()}


def _files(site: Workplace, run_id: str) -> list[Path]:
    return list(Path(site.instance.root_directory).rglob(f"*{run_id}*"))


def test_finished_runs_of_the_knowledge_base_go_with_their_files_and_others_stay(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "RUNS_KEPT", 0)
    finished, unfinished, foreign = _record(site), _record(site, end=False), _record(site, "another")
    assert _files(site, finished)
    assert prune(site.instance, site.place, days=1.0) == 0
    assert prune(site.instance, site.place, days=0.0) == 1
    assert _runs(site) == {unfinished, foreign}
    assert not _files(site, finished)


def test_the_run_that_materialized_a_shard_last_stays_and_so_do_the_latest_ones(
    site: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("a.md", "# A\n\nText.")
    runs = [site.run().run_id for _ in range(3)]
    monkeypatch.setattr(history, "RUNS_KEPT", 2)
    assert prune(site.instance, site.place, days=0.0) == 1
    assert _runs(site) == set(runs[1:])
    monkeypatch.setattr(history, "RUNS_KEPT", 0)
    assert prune(site.instance, site.place, days=0.0) == 1
    assert _runs(site) == {runs[2]}
    for asset in ASSETS:
        assert len(site.instance.get_materialized_partitions(dg.AssetKey(asset))) == 16


def test_a_night_deletes_no_more_than_so_many(site: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "RUNS_KEPT", 0)
    monkeypatch.setattr(history, "MOST_RUNS", 2)
    for _ in range(3):
        _record(site)
    assert prune(site.instance, site.place, days=0.0) == 2
    assert prune(site.instance, site.place, days=0.0) == 1


def test_only_the_nightly_sweep_prunes(site: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def note(instance: dg.DagsterInstance, place: Placement, days: float) -> int:
        asked.append(days)
        return 7

    monkeypatch.setattr("kb_pipeline.defs.assets.knowledge_chunks.prune", note)
    site.run()
    assert asked == []
    result = site.run(tags={SWEEP_TAG: "true"})
    assert asked == [30]
    (*_, last) = result.asset_materializations_for_node("knowledge_chunks")
    figures = last.metadata["figures"]
    assert isinstance(figures, dg.TableMetadataValue)
    assert {"figure": "dagster runs pruned", "value": "7"}.items() <= {
        key: value for record in figures.records if record.data["value"] == "7" for key, value in record.data.items()
    }.items()

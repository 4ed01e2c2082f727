"""What Dagster remembers of runs, and for how long: it has no retention of its own for them.

The nightly sweep *prunes*: it deletes finished runs of this knowledge base, with their events and output, once they
are older than `[retention] dagster_days`. The latest ones stay whatever their age, so that plots and the last result of
each check stay, and so does every run that materialized a shard last, so that no shard is shown as missing.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from kb_pipeline.defs.placement import ASSETS, Placement

SWEEP_TAG = "kb/sweep"  # on the runs of the nightly sweep
RUNS_KEPT = 100
# A night that finds more than this goes on in the next one: the sweep is not to be about itself.
MOST_RUNS = 2000
MOST_SECONDS = 60.0
PAGE = 100
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def is_sweep(run: dg.DagsterRun) -> bool:
    return run.tags.get(SWEEP_TAG) == "true"


def run_seconds(instance: dg.DagsterInstance, run: dg.DagsterRun) -> float | None:
    """How long ago a run began, by which its own work is told from what was there before; None for a sweep, which is
    about everything.

    A span and not a moment: the clock of the database may be another one.
    """
    if is_sweep(run):
        return None
    record = instance.get_run_record_by_id(run.run_id)
    began = record.start_time or record.create_timestamp.timestamp() if record else 0.0
    return time.time() - began


def prune(instance: dg.DagsterInstance, place: Placement, days: float) -> int:
    """Delete this knowledge base's finished runs that are older than `days`, and return how many they were."""
    started = time.monotonic()
    filters = dg.RunsFilter(statuses=FINISHED, created_before=datetime.now(UTC) - timedelta(days=days))
    kept = _latest(instance, place) | _materializing(instance, place)
    pruned, cursor = 0, None
    while runs := instance.get_runs(filters, cursor=cursor, limit=PAGE):
        for run in runs:
            if pruned >= MOST_RUNS or time.monotonic() - started > MOST_SECONDS:
                return pruned
            if run.run_id in kept or not place.owns(run):
                cursor = run.run_id
                continue
            instance.compute_log_manager.delete_logs(prefix=[run.run_id])
            instance.delete_run(run.run_id)
            pruned += 1
    return pruned


def _latest(instance: dg.DagsterInstance, place: Placement) -> set[str]:
    """The latest runs that ended well; each has materialized every asset, or what it was asked for."""
    found: list[str] = []
    cursor = None
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
    while len(found) < RUNS_KEPT and (runs := instance.get_runs(filters, cursor=cursor, limit=PAGE)):
        found += [run.run_id for run in runs if place.owns(run)]
        cursor = runs[-1].run_id
    return set(found[:RUNS_KEPT])


def _materializing(instance: dg.DagsterInstance, place: Placement) -> set[str]:
    """The runs that hold the latest materialization of a shard of an asset."""
    found: set[str] = set()
    for asset in ASSETS:
        key = place.key(asset)
        latest = instance.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        if latest:
            wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=list(latest.values()))
            records = instance.fetch_materializations(wanted, limit=len(latest)).records
            found |= {record.run_id for record in records}
    return found

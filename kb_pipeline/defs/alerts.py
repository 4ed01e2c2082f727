"""The sensor that tells a webhook what needs a person.

It asks for no run. A receiver that is away makes a tick fail, which Dagster shows, and nothing else: runs know nothing
of it.
"""

from __future__ import annotations

import time
from datetime import timedelta

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (  # has no public place
    AssetCheckExecutionRecordStatus as CheckStatus,
)

from kb_pipeline.alerts.message import Condition
from kb_pipeline.defs.history import FINISHED
from kb_pipeline.defs.placement import Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.defs.sensors import UNFINISHED
from kb_pipeline.operations.alerts import tell
from kb_pipeline.operations.jobs import RE_EMBED, REFRESH

ALERTS = "alerts"
INTERVAL_SECONDS = 60
WATCHED_JOBS = (REFRESH, RE_EMBED)


def alerts(place: Placement, checks: list[dg.AssetCheckKey]) -> dg.SensorDefinition:
    @dg.sensor(
        name=place.name(ALERTS),
        required_resource_keys={place.resource_key},
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Tells the webhook of [alerts] in one message what is new: documents that failed, deletions that are held, "
            "checks and jobs that failed. Waits for the end of a run, at most as long as between two messages; says "
            "nothing twice. Without a webhook it does nothing."
        ),
    )
    def tick(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        settings = place.read_settings().alerts
        if settings.webhook_url is None:
            return dg.SkipReason("No webhook is set; KB_ALERTS__WEBHOOK_URL names one.")
        if run := _young_run(context.instance, place, timedelta(minutes=settings.every_minutes)):
            return dg.SkipReason(f"Run {run.run_id[:8]} is at work; what it leaves is told at its end.")
        seen = [*_failed_checks(context.instance, checks), *_failed_jobs(context.instance, place)]
        with step(place, place.resource(context.resources), context.log) as site:
            return dg.SkipReason(tell(site, seen))

    return tick


def _young_run(instance: dg.DagsterInstance, place: Placement, age: timedelta) -> dg.DagsterRun | None:
    """A run of this knowledge base that is under way and began not longer ago than `age`."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        began = record.start_time or record.create_timestamp.timestamp()
        if place.owns(record.dagster_run) and time.time() - began < age.total_seconds():
            return record.dagster_run
    return None


def _failed_checks(instance: dg.DagsterInstance, checks: list[dg.AssetCheckKey]) -> list[Condition]:
    """Those whose last evaluation did not pass."""
    failed = [key for key in checks if _last(instance, key) == CheckStatus.FAILED]
    names = [f"{key.asset_key.to_user_string()}: {key.name}" for key in failed]
    return [Condition("checks", name, "failed", name) for name in names]


def _last(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> CheckStatus | None:
    """What its last evaluation found; one that is only planned says nothing: its run is at work, or was killed."""
    ended = {CheckStatus.SUCCEEDED, CheckStatus.FAILED}
    latest = instance.event_log_storage.get_asset_check_execution_history(check, limit=1, status=ended)
    return latest[0].status if latest else None


def _failed_jobs(instance: dg.DagsterInstance, place: Placement) -> list[Condition]:
    """Those whose last run failed."""
    latest = [
        run
        for job in WATCHED_JOBS
        for run in instance.get_runs(dg.RunsFilter(job_name=place.name(job), statuses=FINISHED), limit=1)
    ]
    return [
        Condition("runs", run.job_name, "failed", run.job_name, f"run {run.run_id[:8]}")
        for run in latest
        if run.status == dg.DagsterRunStatus.FAILURE
    ]

"""The sensor that notices dropped files."""

import time

import dagster as dg

from kb_pipeline.defs.jobs import refresh
from kb_pipeline.defs.partitions import range_tags
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource
from kb_pipeline.defs.runs import end_dead_runs
from kb_pipeline.errors import KbError
from kb_pipeline.operations.jobs import REFRESH
from kb_pipeline.operations.sources import register_configured
from kb_pipeline.settings import Settings
from kb_pipeline.stages.planning import Plan, make_plan, spans
from kb_pipeline.store.database import database_errors

INTERVAL_SECONDS = 15
# Work that a run left as it was (a server was down) is asked for again this long after the run ended.
RETRY_SECONDS = 600
# On each run that this sensor asks for: which work it was asked for.
WORK_TAG = "kb/dropped_files"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Lists the sources, compares them with the ledger, and asks for a run over the shards where they differ. "
        "Waits while a refresh is under way, and ten minutes before asking again for work that a run left undone; "
        "each tick says what it found."
    ),
)
def dropped_files(
    context: dg.SensorEvaluationContext, knowledge_base: KnowledgeBaseResource
) -> dg.SensorResult | dg.SkipReason:
    instance = context.instance
    end_dead_runs(instance)
    for run in instance.get_runs(dg.RunsFilter(job_name=REFRESH, statuses=UNFINISHED), limit=1):
        return dg.SkipReason(f"Run {_short(run)} is still at work; the next tick looks at what it leaves.")
    try:
        with database_errors(), knowledge_base.site() as site:
            settings = site.settings
            connection = site.connect()
            register_configured(connection, settings)
            plan = make_plan(connection, settings, site.scope(), site.names)
    except KbError as error:
        return dg.SkipReason(str(error))
    if not plan.dirty:
        return dg.SkipReason(" ".join([_nothing_new(plan), *_warnings(plan)]))
    previous = instance.get_run_records(dg.RunsFilter(tags={WORK_TAG: plan.fingerprint}), limit=1)
    if previous and (wait := RETRY_SECONDS - (time.time() - (previous[0].end_time or 0.0))) > 0:
        last = previous[0].dagster_run
        return dg.SkipReason(
            f"Run {_short(last)} ended ({last.status.value.lower()}) and left {sum(plan.dirty.values())} documents as "
            f"they were; its page says why. It is asked for again in {wait:.0f} s."
        )
    for sentence in _warnings(plan):
        context.log.warning(sentence)
    return dg.SensorResult(
        run_requests=run_requests(plan, settings, after=previous[0].dagster_run.run_id if previous else "first")
    )


def run_requests(plan: Plan, settings: Settings, *, after: str) -> list[dg.RunRequest]:
    """A run per span of dirty shards.

    Dagster remembers a run key for ever, so it names the work and the attempt: the run `after` which it comes.
    """
    return [
        dg.RunRequest(
            run_key=f"{plan.fingerprint}:{first}-{last}:{after}",
            tags={**range_tags(first, last), WORK_TAG: plan.fingerprint},
        )
        for first, last in spans(plan.dirty, settings.documents_per_run)
    ]


def _nothing_new(plan: Plan) -> str:
    if not plan.scans and not plan.unavailable:
        return "There is no source yet; run kb ingest FOLDER, or name folders under [[sources]] in kb.toml."
    scanned = sum(scan.diff.scanned for scan in plan.scans)
    writing = sum(len(scan.diff.writing) for scan in plan.scans)
    waiting = f", {writing} of them still being written" if writing else ""
    return f"Nothing new among {scanned:,} files{waiting}."


def _warnings(plan: Plan) -> list[str]:
    held = [
        f"{scan.source.uri} lost {len(scan.diff.held)} files at once, so nothing is deleted; mount it, or run "
        "kb ingest --allow-mass-delete."
        for scan in plan.scans
        if scan.diff.held
    ]
    return [*plan.unavailable, *held, *plan.notes]


def _short(run: dg.DagsterRun) -> str:
    """A run's id as the UI shows it."""
    return run.run_id[:8]

"""The sensor that notices dropped files."""

import time

import dagster as dg

from kb_pipeline.errors import KbError
from kb_pipeline.jobs import refresh
from kb_pipeline.operations.sources import register_configured
from kb_pipeline.partitions import range_tags
from kb_pipeline.resources.knowledge_base import KnowledgeBaseResource
from kb_pipeline.runs import end_dead_runs
from kb_pipeline.stages.planning import make_plan, spans

INTERVAL_SECONDS = 15
# A dirty set that a run left as it was (a server was down) is asked for again after this long.
RETRY_SECONDS = 600
TAG = "kb/dropped_files"
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
    description="Lists the sources, compares them with the ledger, and asks for a run where they differ.",
)
def dropped_files(
    context: dg.SensorEvaluationContext, knowledge_base: KnowledgeBaseResource
) -> dg.SensorResult | dg.SkipReason:
    end_dead_runs(context.instance)
    unfinished = context.instance.get_runs(dg.RunsFilter(tags={TAG: "true"}, statuses=UNFINISHED), limit=1)
    if unfinished:
        return dg.SkipReason("A run that this sensor asked for is still at work.")
    try:
        with knowledge_base.site() as site:
            settings = site.settings
            connection = site.connect()
            register_configured(connection, settings)
            plan = make_plan(connection, settings, site.scope())
    except KbError as error:
        return dg.SkipReason(str(error))
    for sentence in plan.unavailable:
        context.log.warning(sentence)
    for scan in plan.scans:
        if scan.diff.held:
            context.log.warning(
                "%s lost %d files at once; nothing is deleted. Mount it, or run kb ingest --allow-mass-delete",
                scan.source.uri,
                len(scan.diff.held),
            )
    if not plan.dirty:
        scanned = sum(scan.diff.scanned for scan in plan.scans)
        writing = sum(len(scan.diff.writing) for scan in plan.scans)
        waiting = f"; {writing} still being written" if writing else ""
        return dg.SkipReason(f"Nothing new among {scanned} files{waiting}.")
    bucket = int(time.time() // RETRY_SECONDS)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{plan.fingerprint}:{first}-{last}:{bucket}",
                tags={**range_tags(first, last), TAG: "true"},
            )
            for first, last in spans(plan.dirty, settings.documents_per_run)
        ]
    )

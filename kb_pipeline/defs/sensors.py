"""The sensor that notices dropped files."""

import json
import logging
import time
from dataclasses import asdict, dataclass

import dagster as dg

from kb_pipeline.defs.jobs import AssetJob
from kb_pipeline.defs.partitions import run_tags
from kb_pipeline.defs.placement import Placement
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.defs.runs import end_dead_runs
from kb_pipeline.operations.jobs import REFRESH
from kb_pipeline.operations.sources import register_configured
from kb_pipeline.settings import Settings
from kb_pipeline.stages.planning import Plan, make_plan, spans
from kb_pipeline.store import ledger

DROPPED_FILES = "dropped_files"
INTERVAL_SECONDS = 15
# Looking may take a twentieth of the time: after a look that took three seconds, the next one waits a minute.
REST = 20
# Work that a run left as it was (a server was down) is asked for again this long after the run ended.
RETRY_SECONDS = 600
# On each run that this sensor asks for: which work it was asked for. Hidden in the UI: it says nothing to a person.
WORK_TAG = ".dagster/kb_work"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True)
class Look:
    """The sensor's last look at the sources, which is its cursor: when it ended (Unix time) and the seconds it took.

    What was found is in the ledger; losing a cursor only means to look at once.
    """

    ended: float
    took: float

    @classmethod
    def of(cls, cursor: str | None) -> "Look | None":
        return cls(**json.loads(cursor)) if cursor else None

    def cursor(self) -> str:
        return json.dumps(asdict(self))

    def rest(self, now: float) -> float:
        """Seconds until the next one."""
        return self.ended + REST * self.took - now


def dropped_files(place: Placement, refresh: AssetJob) -> dg.SensorDefinition:
    @dg.sensor(
        name=place.name(DROPPED_FILES),
        job=refresh,
        required_resource_keys={place.resource_key},
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Lists the sources, compares them with the ledger, and asks for a run over the shards where they differ. "
            "Waits while a refresh is under way, and ten minutes before asking again for work that a run left undone; "
            "each tick says what it found."
        ),
    )
    def dropped(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return _tick(place, context)

    return dropped


def _tick(place: Placement, context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Raises dg.Failure when the settings are wrong or the database is away: such a tick is red."""
    instance = context.instance
    end_dead_runs(instance)
    job = place.name(REFRESH)
    for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED), limit=1):
        return dg.SkipReason(f"Run {_short(run)} is still at work; the next tick looks at what it leaves.")
    last_look = Look.of(context.cursor)
    if last_look and (rest := last_look.rest(time.time())) > 0:
        return dg.SkipReason(
            f"The last look at the sources took {last_look.took:.1f} s; the next one is in {rest:.0f} s, so that "
            f"looking takes no more than a {REST}th of the time."
        )
    started = time.monotonic()
    plan, settings = _look(place, place.resource(context.resources), context.log)
    look = Look(round(time.time()), round(time.monotonic() - started, 2)).cursor()
    if not plan.dirty:
        return _skip(" ".join([_nothing_new(plan), *_warnings(plan)]), look)
    previous = instance.get_run_records(dg.RunsFilter(job_name=job, tags={WORK_TAG: plan.fingerprint}), limit=1)
    if previous and (wait := RETRY_SECONDS - (time.time() - (previous[0].end_time or 0.0))) > 0:
        last = previous[0].dagster_run
        return _skip(
            f"Run {_short(last)} ended ({last.status.value.lower()}) and left {sum(plan.dirty.values())} documents as "
            f"they were; its page says why. It is asked for again in {wait:.0f} s.",
            look,
        )
    for sentence in _warnings(plan):
        context.log.warning(sentence)
    after = previous[0].dagster_run.run_id if previous else "first"
    return dg.SensorResult(run_requests=run_requests(plan, settings, after=after), cursor=look)


def _look(place: Placement, resource: KnowledgeBaseResource, log: logging.Logger) -> tuple[Plan, Settings]:
    with step(place, resource, log) as site:
        connection = site.connect()
        register_configured(connection, site.settings)
        plan = make_plan(connection, site.settings, site.scope(), site.names)
        ledger.note_held_deletions(connection, {scan.source.uri: len(scan.diff.held) for scan in plan.scans})
        return plan, site.settings


def _skip(reason: str, cursor: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=cursor)


def run_requests(plan: Plan, settings: Settings, *, after: str) -> list[dg.RunRequest]:
    """A run per span of dirty shards.

    Dagster remembers a run key for ever, so it names the work and the attempt: the run `after` which it comes.
    """
    return [
        dg.RunRequest(
            run_key=f"{plan.fingerprint}:{shards[0]}-{shards[-1]}:{after}",
            tags={**run_tags(shards), WORK_TAG: plan.fingerprint},
        )
        for shards in spans(plan.dirty, settings.documents_per_run)
    ]


def _nothing_new(plan: Plan) -> str:
    if not (plan.scans or plan.unavailable or plan.resting):
        return "There is no source yet; run kb ingest FOLDER, or name folders under [[sources]] in kb.toml."
    scanned = sum(scan.diff.scanned for scan in plan.scans)
    writing = sum(len(scan.diff.writing) for scan in plan.scans)
    waiting = f", {writing} of them still being written" if writing else ""
    resting = f" {plan.resting} sources are not due to be looked at yet." if plan.resting else ""
    return f"Nothing new among {scanned:,} files{waiting}.{resting}"


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

"""The nightly sweep and the weekly re-embedding, in the site's time zone."""

import dagster as dg

from kb_pipeline.defs.history import SWEEP_TAG
from kb_pipeline.defs.jobs import AssetJob
from kb_pipeline.defs.partitions import range_tags
from kb_pipeline.defs.placement import Placement

NIGHTLY_SWEEP = "nightly_sweep"
WEEKLY_RE_EMBEDDING = "weekly_re_embedding"


def nightly_sweep(place: Placement, refresh: AssetJob) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=place.name(NIGHTLY_SWEEP),
        job=refresh,
        cron_schedule=place.schedules.nightly_sweep,
        execution_timezone=place.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Every night: scan all sources, finish what earlier runs left, check the whole table, and delete what "
            "Dagster remembers of old runs."
        ),
    )
    def sweep() -> dg.RunRequest:
        # Without a run key: the sensor's are remembered for ever, and the sweep has to run regardless.
        return dg.RunRequest(tags={**_all_shards(place), SWEEP_TAG: "true"})

    return sweep


def weekly_re_embedding(place: Placement, re_embed: AssetJob) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=place.name(WEEKLY_RE_EMBEDDING),
        job=re_embed,
        cron_schedule=place.schedules.re_embedding,
        execution_timezone=place.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every Sunday: embed whatever has no vector under the configured model.",
    )
    def re_embedding() -> dg.RunRequest:
        return dg.RunRequest(tags=_all_shards(place))

    return re_embedding


def _all_shards(place: Placement) -> dict[str, str]:
    return range_tags(place.shard_names[0], place.shard_names[-1])

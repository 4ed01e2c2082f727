"""The nightly sweep and the weekly re-embedding."""

import dagster as dg

from kb_pipeline.defs.assets.shared import SHARDS, SWEEP_TAG
from kb_pipeline.defs.jobs import re_embed, refresh
from kb_pipeline.defs.partitions import range_tags


def _all_shards(**tags: str) -> dg.RunRequest:
    keys = SHARDS.get_partition_keys()
    return dg.RunRequest(tags={**range_tags(keys[0], keys[-1]), **tags})


@dg.schedule(
    job=refresh,
    cron_schedule="30 2 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: scan all sources, finish what was left, check the whole table, remove what is old.",
)
def nightly_sweep() -> dg.RunRequest:
    # Without a run key: the sensor's are remembered for ever, and the sweep has to run regardless.
    return _all_shards(**{SWEEP_TAG: "true"})


@dg.schedule(
    job=re_embed,
    cron_schedule="0 3 * * 0",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Sunday: embed whatever has no vector under the configured model.",
)
def weekly_re_embedding() -> dg.RunRequest:
    return _all_shards()

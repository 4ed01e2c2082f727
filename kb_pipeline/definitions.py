"""Wires assets, checks, jobs, schedules, sensors and resources together; nothing else."""

from __future__ import annotations

import dagster as dg

from kb_pipeline.defs import assets, checks, jobs, schedules, sensors
from kb_pipeline.defs.resources.knowledge_base import knowledge_base
from kb_pipeline.settings import load_settings

defs = dg.Definitions(
    assets=[
        assets.raw_documents,
        assets.cleaned_elements,
        assets.chunks,
        assets.embeddings,
        assets.knowledge_chunks,
    ],
    asset_checks=[
        checks.vectors_are_sound,
        checks.counts_agree,
        checks.failure_rate,
        checks.no_orphans,
        checks.nothing_is_unmasked,
    ],
    jobs=[jobs.refresh, jobs.re_embed],
    schedules=[schedules.nightly_sweep, schedules.weekly_re_embedding],
    sensors=[sensors.dropped_files],
    # What is materialized by hand runs like the jobs do: a process per run, which `runs` watches.
    executor=dg.in_process_executor,
    resources={"knowledge_base": knowledge_base(load_settings())},
)

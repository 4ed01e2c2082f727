"""All that Dagster shows of a knowledge base, put together for a project of its own or as a part of another."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import dagster as dg

from kb_pipeline.defs import alerts, generations, jobs, quality, schedules, sensors
from kb_pipeline.defs.assets import build_assets
from kb_pipeline.defs.checks import build_checks
from kb_pipeline.defs.placement import GROUP, place
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.settings import Settings


def build_defs(
    settings: Settings | None = None,
    *,
    key_prefix: str | Sequence[str] = (),
    group: str = GROUP,
    owners: Sequence[str] | None = None,
    execution_timezone: str | None = None,
) -> dg.Definitions:
    """The five assets, those of the quality loop, their checks, the jobs, the sensors, the schedules and the resource.

    `settings`: those of the knowledge base; without them they are read from the environment, .env and kb.toml, and
    read again by each run and tick. `key_prefix` goes before the asset keys and, joined by underscores, before the
    names of jobs, sensors, schedules and resource: with another prefix each, several knowledge bases fit into one
    project. `owners` and `execution_timezone` are otherwise those of the settings.

    Merge it with your own: `dg.Definitions.merge(build_defs(key_prefix="hr"), dg.Definitions(assets=[…]))`. Nothing in
    it is for the whole project: no executor, no loggers, no IO manager. The embedding step asks for the pool `gpu`;
    give it the limit 1 in your dagster.yaml, as this project's does. Raises SettingsError.
    """
    here = place(settings, key_prefix=key_prefix, group=group, owners=owners, execution_timezone=execution_timezone)
    refresh, re_embed, evaluate = jobs.refresh_job(here), jobs.re_embed_job(here), quality.evaluate_job(here)
    checks = [*build_checks(here), *quality.quality_checks(here)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # links from assets to their code
        assets = dg.with_source_code_references([*build_assets(here), *quality.quality_assets(here)])
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[refresh, re_embed, evaluate, quality.tune_job(here), *generations.generation_jobs(here)],
        schedules=[
            schedules.nightly_sweep(here, refresh),
            schedules.weekly_re_embedding(here, re_embed),
            quality.weekly_evaluation(here, evaluate),
        ],
        sensors=[
            sensors.dropped_files(here, refresh),
            alerts.alerts(here, [key for each in checks for key in each.check_keys]),
        ],
        resources={here.resource_key: KnowledgeBaseResource()},
    )

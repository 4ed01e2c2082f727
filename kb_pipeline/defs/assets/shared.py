"""What the five assets have in common: partitions, owners, and how a stage's report becomes metadata."""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import dagster as dg

from kb_pipeline.defs.partitions import shard_partitions
from kb_pipeline.settings import load_settings
from kb_pipeline.site import Site
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import ledger

# On runs that work for the generation the settings describe now, instead of the active one.
REBUILD_TAG = "kb/rebuild"
# On runs that check the whole knowledge base and remove what is old.
SWEEP_TAG = "kb/sweep"
SHARDS = shard_partitions(load_settings().shard_digits)
BAR_CHARACTERS = 16


def stage_asset(
    *,
    description: str,
    kinds: set[str],
    deps: Sequence[str] = (),
    code_version: str = "1",
    pool: str | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    freshness_policy: dg.FreshnessPolicy | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` with what the five stages have in common: shards, one run for a range of them, group, owners."""
    with warnings.catch_warnings():
        # Dagster calls backfill_policy beta; without it a range of shards would be a run per shard.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.asset(
            deps=deps,
            partitions_def=SHARDS,
            backfill_policy=dg.BackfillPolicy.single_run(),
            group_name="knowledge_base",
            owners=["team:data-platform"],
            kinds=kinds,
            code_version=code_version,
            pool=pool,
            retry_policy=retry_policy,
            freshness_policy=freshness_policy,
            description=description,
        )


def metadata(report: StageReport, **more: Any) -> dict[str, Any]:
    """The numbers of a report under stable keys, its duration, and whatever is worth a look."""
    numbers = {key: dg.MetadataValue.int(int(value)) for key, value in report.counts.items()}
    return {**numbers, "seconds": dg.MetadataValue.float(round(report.seconds, 2)), **more}


def is_rebuild(context: dg.AssetExecutionContext) -> bool:
    """Whether the run works for the generation that the settings describe now, making it when it is missing."""
    return context.run.tags.get(REBUILD_TAG) == "true"


def is_sweep(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> bool:
    """Whether the run looks at the whole knowledge base, and not only at what it changed itself."""
    return context.run.tags.get(SWEEP_TAG) == "true"


def run_seconds(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> float | None:
    """How long ago the run began, which is how its own work is told from what was there before; None: look at all.

    A span and not a moment: the clock of the database may be another one.
    """
    if is_sweep(context):
        return None
    record = context.instance.get_run_record_by_id(context.run.run_id)
    began = record.start_time or record.create_timestamp.timestamp() if record else 0.0
    return time.time() - began


def add_shard_figures(context: dg.AssetExecutionContext, site: Site, *names: str) -> None:
    """Give each shard of the run its own numbers: what the ledger holds for it after this stage."""
    figures = ledger.shard_figures(site.connect(), site.scope(context.partition_keys))
    for shard in context.partition_keys:
        own = figures.get(shard, {})
        context.add_asset_metadata({f"shard_{name}": own.get(name, 0) for name in names}, partition_key=shard)


def table(site: Site, rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """Rows of equal keys as a table in the UI; personal data in file names is masked, too."""
    if not rows:
        return dg.MetadataValue.text("none")
    records = [dg.TableRecord({key: _cell(site, value) for key, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records)


def _cell(site: Site, value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return site.maskers.strictest.mask(str(value)).text


def bars(rows: Sequence[Mapping[str, Any]], label: str, name: str) -> list[dict[str, Any]]:
    """The number `name` of each row, with a bar as long as it is large.

    A picture inside Markdown would be hidden behind a link, or cut off, in the narrow column that Dagster's
    UI has for values; block characters in a table are always there.
    """
    largest = max((row[name] for row in rows), default=0) or 1
    return [
        {
            label: row[label],
            name: round(row[name], 4) if isinstance(row[name], float) else row[name],
            "share": "█" * round(BAR_CHARACTERS * row[name] / largest),
        }
        for row in rows
    ]


def groups(rows: Iterable[Mapping[str, Any]], key: str) -> dict[Any, list[Mapping[str, Any]]]:
    """Rows by their value of `key`, in order."""
    found: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found

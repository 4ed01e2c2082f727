"""What the five assets have in common: partitions, owners, and how a stage's report becomes metadata."""

import base64
import html
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from kb_pipeline.partitions import shard_partitions
from kb_pipeline.settings import load_settings
from kb_pipeline.site import Site
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import ledger

SHARDS = shard_partitions(load_settings().shard_digits)


def stage_asset(
    *,
    description: str,
    kinds: set[str],
    deps: Sequence[str] = (),
    code_version: str = "1",
    pool: str | None = None,
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
            freshness_policy=freshness_policy,
            description=description,
        )


def metadata(report: StageReport, **more: Any) -> dict[str, Any]:
    """The numbers of a report under stable keys, its duration, and whatever is worth a look."""
    numbers = {key: dg.MetadataValue.int(int(value)) for key, value in sorted(report.counts.items())}
    return {**numbers, "seconds": dg.MetadataValue.float(round(report.seconds, 2)), **more}


def add_shard_figures(context: dg.AssetExecutionContext, site: Site, *names: str) -> None:
    """Give each shard of the run its own numbers: what the ledger holds for it after this stage."""
    figures = ledger.shard_figures(site.connect(), site.scope(context.partition_keys))
    for shard in context.partition_keys:
        own = figures.get(shard, {})
        context.add_asset_metadata({f"shard_{name}": own.get(name, 0) for name in names}, partition_key=shard)


def table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """Rows of equal keys as a table in the UI."""
    if not rows:
        return dg.MetadataValue.text("none")
    return dg.MetadataValue.table([dg.TableRecord({key: cell(value) for key, value in row.items()}) for row in rows])


def cell(value: Any) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def bars(title: str, values: Mapping[str, float], unit: str) -> dg.MarkdownMetadataValue:
    """A small horizontal bar chart, drawn as an SVG picture inside Markdown."""
    largest = max(values.values(), default=0) or 1
    height = 22 * len(values) + 30
    rows = []
    for index, (name, value) in enumerate(values.items()):
        y = 26 + 22 * index
        width = round(300 * value / largest, 1)
        rows.append(
            f'<text x="150" y="{y + 12}" text-anchor="end">{html.escape(name[:22])}</text>'
            f'<rect x="158" y="{y}" width="{width}" height="15" rx="2" fill="#4f43dd"/>'
            f'<text x="{164 + width}" y="{y + 12}">{value:,.0f} {html.escape(unit)}</text>'
        )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="560" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="560" height="{height}" fill="white"/>'
        f'<text x="8" y="15" font-weight="bold">{html.escape(title)}</text>{"".join(rows)}</svg>'
    )
    picture = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{picture})")

"""What the five assets have in common: how they are declared, and how a stage's report becomes metadata.

A run takes a range of shards, and Dagster stores an event for each of them. The one that it stores last, which is what
an asset's page shows, has the *figures* of the whole run: the three that matter most as numbers of their own, which
become plots, all of them in a table with their units, and as `counts` for programs. Each of the others has its own
shard's row and nothing else, so that no shard shows the totals of a run as its own, and totals are stored once.

No passage is shown anywhere: Dagster's history is no place for the text of documents, masked as it is.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import dagster as dg

from kb_pipeline.defs.partitions import shards_of
from kb_pipeline.defs.placement import Placement
from kb_pipeline.site import Site
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import ledger
from kb_pipeline.store.ledger import DocumentFigures

# On runs that work for the generation the settings describe now, instead of the active one.
REBUILD_TAG = "kb/rebuild"
COUNTS = "counts"
HEADLINES = 3
MOST_MARKED = 16  # shards of a site whose empty ones are marked; an event takes a hundredth of a CPU second
BAR_CHARACTERS = 16

Row = Mapping[str, Any]


def stage_asset(
    place: Placement,
    name: str,
    *,
    description: str,
    table: str,
    deps: Sequence[str] = (),
    code_version: str = "1",
    pool: str | None = None,
    retry_policy: dg.RetryPolicy | None = None,
    freshness_policy: dg.FreshnessPolicy | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` with what the five stages have in common: shards, one run for a range of them, group, owners, the
    `table` of the ledger that holds what they make."""
    with warnings.catch_warnings():
        # Dagster calls backfill_policy beta; without it a range of shards would be a run per shard.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.asset(
            name=name,
            key_prefix=place.key_prefix or None,
            deps=[place.key(dependency) for dependency in deps],
            partitions_def=place.shards,
            backfill_policy=dg.BackfillPolicy.single_run(),
            required_resource_keys={place.resource_key},
            group_name=place.group,
            owners=place.owners,
            kinds={"python", "postgres"},
            code_version=code_version,
            pool=pool,
            retry_policy=retry_policy,
            freshness_policy=freshness_policy,
            description=description,
            metadata={"dagster/table_name": table, "dagster/storage_kind": "postgres", **(metadata or {})},
        )


def is_rebuild(context: dg.AssetExecutionContext) -> bool:
    """Whether the run works for the generation that the settings describe now, making it when it is missing."""
    return context.run.tags.get(REBUILD_TAG) == "true"


def materialized(
    context: dg.AssetExecutionContext,
    place: Placement,
    site: Site,
    report: StageReport,
    units: Mapping[str, str],
    *,
    shards: Mapping[str, Row],
    more: Mapping[str, Any],
    numbers: Mapping[str, float] | None = None,
) -> dg.MaterializeResult[None]:
    """The result of a stage's run; see the module's docstring.

    `units`: figure -> its unit, the three that matter most first; `shards`: shard -> its own numbers, where it has
    any; `more`: further metadata of the run; `numbers`: figures besides the report's counts.
    """
    values = {**report.counts, **(numbers or {}), "seconds": round(report.seconds, 2)}
    worked_on, known = shards_of(context), set(context.partition_keys)
    rows = {shard: {"shard": shard, **shards[shard]} for shard in worked_on if shard in shards}
    # Dagster stores their events in the order of the set that it makes of them.
    *others, last = place.shards.subset_with_partition_keys(known).get_partition_keys()
    for shard in [*(shard for shard in worked_on if shard not in known), *others]:
        own = {"shard": table(site, [rows[shard]] if shard in rows else [])}
        if shard in known:
            context.add_asset_metadata(own, partition_key=shard)
        else:
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=shard, metadata=own))
    headlines = {name: dg.MetadataValue.int(int(values[name])) for name in list(units)[:HEADLINES]}
    figures = [
        {"figure": name.replace("_", " "), "value": _shown(values[name]), "unit": unit} for name, unit in units.items()
    ]
    context.add_asset_metadata(
        {
            **headlines,
            "figures": table(site, figures),
            **more,
            "shards": table(site, list(rows.values())),
            COUNTS: dg.MetadataValue.json(dict(report.counts)),
        },
        partition_key=last,
    )
    return dg.MaterializeResult()


def mark_empty_shards(context: dg.AssetExecutionContext, place: Placement, site: Site) -> None:
    """Materialize the shards outside the run that hold no document and were never materialized: there is nothing
    to be done for them, and a small site has many, which would be shown as missing for ever. A site that has divided
    its documents into more shards is no small one, and its nightly sweep is a run over all of them."""
    key = context.asset_key
    missing = set(place.shard_names) - set(shards_of(context)) if len(place.shard_names) <= MOST_MARKED else set()
    if missing:
        missing -= context.instance.get_materialized_partitions(key)
    if missing:
        missing -= ledger.document_figures(site.connect(), site.scope(sorted(missing))).by_shard().keys()
    for shard in sorted(missing):
        context.log_event(dg.AssetMaterialization(key, "No document falls into this shard.", partition=shard))


def shard_rows(figures: DocumentFigures, *names: str) -> dict[str, Row]:
    """shard -> its numbers `names`."""
    return {shard: {name: figure[name] for name in names} for shard, figure in figures.by_shard().items()}


def table(site: Site, rows: Sequence[Row]) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """Rows of equal keys as a table in the UI; personal data in file names is masked, too."""
    if not rows:
        return dg.MetadataValue.text("none")
    records = [dg.TableRecord({key: _cell(site, value) for key, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records)


def _shown(value: float) -> str:
    """A number as people read it; the column of a table has one type, so all are text."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _cell(site: Site, value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return site.maskers.strictest.mask(str(value)).text


def bars(rows: Sequence[Row], label: str, name: str) -> list[dict[str, Any]]:
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


def groups(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    """Rows by their value of `key`, in order."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found

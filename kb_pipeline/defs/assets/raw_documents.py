"""Asset 1: the files of the sources, as the ledger knows them."""

from itertools import islice

import dagster as dg
from pydantic import Field

from kb_pipeline.defs.assets.shared import (
    bars,
    mark_empty_shards,
    materialized,
    shard_rows,
    stage_asset,
    table,
)
from kb_pipeline.defs.partitions import shards_of
from kb_pipeline.defs.placement import RAW_DOCUMENTS, Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.site import Site
from kb_pipeline.stages import raw_documents as stage
from kb_pipeline.stages.report import StageReport
from kb_pipeline.store import ledger

TABLE = "documents"
MOST_FOLDERS_NAMED = 20
UNITS = {
    "new": "documents",
    "changed": "documents",
    "deleted": "documents",
    "moved": "documents",
    "described": "documents",
    "scanned": "files, all sources",
    "unchanged": "files, all sources",
    "writing": "files",
    "held": "deletions",
    "skipped": "files",
    "unlisted": "folders",
    "failed": "documents",
    "sidecars_failed": "sidecars",
    "sources_unavailable": "sources",
    "seconds": "s",
}


class ScanConfig(dg.Config):
    """How far a scan goes."""

    allow_mass_delete: bool = Field(False, description="Apply deletions even when most of a source vanished.")
    within: dict[str, str] = Field(
        {}, description="Source URI to a path inside it; only what lies there is scanned. Empty: everything."
    )


def build(place: Placement) -> dg.AssetsDefinition:
    @stage_asset(
        place,
        RAW_DOCUMENTS,
        table=TABLE,
        description=(
            "The documents of every source: listed, compared with the ledger, and hashed when size, time or etag "
            "changed. Knows new, changed, moved and deleted files; a listing that suddenly lost most of its files "
            "deletes nothing."
        ),
    )
    def raw_documents(context: dg.AssetExecutionContext, config: ScanConfig) -> dg.MaterializeResult[None]:
        with step(place, place.resource(context.resources), context.log) as site:
            report = stage.run(
                site,
                shards_of(context),
                prefix=config.within or None,
                allow_mass_delete=config.allow_mass_delete,
            )
            _warn(context, site, report)
            mark_empty_shards(context, place, site)
            connection = site.connect()
            scope = site.scope(shards_of(context))
            figures = ledger.document_figures(connection, scope)
            return materialized(
                context,
                place,
                site,
                report,
                UNITS,
                shards=shard_rows(figures, "documents"),
                more={
                    "collections": table(site, bars(figures.by_collection(), "collection", "documents")),
                    "last_changed": table(site, ledger.recent_documents(connection, scope)),
                },
            )

    return raw_documents


def _warn(context: dg.AssetExecutionContext, site: Site, report: StageReport) -> None:
    """Say in the log what was passed over or held back."""
    for sentence in report.details["unavailable"]:
        context.log.warning("Passed over: %s", sentence)
    for folder, reason in islice(report.details.get("unlisted", {}).items(), MOST_FOLDERS_NAMED):
        name = site.maskers.strictest.mask(folder).text
        context.log.warning("%s could not be listed (%s); what is below it was left as it is", name, reason)
    for uri, held in report.details.get("held", {}).items():
        context.log.warning(
            "%s lost %d files at once; nothing was deleted. Mount it, or run kb ingest --allow-mass-delete", uri, held
        )

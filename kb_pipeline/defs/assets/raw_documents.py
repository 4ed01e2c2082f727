"""Asset 1: the files of the sources, as the ledger knows them."""

from itertools import islice

import dagster as dg
from pydantic import Field

from kb_pipeline.defs.assets.shared import add_shard_figures, bars, metadata, stage_asset, table
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.stages import raw_documents as stage
from kb_pipeline.store import ledger

MOST_FOLDERS_NAMED = 20


class ScanConfig(dg.Config):
    """How far a scan goes."""

    allow_mass_delete: bool = Field(False, description="Apply deletions even when most of a source vanished.")
    within: dict[str, str] = Field(
        {}, description="Source URI to a path inside it; only what lies there is scanned. Empty: everything."
    )


@stage_asset(
    kinds={"python", "postgres"},
    description=(
        "The documents of every source: listed, compared with the ledger, and hashed when size, time or etag "
        "changed. Knows new, changed, moved and deleted files; a listing that suddenly lost most of its files "
        "deletes nothing."
    ),
)
def raw_documents(
    context: dg.AssetExecutionContext, config: ScanConfig, knowledge_base: KnowledgeBaseResource
) -> dg.MaterializeResult[None]:
    with step(knowledge_base, context.log) as site:
        report = stage.run(
            site,
            context.partition_keys,
            prefix=config.within or None,
            allow_mass_delete=config.allow_mass_delete,
        )
        add_shard_figures(context, site, "documents")
        connection = site.connect()
        recent = ledger.recent_documents(connection, site.scope(context.partition_keys))
        counts = ledger.counts_by_collection(connection, site.scope(context.partition_keys))
        for sentence in report.details["unavailable"]:
            context.log.warning("Passed over: %s", sentence)
        for folder, reason in islice(report.details.get("unlisted", {}).items(), MOST_FOLDERS_NAMED):
            name = site.maskers.strictest.mask(folder).text
            context.log.warning("%s could not be listed (%s); what is below it was left as it is", name, reason)
        for uri, held in report.details.get("held", {}).items():
            context.log.warning(
                "%s lost %d files at once; nothing was deleted. Mount it, or run kb ingest --allow-mass-delete",
                uri,
                held,
            )
        return dg.MaterializeResult(
            metadata=metadata(
                report,
                collections=table(site, bars(counts, "collection", "documents")),
                last_changed=table(site, recent),
            )
        )

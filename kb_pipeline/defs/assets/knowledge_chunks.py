"""Asset 5: the table that is searched."""

from datetime import timedelta

import dagster as dg

from kb_pipeline.defs.assets.shared import add_shard_figures, bars, is_rebuild, is_sweep, metadata, stage_asset, table
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.stages import knowledge_chunks as stage
from kb_pipeline.stages import retention
from kb_pipeline.store import generations, ledger


@stage_asset(
    deps=["embeddings"],
    kinds={"python", "postgres"},
    # The nightly sweep materializes the table even when nothing changed.
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=49), warn_window=timedelta(hours=26)),
    description=(
        "The serving table behind the view `knowledge_chunks`: chunks with vectors at the serving dimension, a "
        "vector index and a full-text index. A document is replaced in one transaction, so a reader sees all of "
        "its old chunks or all of its new ones."
    ),
)
def knowledge_chunks(
    context: dg.AssetExecutionContext, knowledge_base: KnowledgeBaseResource
) -> dg.MaterializeResult[None]:
    with step(knowledge_base, context.log) as site:
        report = stage.run(site, context.partition_keys, rebuild=is_rebuild(context))
        if is_sweep(context):
            report.counts += retention.run(site).counts
        add_shard_figures(context, site, "documents", "chunks")
        connection = site.connect()
        summaries = generations.summaries(connection)
        counts = ledger.counts_by_collection(connection, site.scope(context.partition_keys))
        return dg.MaterializeResult(
            metadata=metadata(
                report,
                generation=dg.MetadataValue.text(report.details["generation"]),
                model=dg.MetadataValue.text(report.details["model"]),
                dimension=dg.MetadataValue.int(report.details["dimension"]),
                collections=table(site, bars(counts, "collection", "tokens")),
                generations=table(site, summaries),
            )
        )

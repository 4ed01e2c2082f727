"""Asset 4: a native vector for every text."""

import dagster as dg

from kb_pipeline.assets.shared import add_shard_figures, is_rebuild, metadata, stage_asset
from kb_pipeline.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.stages import embeddings as stage

GPU_POOL = "gpu"


@stage_asset(
    deps=["chunks"],
    pool=GPU_POOL,
    kinds={"python", "openai", "postgres"},
    description=(
        "One native vector per distinct text and model, from the embedding server. What has a vector is never "
        "embedded again; a text that the server refuses fails its document and no other."
    ),
)
def embeddings(context: dg.AssetExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.MaterializeResult[None]:
    with step(knowledge_base, context.log) as site:
        report = stage.run(site, context.partition_keys, rebuild=is_rebuild(context))
        add_shard_figures(context, site, "chunks", "tokens")
        embedded, tokens = report.counts["texts_embedded"], report.counts["tokens"]
        return dg.MaterializeResult(
            metadata=metadata(
                report,
                model=dg.MetadataValue.text(report.details["model"]),
                generation=dg.MetadataValue.text(report.details["generation"]),
                tokens_per_second=dg.MetadataValue.float(
                    round(tokens / report.seconds, 1) if embedded and report.seconds else 0.0
                ),
            )
        )

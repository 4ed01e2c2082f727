"""Asset 4: a native vector for every text."""

import dagster as dg

from kb_pipeline.defs.assets.shared import add_shard_figures, bars, is_rebuild, metadata, stage_asset, table
from kb_pipeline.defs.execute import COMMAND_TAG
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.stages import embeddings as stage

GPU_POOL = "gpu"
# A server that is restarted, with a model to load, is back within minutes; what was embedded meanwhile is kept.
RETRIES = dg.RetryPolicy(max_retries=4, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@stage_asset(
    deps=["chunks"],
    pool=GPU_POOL,
    retry_policy=RETRIES,
    kinds={"python", "openai", "postgres"},
    description=(
        "One native vector per distinct text and model, from the embedding server. What has a vector is never "
        "embedded again; a text that the server refuses fails its document and no other."
    ),
)
def embeddings(context: dg.AssetExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.MaterializeResult[None]:
    # A person who waits for a command hears at once that the server is gone.
    retry = COMMAND_TAG not in context.run.tags
    with step(knowledge_base, context.log, retry_unavailable=retry) as site:
        report = stage.run(site, context.partition_keys, rebuild=is_rebuild(context))
        add_shard_figures(context, site, "chunks", "tokens")
        found = report.details
        throughput = [
            {"second": round(start), "tokens_per_second": round(rate)} for start, rate in found.get("throughput", ())
        ]
        cards = {
            name: dg.MetadataValue.int(found[name])
            for name in ("gpu_utilization", "gpu_memory_mb")
            if found.get(name) is not None
        }
        return dg.MaterializeResult(
            metadata=metadata(
                report,
                model=dg.MetadataValue.text(found["model"]),
                generation=dg.MetadataValue.text(found["generation"]),
                tokens_per_second=dg.MetadataValue.float(round(found.get("tokens_per_second", 0.0), 1)),
                padding_share=dg.MetadataValue.float(round(found.get("padding_share", 0.0), 4)),
                throughput=table(site, bars(throughput, "second", "tokens_per_second")),
                **cards,
            )
        )

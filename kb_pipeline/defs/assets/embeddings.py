"""Asset 4: a native vector for every text."""

import dagster as dg

from kb_pipeline.defs.assets.shared import (
    bars,
    is_rebuild,
    mark_empty_shards,
    materialized,
    shard_rows,
    stage_asset,
    table,
)
from kb_pipeline.defs.execute import COMMAND_TAG
from kb_pipeline.defs.partitions import shards_of
from kb_pipeline.defs.placement import CHUNKS, EMBEDDINGS, Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.stages import embeddings as stage
from kb_pipeline.store import ledger

TABLE = "embeddings"
GPU_POOL = "gpu"
# A server that is restarted, with a model to load, is back within minutes; what was embedded meanwhile is kept.
RETRIES = dg.RetryPolicy(max_retries=4, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
UNITS = {
    "texts_embedded": "texts",
    "tokens_embedded": "tokens",
    "tokens_per_second": "tokens/s",
    "texts_reused": "passages",
    "texts_rejected": "texts",
    "texts_averaged": "texts",
    "failed": "documents",
    "tokens_estimated": "tokens",
    "requests": "requests",
    "retries": "requests",
    "padding_share": "share of tokens",
    "seconds": "s",
}
OF_CARDS = {"gpu_utilization": "% of the cards", "gpu_memory_mb": "MiB of the cards"}


def build(place: Placement) -> dg.AssetsDefinition:
    @stage_asset(
        place,
        EMBEDDINGS,
        deps=[CHUNKS],
        table=TABLE,
        pool=GPU_POOL,
        retry_policy=RETRIES,
        description=(
            "One native vector per distinct text and model, from the embedding server. What has a vector is never "
            "embedded again; a text that the server refuses fails its document and no other."
        ),
    )
    def embeddings(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        # A person who waits for a command hears at once that the server is gone.
        retry = COMMAND_TAG not in context.run.tags
        with step(place, place.resource(context.resources), context.log, retry_unavailable=retry) as site:
            report = stage.run(site, shards_of(context), rebuild=is_rebuild(context))
            mark_empty_shards(context, place, site)
            figures = ledger.document_figures(site.connect(), site.scope(shards_of(context)))
            found = report.details
            throughput = [
                {"second": round(start), "tokens_per_second": round(rate)}
                for start, rate in found.get("throughput", ())
            ]
            cards = {name: found[name] for name in OF_CARDS if found.get(name) is not None}
            return materialized(
                context,
                place,
                site,
                report,
                UNITS | {name: OF_CARDS[name] for name in cards},
                numbers={
                    "tokens_per_second": round(found.get("tokens_per_second", 0.0), 1),
                    "padding_share": round(found.get("padding_share", 0.0), 4),
                    **cards,
                },
                shards=shard_rows(figures, "chunks", "tokens"),
                more={
                    "model": dg.MetadataValue.text(found["model"]),
                    "generation": dg.MetadataValue.text(found["generation"]),
                    "throughput": table(site, bars(throughput, "second", "tokens_per_second")),
                },
            )

    return embeddings

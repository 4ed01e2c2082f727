"""Asset 3: the passages that are embedded, searched and shown."""

import dagster as dg

from kb_pipeline.defs.assets.shared import add_shard_figures, bars, metadata, stage_asset, table
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.settings import CHUNK_CODE_VERSION
from kb_pipeline.stages import chunks as stage
from kb_pipeline.store import ledger

PREVIEW_CHUNKS = 5
PREVIEW_CHARACTERS = 80


@stage_asset(
    deps=["cleaned_elements"],
    kinds={"python", "postgres"},
    code_version=str(CHUNK_CODE_VERSION),
    description=(
        "Documents cut into passages inside their sections, each with its heading path, pages and language; tables "
        "keep their header row. An edit touches only the chunks around it."
    ),
)
def chunks(context: dg.AssetExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.MaterializeResult[None]:
    with step(knowledge_base, context.log) as site:
        report = stage.run(site, context.partition_keys)
        add_shard_figures(context, site, "chunks", "tokens")
        connection = site.connect()
        preview = [
            {
                "file": row["file"],
                "page": row["page"],
                "section": row["section"].split(" > ")[-1],
                "content": " ".join(row["content"].split())[:PREVIEW_CHARACTERS],
            }
            for row in ledger.chunk_preview(connection, site.scope(context.partition_keys), limit=PREVIEW_CHUNKS)
        ]
        counts = ledger.counts_by_collection(connection, site.scope(context.partition_keys))
        return dg.MaterializeResult(
            metadata=metadata(
                report,
                collections=table(site, bars(counts, "collection", "chunks")),
                newest_chunks=table(site, preview),
            )
        )

"""Asset 3: the passages that are embedded, searched and shown."""

import dagster as dg

from kb_pipeline.defs.assets.shared import (
    bars,
    mark_empty_shards,
    materialized,
    shard_rows,
    stage_asset,
    table,
)
from kb_pipeline.defs.partitions import shards_of
from kb_pipeline.defs.placement import CHUNKS, CLEANED_ELEMENTS, Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.settings import CHUNK_CODE_VERSION
from kb_pipeline.stages import chunks as stage
from kb_pipeline.store import ledger

TABLE = "chunks"
MOST_DOCUMENTS = 10
UNITS = {
    "chunks": "passages",
    "documents": "documents",
    "tokens": "tokens, estimated",
    "failed": "documents",
    "seconds": "s",
}


def build(place: Placement) -> dg.AssetsDefinition:
    @stage_asset(
        place,
        CHUNKS,
        deps=[CLEANED_ELEMENTS],
        table=TABLE,
        code_version=str(CHUNK_CODE_VERSION),
        description=(
            "Documents cut into passages inside their sections, each with its heading path, pages and language; tables "
            "keep their header row. An edit touches only the chunks around it. `kb inspect FILE` shows those of a file."
        ),
    )
    def chunks(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with step(place, place.resource(context.resources), context.log) as site:
            report = stage.run(site, shards_of(context))
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
                shards=shard_rows(figures, "documents", "chunks", "tokens"),
                more={
                    "collections": table(site, bars(figures.by_collection(), "collection", "chunks")),
                    "newest": table(site, ledger.newest_chunks(connection, scope, MOST_DOCUMENTS)),
                },
            )

    return chunks

"""Asset 5: the table that is searched."""

from datetime import timedelta

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
from kb_pipeline.defs.history import is_sweep, prune
from kb_pipeline.defs.partitions import shards_of
from kb_pipeline.defs.placement import EMBEDDINGS, KNOWLEDGE_CHUNKS, Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.stages import knowledge_chunks as stage
from kb_pipeline.stages import retention
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.database import Connection

TABLE = "knowledge_chunks"
UNITS = {
    "rows": "passages",
    "documents": "documents",
    "documents_removed": "documents",
    "chunks_written": "passages",
    "documents_incomplete": "documents",
    "index_built": "indexes",
    "activated": "generations",
    "elements_removed": "elements",
    "vectors_removed": "vectors",
    "searches_removed": "searches",
    "generations_dropped": "generations",
    "dagster_runs_pruned": "runs",
    "seconds": "s",
}


def build(place: Placement) -> dg.AssetsDefinition:
    @stage_asset(
        place,
        KNOWLEDGE_CHUNKS,
        deps=[EMBEDDINGS],
        table=TABLE,
        # The nightly sweep materializes the table even when nothing changed.
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=49), warn_window=timedelta(hours=26)
        ),
        metadata={"search page": dg.MetadataValue.url(f"http://127.0.0.1:{place.search_port}/")},
        description=(
            "The serving table behind the view `knowledge_chunks`: chunks with vectors at the serving dimension, a "
            "vector index and a full-text index. A document is replaced in one transaction, so a reader sees all of "
            "its old chunks or all of its new ones."
        ),
    )
    def knowledge_chunks(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with step(place, place.resource(context.resources), context.log) as site:
            report = stage.run(site, shards_of(context), rebuild=is_rebuild(context))
            mark_empty_shards(context, place, site)
            pruned = 0
            if is_sweep(context.run):
                report.counts.update(retention.run(site).counts)
                pruned = prune(context.instance, place, site.settings.retention.dagster_days)
            connection = site.connect()
            figures = ledger.document_figures(connection, site.scope(shards_of(context)))
            return materialized(
                context,
                place,
                site,
                report,
                UNITS,
                numbers={
                    **{name: report.counts[name] for name in retention.COUNTS},
                    "dagster_runs_pruned": pruned,
                },
                shards=shard_rows(figures, "documents", "chunks"),
                more={
                    "dagster/row_count": report.counts["rows"],
                    "dagster/column_schema": _column_schema(connection),
                    "generation": dg.MetadataValue.text(report.details["generation"]),
                    "model": dg.MetadataValue.text(
                        f"{report.details['model']}, {report.details['dimension']} dimensions"
                    ),
                    # Of a generation that was to be activated, or was.
                    **(
                        {"recall": dg.MetadataValue.text(report.details["recall"])}
                        if "recall" in report.details
                        else {}
                    ),
                    "collections": table(site, bars(figures.by_collection(), "collection", "chunks")),
                    "generations": table(site, generations.summaries(connection)),
                },
            )

    return knowledge_chunks


def _column_schema(connection: Connection) -> dg.TableSchema:
    """The columns that people query, as PostgreSQL knows them."""
    return dg.TableSchema(
        [
            dg.TableColumn(column["name"], column["type"], column["description"])
            for column in ledger.columns(connection, TABLE)
        ]
    )

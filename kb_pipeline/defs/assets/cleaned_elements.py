"""Asset 2: headings, paragraphs and tables, cleaned and masked."""

from typing import Any

import dagster as dg

from kb_pipeline.defs.assets.shared import (
    Row,
    bars,
    groups,
    mark_empty_shards,
    materialized,
    stage_asset,
    table,
)
from kb_pipeline.defs.history import run_seconds
from kb_pipeline.defs.partitions import shards_of
from kb_pipeline.defs.placement import CLEANED_ELEMENTS, RAW_DOCUMENTS, Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.settings import PARSE_CODE_VERSION
from kb_pipeline.stages import cleaned_elements as stage
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import Scope

TABLE = "elements"
MOST_DOCUMENTS = 20  # in each table
UNITS = {
    "documents": "documents",
    "pages": "pages",
    "failed": "documents",
    "elements": "elements",
    "dropped": "elements",
    "masked": "personal data",
    "masked_further": "documents",
    "seconds": "s",
}


def build(place: Placement) -> dg.AssetsDefinition:
    @stage_asset(
        place,
        CLEANED_ELEMENTS,
        deps=[RAW_DOCUMENTS],
        table=TABLE,
        code_version=str(PARSE_CODE_VERSION),
        description=(
            "What each document says: parsed in sandboxed processes, running headers and footers dropped, personal "
            "data masked before anything is stored. A document that cannot be parsed becomes a failure with a reason; "
            "the others go through. `kb inspect FILE` shows all of one file."
        ),
    )
    def cleaned_elements(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with step(place, place.resource(context.resources), context.log) as site:
            report = stage.run(site, shards_of(context))
            mark_empty_shards(context, place, site)
            scope = site.scope(shards_of(context))
            connection = site.connect()
            seconds = run_seconds(context.instance, context.run)
            formats = ledger.elements_by_format(connection, scope, seconds)
            failures = [
                {"file": failure.path, "stage": failure.stage, "reason": failure.reason, "attempts": failure.attempts}
                for failure in ledger.failures(connection, scope, limit=MOST_DOCUMENTS)
            ]
            newest = ledger.newest_elements(connection, scope, MOST_DOCUMENTS)
            return materialized(
                context,
                place,
                site,
                report,
                UNITS,
                shards=_shard_rows(connection, scope, seconds),
                more={
                    "formats": table(site, [_format_row(row) for row in formats]),
                    "time_per_page": table(site, bars(formats, "format", "seconds_per_page")),
                    "failures": table(site, failures),
                    "warnings": table(site, ledger.warned_documents(connection, scope, MOST_DOCUMENTS, seconds)),
                    "newest": table(site, [{**row, "coverage": _rounded(row["coverage"])} for row in newest]),
                },
            )

    return cleaned_elements


def _format_row(row: Row) -> dict[str, Any]:
    numbers = {name: int(row[name]) for name in ("documents", "pages", "elements", "dropped")}
    return {"format": row["format"], **numbers, "coverage": _rounded(row["least_coverage"])}


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _shard_rows(connection: Connection, scope: Scope, seconds: float | None) -> dict[str, Row]:
    """Of each shard what the run parsed: documents by format, pages, seconds per page, least coverage and what was
    masked; and all its failures."""
    parsed = groups(ledger.shard_elements(connection, scope, seconds), "shard")
    failed = groups(ledger.shard_failures(connection, scope, stage.STAGE), "shard")
    masked = groups(ledger.shard_privacy(connection, scope, seconds), "shard")
    return {
        shard: _shard_row(parsed.get(shard, []), failed.get(shard, []), masked.get(shard, []))
        for shard in sorted(parsed.keys() | failed.keys())
    }


def _shard_row(formats: list[Row], errors: list[Row], entities: list[Row]) -> Row:
    pages = sum(int(row["pages"]) for row in formats)
    coverages = [row["least_coverage"] for row in formats if row["least_coverage"] is not None]
    return {
        "documents": ", ".join(f"{row['documents']} {row['format']}" for row in formats) or "none",
        "pages": pages,
        "seconds_per_page": round(sum(row["seconds"] for row in formats) / max(pages, 1), 4),
        "least_coverage": _rounded(min(coverages, default=None)),
        "failed": ", ".join(f"{row['documents']} {row['error']}" for row in errors) or "none",
        "masked": sum(int(row["count"]) for row in entities),
    }

"""Asset 2: headings, paragraphs and tables, cleaned and masked."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from kb_pipeline.defs.assets.shared import bars, groups, metadata, run_seconds, stage_asset, table
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.settings import PARSE_CODE_VERSION
from kb_pipeline.site import Site
from kb_pipeline.stages import cleaned_elements as stage
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection

PREVIEW_DOCUMENTS = 3
PREVIEW_ELEMENTS = 6  # of each
PREVIEW_CHARACTERS = 80


@stage_asset(
    deps=["raw_documents"],
    kinds={"python", "postgres"},
    code_version=str(PARSE_CODE_VERSION),
    description=(
        "What each document says: parsed in sandboxed processes, running headers and footers dropped, personal "
        "data masked before anything is stored. A document that cannot be parsed becomes a failure with a reason; "
        "the others go through."
    ),
)
def cleaned_elements(
    context: dg.AssetExecutionContext, knowledge_base: KnowledgeBaseResource
) -> dg.MaterializeResult[None]:
    with step(knowledge_base, context.log) as site:
        report = stage.run(site, context.partition_keys)
        scope = site.scope(context.partition_keys)
        connection = site.connect()
        _add_shard_figures(context, site, connection)
        seconds = run_seconds(context)
        formats = ledger.elements_by_format(connection, scope, seconds)
        failures = [
            {"file": failure.path, "stage": failure.stage, "reason": failure.reason, "attempts": failure.attempts}
            for failure in ledger.failures(connection, scope, limit=20)
        ]
        warned = ledger.warned_documents(connection, scope, 20, seconds)
        return dg.MaterializeResult(
            metadata=metadata(
                report,
                formats=table(site, [_format_row(row) for row in formats]),
                time_per_page=table(site, bars(formats, "format", "seconds_per_page")),
                failures=table(site, failures),
                warnings=table(site, warned),
                newest_elements=table(site, _preview(ledger.latest_elements(connection, scope, PREVIEW_DOCUMENTS))),
            )
        )


def _format_row(row: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: int(row[name]) for name in ("documents", "pages", "elements", "dropped")}
    coverage = row["least_coverage"]
    return {"format": row["format"], **numbers, "least_coverage": None if coverage is None else round(coverage, 4)}


def _add_shard_figures(context: dg.AssetExecutionContext, site: Site, connection: Connection) -> None:
    """Of each shard what the run parsed: documents by format, pages, seconds per page, least coverage, what was masked;
    and all its failures by kind."""
    scope, seconds = site.scope(context.partition_keys), run_seconds(context)
    parsed = groups(ledger.shard_elements(connection, scope, seconds), "shard")
    failed = groups(ledger.shard_failures(connection, scope, stage.STAGE), "shard")
    masked = groups(ledger.shard_privacy(connection, scope, seconds), "shard")
    for shard in context.partition_keys:
        formats, errors, entities = parsed.get(shard, []), failed.get(shard, []), masked.get(shard, [])
        pages = sum(int(row["pages"]) for row in formats)
        coverages = [row["least_coverage"] for row in formats if row["least_coverage"] is not None]
        figures: dict[str, Any] = {
            "shard_documents": sum(row["documents"] for row in formats),
            "shard_formats": ", ".join(f"{row['documents']} {row['format']}" for row in formats) or "none",
            "shard_pages": pages,
            "shard_seconds_per_page": round(sum(row["seconds"] for row in formats) / max(pages, 1), 4),
            "shard_failed": sum(row["documents"] for row in errors),
            "shard_failures": ", ".join(f"{row['documents']} {row['error']}" for row in errors) or "none",
        }
        figures["shard_masked"] = sum(int(row["count"]) for row in entities)
        figures["shard_masked_entities"] = ", ".join(f"{row['count']} {row['entity']}" for row in entities) or "none"
        if coverages:
            figures["shard_least_coverage"] = round(min(coverages), 4)
        context.add_asset_metadata(figures, partition_key=shard)


def _preview(documents: Iterable[tuple[str, CleanedDocument]]) -> list[dict[str, Any]]:
    """The first elements of each document, as far as a table shows them."""
    return [
        {
            "file": path,
            "page": element.page_number,
            "category": element.category,
            "level": element.heading_level,
            "text": " ".join(element.text.split())[:PREVIEW_CHARACTERS],
        }
        for path, document in documents
        for element in document.elements[:PREVIEW_ELEMENTS]
    ]

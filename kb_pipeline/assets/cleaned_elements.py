"""Asset 2: headings, paragraphs and tables, cleaned and masked."""

import dagster as dg

from kb_pipeline.assets.shared import add_shard_figures, metadata, stage_asset, table
from kb_pipeline.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.settings import PARSE_CODE_VERSION
from kb_pipeline.stages import cleaned_elements as stage
from kb_pipeline.store import ledger


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
        add_shard_figures(context, site, "documents", "failed")
        connection = site.connect()
        failures = [
            {"file": failure.path, "stage": failure.stage, "reason": failure.reason, "attempts": failure.attempts}
            for failure in ledger.failures(connection, site.scope(context.partition_keys), limit=20)
        ]
        formats = ledger.elements_by_format(connection, site.scope(context.partition_keys))
        return dg.MaterializeResult(
            metadata=metadata(
                report,
                formats=table(site, formats),
                failures=table(site, failures),
            )
        )

"""Asset checks. A blocking one keeps what is wrong from reaching the next asset."""

import dagster as dg

from kb_pipeline import assets
from kb_pipeline.assets.shared import SHARDS
from kb_pipeline.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.store import audit, generations, ledger

MOST_FAILURES = 0.05


@dg.asset_check(
    asset=assets.embeddings,
    blocking=True,
    description="The newest native vectors have the model's dimension and norm 1; half precision holds no NaN.",
)
def vectors_are_sound(
    context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource
) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        shards = SHARDS.get_partition_keys()
        checks = {
            generation: audit.check_embeddings(connection, site.scope(shards), generation)
            for generation in generations.generations(connection)
            if generation.state in ("active", "building")
        }
    return dg.AssetCheckResult(
        passed=all(check.is_sound(generation.native_dimension) for generation, check in checks.items()),
        metadata={
            "checked": sum(check.checked for check in checks.values()),
            "unsound": sum(check.unsound for check in checks.values()),
        },
    )


@dg.asset_check(
    asset=assets.knowledge_chunks,
    blocking=True,
    description="Every loaded document has as many rows as it has chunks, none twice, each of norm 1.",
)
def counts_agree(context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        active = generations.active_generation(connection)
        if active is None:
            return dg.AssetCheckResult(passed=True, metadata={"rows": 0})
        findings = audit.table_findings(connection, active, ("wrong_counts", "duplicate_rows"))
        vectors = audit.check_serving_vectors(connection, active)
    return dg.AssetCheckResult(
        passed=not findings and vectors.is_sound(active.dimension),
        metadata={
            "documents_with_wrong_counts": sum(finding.count for finding in findings),
            "examples": ", ".join(example for finding in findings for example in finding.examples) or "none",
            "vectors_checked": vectors.checked,
            "vectors_unsound": vectors.unsound,
        },
    )


@dg.asset_check(
    asset=assets.cleaned_elements, description="At most one document in twenty has failed; `kb failures` lists them."
)
def failure_rate(context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        failed = ledger.count_failures(connection, site.scope())
        documents = ledger.count_documents(connection)
    rate = failed / documents if documents else 0.0
    return dg.AssetCheckResult(
        passed=rate <= MOST_FAILURES,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failed": failed, "documents": documents, "rate": rate},
    )


@dg.asset_check(
    asset=assets.knowledge_chunks, description="No row of the table is without its document; `kb audit` says more."
)
def no_orphans(context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        active = generations.active_generation(connection)
        findings = audit.table_findings(connection, active, ("orphan_rows",)) if active else []
    return dg.AssetCheckResult(
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"orphans": sum(finding.count for finding in findings)},
    )

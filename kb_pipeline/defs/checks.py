"""Asset checks. A blocking one keeps what is wrong from reaching the next asset."""

from collections import Counter

import dagster as dg

from kb_pipeline.defs import assets
from kb_pipeline.defs.assets.shared import is_sweep, run_seconds
from kb_pipeline.defs.resources.knowledge_base import KnowledgeBaseResource, step
from kb_pipeline.store import audit, generations, ledger
from kb_pipeline.store.audit import EXAMPLES

MOST_FAILURES = 0.05
SAMPLED_CHUNKS = 300  # of what the run stored, and as many of all
NEWEST_ROWS = 2_000


@dg.asset_check(
    asset=assets.embeddings,
    blocking=True,
    description="The vectors that are to be loaded next have the model's dimension and norm 1.",
)
def vectors_are_sound(
    context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource
) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        checks = [
            (generation, audit.check_vectors_to_load(connection, site.scope(), generation))
            for generation in generations.generations(connection)
            if generation.state in ("active", "building")
        ]
    return dg.AssetCheckResult(
        passed=all(check.is_sound(generation.native_dimension) for generation, check in checks),
        metadata={
            "checked": sum(check.checked for _, check in checks),
            "unsound": sum(check.unsound for _, check in checks),
        },
    )


@dg.asset_check(
    asset=assets.knowledge_chunks,
    blocking=True,
    description="Every document that the run loaded (in the nightly sweep: every one) has as many rows as chunks, "
    "each of norm 1.",
)
def counts_agree(context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        active = generations.active_generation(connection)
        if active is None:
            return dg.AssetCheckResult(passed=True, metadata={"rows": 0})
        seconds = run_seconds(context)
        findings = audit.wrong_counts(connection, active, seconds)
        vectors = audit.check_serving_vectors(connection, active, seconds)
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
    asset=assets.chunks,
    description="No recognizer finds personal data that the policy masks in a sample of what the run stored, and in "
    "one of all the text.",
)
def nothing_is_unmasked(
    context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource
) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        seconds = run_seconds(context)
        sample = audit.recent_text(connection, seconds, SAMPLED_CHUNKS) if seconds is not None else []
        sample += audit.sample_text(connection, SAMPLED_CHUNKS)
        found: Counter[str] = Counter()
        files: set[str] = set()
        for path, collection, content in sample:
            entities = [finding.entity for finding in site.maskers.of(collection).findings(content)]
            if entities:
                found.update(entities)
                files.add(path)
    return dg.AssetCheckResult(
        passed=not found,
        metadata={
            "chunks_sampled": len(sample),
            "values_found": found.total(),
            "entities": ", ".join(f"{count} {entity}" for entity, count in found.most_common()) or "none",
            "examples": ", ".join(sorted(files)[:EXAMPLES]) or "none",
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
    asset=assets.knowledge_chunks,
    description="No row of the table is without its document: of the newest, in the nightly sweep of all.",
)
def no_orphans(context: dg.AssetCheckExecutionContext, knowledge_base: KnowledgeBaseResource) -> dg.AssetCheckResult:
    with step(knowledge_base, context.log) as site:
        connection = site.connect()
        active = generations.active_generation(connection)
        newest = None if is_sweep(context) else NEWEST_ROWS
        findings = audit.orphan_rows(connection, active, newest) if active else []
    return dg.AssetCheckResult(
        passed=not findings,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"orphans": sum(finding.count for finding in findings)},
    )

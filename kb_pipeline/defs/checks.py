"""Asset checks. A blocking one keeps what is wrong from reaching the next asset."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import dagster as dg

from kb_pipeline.defs.assets.shared import table
from kb_pipeline.defs.history import is_sweep, run_seconds
from kb_pipeline.defs.placement import CHUNKS, CLEANED_ELEMENTS, EMBEDDINGS, KNOWLEDGE_CHUNKS, Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.operations.golden import ask
from kb_pipeline.store import audit, generations, ledger
from kb_pipeline.store.audit import EXAMPLES

MOST_FAILURES = 0.05
SAMPLED_CHUNKS = 300  # of what the run stored, and as many of all
NEWEST_ROWS = 2_000


def build_checks(place: Placement) -> list[dg.AssetChecksDefinition]:
    return [
        _vectors_are_sound(place),
        _counts_agree(place),
        _nothing_is_unmasked(place),
        _failure_rate(place),
        _no_orphans(place),
        _golden_questions(place),
    ]


def _check(
    place: Placement, asset: str, *, description: str, blocking: bool = False
) -> Callable[[Callable[..., Any]], dg.AssetChecksDefinition]:
    return dg.asset_check(
        asset=place.key(asset),
        blocking=blocking,
        description=description,
        required_resource_keys={place.resource_key},
    )


def _vectors_are_sound(place: Placement) -> dg.AssetChecksDefinition:
    @_check(
        place,
        EMBEDDINGS,
        blocking=True,
        description="The vectors that are to be loaded next have the model's dimension and norm 1.",
    )
    def vectors_are_sound(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with step(place, place.resource(context.resources), context.log) as site:
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

    return vectors_are_sound


def _counts_agree(place: Placement) -> dg.AssetChecksDefinition:
    @_check(
        place,
        KNOWLEDGE_CHUNKS,
        blocking=True,
        description="Every document that the run loaded (in the nightly sweep: every one) has as many rows as chunks, "
        "each of norm 1.",
    )
    def counts_agree(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with step(place, place.resource(context.resources), context.log) as site:
            connection = site.connect()
            active = generations.active_generations(connection)
            seconds = run_seconds(context.instance, context.run)
            findings = [found for one in active for found in audit.wrong_counts(connection, one, seconds)]
            vectors = [(one, audit.check_serving_vectors(connection, one, seconds)) for one in active]
        return dg.AssetCheckResult(
            passed=not findings and all(check.is_sound(one.dimension) for one, check in vectors),
            metadata={
                "documents_with_wrong_counts": sum(finding.count for finding in findings),
                "examples": ", ".join(example for finding in findings for example in finding.examples) or "none",
                "vectors_checked": sum(check.checked for _, check in vectors),
                "vectors_unsound": sum(check.unsound for _, check in vectors),
            },
        )

    return counts_agree


def _nothing_is_unmasked(place: Placement) -> dg.AssetChecksDefinition:
    @_check(
        place,
        CHUNKS,
        description="No recognizer finds personal data that the policy masks in a sample of what the run stored, and "
        "in one of all the text.",
    )
    def nothing_is_unmasked(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with step(place, place.resource(context.resources), context.log) as site:
            connection = site.connect()
            seconds = run_seconds(context.instance, context.run)
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

    return nothing_is_unmasked


def _failure_rate(place: Placement) -> dg.AssetChecksDefinition:
    @_check(
        place,
        CLEANED_ELEMENTS,
        description="At most one document in twenty has failed; `kb failures` lists them.",
    )
    def failure_rate(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with step(place, place.resource(context.resources), context.log) as site:
            connection = site.connect()
            failed = ledger.count_failures(connection, site.scope())
            documents = ledger.count_documents(connection)
        rate = failed / documents if documents else 0.0
        return dg.AssetCheckResult(
            passed=rate <= MOST_FAILURES,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"failed": failed, "documents": documents, "rate": rate},
        )

    return failure_rate


def _no_orphans(place: Placement) -> dg.AssetChecksDefinition:
    @_check(
        place,
        KNOWLEDGE_CHUNKS,
        description="No row of the table is without its document: of the newest, in the nightly sweep of all.",
    )
    def no_orphans(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with step(place, place.resource(context.resources), context.log) as site:
            connection = site.connect()
            newest = None if is_sweep(context.run) else NEWEST_ROWS
            active = generations.active_generations(connection)
            findings = [found for one in active for found in audit.orphan_rows(connection, one, newest)]
        return dg.AssetCheckResult(
            passed=not findings,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"orphans": sum(finding.count for finding in findings)},
        )

    return no_orphans


def _golden_questions(place: Placement) -> dg.AssetChecksDefinition:
    @_check(
        place,
        KNOWLEDGE_CHUNKS,
        description="A search finds the document that each of the [[golden]] questions in the settings names.",
    )
    def golden_questions(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with step(place, place.resource(context.resources), context.log) as site:
            answers = ask(site)
            return dg.AssetCheckResult(
                passed=all(answer.is_right for answer in answers),
                severity=dg.AssetCheckSeverity.WARN,
                metadata={
                    "asked": len(answers),
                    "found": sum(answer.rank is not None for answer in answers),
                    "answers": table(site, [answer.row() for answer in answers]),
                },
            )

    return golden_questions

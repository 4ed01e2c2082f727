"""The quality loop in Dagster: how well the evaluation sets are answered, week by week, the negatives mined, and a
model tuned with them when somebody asks for it.

These assets are about all documents at once, so they have no shards. What they store is in PostgreSQL; Dagster gets
figures, which become plots, and no text. Their runs are kept for as long as Dagster keeps any: a year is 52.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field

from kb_pipeline.defs.assets.embeddings import GPU_POOL
from kb_pipeline.defs.assets.shared import table
from kb_pipeline.defs.jobs import AssetJob
from kb_pipeline.defs.placement import KNOWLEDGE_CHUNKS, Placement
from kb_pipeline.defs.resources.knowledge_base import step
from kb_pipeline.errors import NothingToLearn
from kb_pipeline.operations.evaluation import SetMeasured, measure, since_last
from kb_pipeline.operations.mining import mine_and_store
from kb_pipeline.operations.tuning import tune
from kb_pipeline.quality.evaluation import OVERALL
from kb_pipeline.quality.gate import MEASURE
from kb_pipeline.quality.measures import MEASURES
from kb_pipeline.quality.tuning.training import TuningSettings
from kb_pipeline.store.quality.questions import sets

RETRIEVAL_EVALUATION = "retrieval_evaluation"
HARD_NEGATIVES = "hard_negatives"
TUNED_MODEL = "tuned_model"
TUNE = "tune_model"
EVALUATE = "evaluate"
WEEKLY_EVALUATION = "weekly_evaluation"
MOST_P = 0.05


def quality_assets(place: Placement) -> list[dg.AssetsDefinition]:
    return [_retrieval_evaluation(place), _hard_negatives(place), _tuned_model(place)]


def evaluate_job(place: Placement) -> AssetJob:
    return dg.define_asset_job(
        place.name(EVALUATE),
        selection=dg.AssetSelection.assets(place.key(RETRIEVAL_EVALUATION), place.key(HARD_NEGATIVES)),
        executor_def=dg.in_process_executor,
        description="Ask the evaluation sets, compare with the time before, and mine hard negatives.",
    )


def tune_job(place: Placement) -> AssetJob:
    return dg.define_asset_job(
        place.name(TUNE),
        selection=dg.AssetSelection.assets(place.key(TUNED_MODEL)),
        executor_def=dg.in_process_executor,
        description="Tune the model to the site's questions; kb promote lets the frozen test decide about it.",
    )


def weekly_evaluation(place: Placement, evaluate: AssetJob) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=place.name(WEEKLY_EVALUATION),
        job=evaluate,
        cron_schedule=place.schedules.evaluation,
        execution_timezone=place.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every Sunday: measure how well the evaluation sets are answered.",
    )


def _asset(
    place: Placement,
    name: str,
    *,
    description: str,
    after: str = KNOWLEDGE_CHUNKS,
    table_name: str | None = None,
    pool: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`table_name`: of what it stores in PostgreSQL; None: a model in a folder."""
    return dg.asset(
        name=name,
        key_prefix=place.key_prefix or None,
        deps=[place.key(after)],
        required_resource_keys={place.resource_key},
        group_name=place.quality_group,
        owners=place.owners,
        kinds={"python", "postgres" if table_name else "pytorch"},
        code_version="1",
        pool=pool,
        description=description,
        metadata={"dagster/table_name": table_name, "dagster/storage_kind": "postgres"} if table_name else None,
    )


def _retrieval_evaluation(place: Placement) -> dg.AssetsDefinition:
    @_asset(
        place,
        RETRIEVAL_EVALUATION,
        table_name="evaluations",
        description=(
            "How well the generation that is searched answers the evaluation sets: recall, nDCG, MRR and how many "
            "answers were cut in two. `kb eval --report FILE` shows the worst questions; `kb eval import` makes a set."
        ),
    )
    def retrieval_evaluation(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with step(place, place.resource(context.resources), context.log) as site:
            found = [measure(site, known.name) for known in sets(site.connect()) if known.questions > known.gone]
            return dg.MaterializeResult(
                metadata={
                    **_means(found),
                    "asked": sum(len(each.evaluation.outcomes) for each in found),
                    "gone": sum(len(each.evaluation.unasked) for each in found),
                    "slices": table(site, [row for each in found for row in _slices(each)]),
                }
            )

    return retrieval_evaluation


def _hard_negatives(place: Placement) -> dg.AssetsDefinition:
    @_asset(
        place,
        HARD_NEGATIVES,
        table_name="triplets",
        description=(
            "For questions that may train, the passages that answer them and those that only seem to; "
            "`kb mine --preview` shows some to read."
        ),
    )
    def hard_negatives(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with step(place, place.resource(context.resources), context.log) as site:
            found = mine_and_store(site)
            negatives = [negative for mined in found for negative in mined.negatives]
            origins = sorted({mined.provenance for mined in found})
            return dg.MaterializeResult(
                metadata={
                    "questions": len(found),
                    "negatives": len(negatives),
                    "judged_by_people": sum(negative.why == "judged" for negative in negatives),
                    "provenance": table(
                        site,
                        [
                            {"from": origin, "questions": sum(mined.provenance == origin for mined in found)}
                            for origin in origins
                        ],
                    ),
                }
            )

    return hard_negatives


class Tuning(dg.Config):
    name: str = Field(default="", description="Of the model to make; empty: the day and hour.")
    side: str = Field(default="query", description="query, or both, which needs a new generation.")
    epochs: int = Field(default=6, description="At most so many passes over the examples.")


def _tuned_model(place: Placement) -> dg.AssetsDefinition:
    @_asset(
        place,
        TUNED_MODEL,
        after=HARD_NEGATIVES,
        pool=GPU_POOL,
        description=(
            "An adapter for the embedding model, trained on the hard negatives (needs the extra finetune). It is kept "
            "in KB_HOME/models where the dev questions gain; `kb promote --adapter NAME` lets the frozen test decide."
        ),
    )
    def tuned_model(context: dg.AssetExecutionContext, config: Tuning) -> dg.MaterializeResult[None]:
        name = config.name or f"{datetime.now(UTC):tuned-%Y-%m-%d-%H%M}"
        wanted = TuningSettings(side=config.side, epochs=config.epochs)
        with step(place, place.resource(context.resources), context.log) as site:
            try:
                found = tune(site, name, wanted, report=lambda epoch: context.log.info(str(epoch)))
            except NothingToLearn as reason:  # no failure: questions come in time
                return dg.MaterializeResult(metadata={"kept": False, "reason": str(reason)})
            before, after = found.curve[max(found.curve)]
            return dg.MaterializeResult(
                metadata={
                    "kept": found.model is not None,
                    "name": name,
                    "scale": found.trained.scale,
                    "examples": found.examples,
                    "dev_questions": found.dev_questions,
                    "dev_ndcg_before": before,
                    "dev_ndcg_after": after,
                    "epochs": table(site, [asdict(epoch) for epoch in found.trained.history]),
                }
            )

    return tuned_model


def _means(found: Sequence[SetMeasured]) -> dict[str, float]:
    """Over all questions of all sets, so that the numbers have one name each; none where nothing was asked."""
    scores = [score for each in found for score in each.evaluation.scores.values()]
    if not scores:
        return {}
    return {
        measure.replace("@", "_at_"): round(sum(score.value(measure) for score in scores) / len(scores), 4)
        for measure in MEASURES
    }


def _slices(measured: SetMeasured) -> list[Mapping[str, Any]]:
    return [
        {"set": measured.name, "slice": name, "questions": len(measured.evaluation.slices[name])}
        | {measure: str(value) for measure, value in figures.items()}
        for name, figures in measured.evaluation.figures().items()
    ]


def quality_checks(place: Placement) -> list[dg.AssetChecksDefinition]:
    @dg.asset_check(
        asset=place.key(RETRIEVAL_EVALUATION),
        description="No set is answered worse than the time before by more than chance explains.",
        required_resource_keys={place.resource_key},
    )
    def no_significant_drop(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with step(place, place.resource(context.resources), context.log) as site:
            found = {known.name: since_last(site, known.name) for known in sets(site.connect())}
        changes = {name: gains[OVERALL][MEASURE] for name, gains in found.items() if gains}
        fell = {name: gain for name, gain in changes.items() if gain.high < 0 and gain.p <= MOST_P}
        said = "; ".join(f"{name} {gain}" for name, gain in (fell or changes).items())
        return dg.AssetCheckResult(
            passed=not fell,
            metadata={"compared": len(changes), "ndcg_at_10": said or "nothing to compare with yet"},
        )

    return [no_significant_drop]

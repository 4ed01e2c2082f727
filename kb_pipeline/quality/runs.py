"""Rankings in the form that other tools measure: TREC's qrels and run files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kb_pipeline.quality.measures import DEPTH

if TYPE_CHECKING:
    from kb_pipeline.quality.evaluation import Evaluation


def qrels(evaluation: Evaluation) -> str:
    """Each place of each question is an item, with its grade."""
    return "".join(
        f"{outcome.located.question_id} 0 place-{number} {place.grade}\n"
        for outcome in evaluation.outcomes
        for number, place in enumerate(outcome.located.places)
    )


def run(evaluation: Evaluation) -> str:
    """Each hit is the place that it is first to show, or an item that nobody judged. The scores only say the order."""
    return "".join(
        f"{outcome.located.question_id} Q0 {f'hit-{rank}' if number is None else f'place-{number}'} {rank} "
        f"{DEPTH + 1 - rank} {evaluation.generation}\n"
        for outcome in evaluation.outcomes
        for rank, number in enumerate(outcome.found[:DEPTH], start=1)
    )

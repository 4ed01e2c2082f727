"""What was measured, and each question of it for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kb_pipeline.store.database import Connection


class Result(NamedTuple):
    """How a question was answered; see `quality.measures`."""

    question_id: int
    places: int
    ranks: list[int]
    ndcg: float
    is_split: bool


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """`fusion_weight`: that was tried instead of the settings'. `figures`: slice → measure → mean, low, high and
    questions."""

    id: int
    set_name: str
    split: str | None
    generation: str
    model: str
    fusion_weight: float | None
    asked: int
    gone: int
    figures: dict[str, dict[str, dict[str, float]]]
    measured_at: datetime


def record(connection: Connection, about: dict[str, Any], results: Sequence[Result]) -> int:
    """Store a measurement and commit; its id. `about`: the columns of `evaluations` but for id and moment."""
    rows = [result._asdict() for result in results]
    with connection.transaction():
        found = connection.execute(
            query("quality_evaluations", "insert"), {**about, "figures": Jsonb(about["figures"])}
        ).fetchone()
        assert found is not None  # noqa: S101 - INSERT … RETURNING always gives a row
        connection.execute(
            query("quality_evaluations", "insert_results"), {"evaluation": found[0], "results": Jsonb(rows)}
        )
        return int(found[0])


def last(
    connection: Connection, set_name: str, *, generation: str | None = None, before: int | None = None
) -> StoredEvaluation | None:
    """The newest of a set with the settings' weight, of all of its questions or of its test; of `generation` and older
    than `before` where these are given."""
    parameters = {"set": set_name, "generation": generation, "before": before}
    with connection.cursor(row_factory=class_row(StoredEvaluation)) as cursor:
        return cursor.execute(query("quality_evaluations", "last"), parameters).fetchone()


def results(connection: Connection, evaluation: int) -> list[Result]:
    rows = connection.execute(query("quality_evaluations", "results"), {"evaluation": evaluation})
    return [Result(*row) for row in rows]

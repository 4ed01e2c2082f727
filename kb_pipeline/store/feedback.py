"""What people say about what a search found, kept with the search."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, get_args

from psycopg.types.json import Jsonb

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.store.database import Connection

Reason = Literal["wrong_document", "outdated", "wrong_place", "not_found", "wrong_language"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Judgment:
    """Of the hit of this `rank` (0: of the answer as a whole) of a search that `principal` made.

    `voter`: who judges; a voter has one judgment on a hit, the last one. `right_passage`: document_id and chunk_key of
    the passage that would have been right.
    """

    event_id: int
    rank: int
    principal: str
    voter: str
    helpful: bool = False
    reason: Reason | None = None
    right_passage: dict[str, int | str] | None = None

    @property
    def key(self) -> tuple[int, int, str]:
        return self.event_id, self.rank, self.voter


def record(connection: Connection, judgments: Sequence[Judgment]) -> set[tuple[int, int, str]]:
    """Store them in one transaction; the keys of those whose search there is and has such a hit."""
    latest = {judgment.key: asdict(judgment) for judgment in judgments}
    with connection.transaction():
        stored = connection.execute(query("feedback", "record"), {"judgments": Jsonb(list(latest.values()))})
        return {(event_id, rank, voter) for event_id, rank, voter in stored}


def withdraw(connection: Connection, judgments: Sequence[Judgment]) -> None:
    """Remove what their voters said, in one transaction."""
    with connection.transaction():
        connection.execute(
            query("feedback", "withdraw"), {"judgments": Jsonb([asdict(judgment) for judgment in judgments])}
        )

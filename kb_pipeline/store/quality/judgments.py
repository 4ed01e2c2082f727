"""What people said of passages, what was decided, and what waits for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from psycopg.rows import class_row

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from datetime import datetime

    from kb_pipeline.store.database import Connection


class Vote(NamedTuple):
    """Of `voter`, whether a passage helped with `query`. `path` and `content`: None where it is gone."""

    query: str
    document_id: int
    chunk_key: str
    voter: str
    helpful: bool
    reason: str | None
    path: str | None
    content: str | None


class Decided(NamedTuple):
    """By a person who reviewed it. `quote`: what the passage said then."""

    query: str
    document_id: int
    chunk_key: str
    quote: str
    is_right: bool
    path: str


@dataclass(frozen=True, slots=True)
class Case:
    """A question that found nothing, or did not help. `event_id`: the last search for it."""

    query: str
    last_at: datetime
    people: int
    found_nothing: bool
    reasons: list[str]
    event_id: int


class CaseHit(NamedTuple):
    """A passage that a search showed and that is still there."""

    rank: int
    path: str
    document_id: int
    chunk_key: str
    page_number: int | None
    content: str


def votes(connection: Connection) -> list[Vote]:
    return [Vote(*row) for row in connection.execute(query("quality_judgments", "votes"))]


def decided(connection: Connection) -> list[Decided]:
    return [Decided(*row) for row in connection.execute(query("quality_judgments", "decided"))]


def decide(connection: Connection, asked: str, *, document_id: int, chunk_key: str, is_right: bool, by: str) -> bool:
    """Whether there is such a passage. The last decision on it counts."""
    parameters = {"query": asked, "document": document_id, "chunk": chunk_key, "is_right": is_right, "by": by}
    return connection.execute(query("quality_judgments", "decide"), parameters).rowcount > 0


def close(connection: Connection, asked: str, *, by: str) -> None:
    """Nothing more is to be decided about a question until something new is said of it."""
    connection.execute(query("quality_judgments", "close"), {"query": asked, "by": by})


def cases(connection: Connection, limit: int) -> list[Case]:
    with connection.cursor(row_factory=class_row(Case)) as cursor:
        return cursor.execute(query("quality_judgments", "cases"), {"limit": limit}).fetchall()


def case_hits(connection: Connection, event: int) -> list[CaseHit]:
    return [CaseHit(*row) for row in connection.execute(query("quality_judgments", "hits"), {"event": event})]


def erase(connection: Connection, person: str) -> tuple[int, int]:
    """Remove what `person` said and asked, and the name from what they decided, in one transaction; how many words and
    searches went."""
    parameters = {"person": person}
    with connection.transaction():
        said = connection.execute(query("quality_judgments", "erase_feedback"), parameters).rowcount
        asked = connection.execute(query("quality_judgments", "erase_searches"), parameters).rowcount
        connection.execute(query("quality_judgments", "erase_decisions"), parameters)
        connection.execute(query("quality_judgments", "erase_closings"), parameters)
    return said, asked

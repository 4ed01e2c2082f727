"""What people said of passages, what was decided, and what waits for a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from psycopg import Rollback
from psycopg.rows import class_row

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.feedback import Reason


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


class PassageKey(NamedTuple):
    """By which a passage is known as long as its document says it."""

    document_id: int
    chunk_key: str


@dataclass(frozen=True, slots=True)
class Case:
    """A question that found nothing, or did not help. `event_id`: the last search for it."""

    query: str
    last_at: datetime
    people: int
    found_nothing: bool
    reasons: list[Reason]
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


def shown(connection: Connection, events: Sequence[int]) -> dict[int, dict[PassageKey, int]]:
    """Event of a search → what it showed → its rank, in their order, there or gone."""
    found: dict[int, dict[PassageKey, int]] = {}
    for event, rank, document, chunk in connection.execute(query("quality_judgments", "shown"), {"events": events}):
        found.setdefault(event, {})[PassageKey(document, chunk)] = rank
    return found


def named(connection: Connection, queries: Sequence[str]) -> dict[str, list[PassageKey]]:
    """Question → the passages that somebody said would have been right."""
    found: dict[str, list[PassageKey]] = {}
    for asked, document, chunk in connection.execute(query("quality_judgments", "named"), {"queries": queries}):
        found.setdefault(asked, []).append(PassageKey(document, chunk))
    return found


def review(
    connection: Connection,
    asked: str,
    *,
    judged: Mapping[PassageKey, bool],
    undecided: Sequence[PassageKey],
    closed: bool | None,
    by: str,
) -> bool:
    """Store decisions on a question, take others back, and close or open it, all of it or nothing; False where nobody
    asked it, or a passage is gone. `closed`: None leaves it as it is."""
    stored = False
    with connection.transaction() as transaction:
        known = connection.execute(query("quality_judgments", "was_asked"), {"query": asked}).fetchone()
        stored = known is not None and all(
            decide(connection, asked, document_id=key.document_id, chunk_key=key.chunk_key, is_right=is_right, by=by)
            for key, is_right in judged.items()
        )
        if not stored:
            raise Rollback(transaction)
        for key in undecided:
            connection.execute(query("quality_judgments", "undecide"), {"query": asked, **key._asdict()})
        if closed is True:
            close(connection, asked, by=by)
        elif closed is False:
            connection.execute(query("quality_judgments", "reopen"), {"query": asked})
    return stored


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

"""The log of searches, as people look through it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from kb_pipeline.store.database import Connection

LOOKED_AT = 10_000  # newest searches


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A masked query that found nothing, `times` of the newest searches, at `last` most recently."""

    query: str
    times: int
    last: datetime


def unanswered(connection: Connection, limit: int) -> list[Unanswered]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(Unanswered)) as cursor:
        parameters = {"looked_at": LOOKED_AT, "limit": limit}
        return cursor.execute(query("search_log", "unanswered"), parameters).fetchall()

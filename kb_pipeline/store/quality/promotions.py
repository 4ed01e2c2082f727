"""Decisions about candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from datetime import datetime

    from kb_pipeline.store.database import Connection


@dataclass(frozen=True, slots=True)
class Promotion:
    """`switched_at`: None while it waits for approval, and where nothing was to be switched."""

    id: int
    candidate: str
    incumbent: str
    set_name: str
    verdict: str
    reason: str
    gains: dict[str, dict[str, float]]
    needed: int | None
    leaks: int
    decided_at: datetime
    approved_by: str | None
    switched_at: datetime | None


def record(connection: Connection, about: dict[str, Any]) -> int:
    """`about`: the columns of `promotions` up to `leaks`; the id of the row."""
    found = connection.execute(
        query("quality_promotions", "insert"), {**about, "gains": Jsonb(about["gains"])}
    ).fetchone()
    assert found is not None  # noqa: S101 - INSERT … RETURNING always gives a row
    return int(found[0])


def note_switch(connection: Connection, promotion: int, *, by: str | None) -> None:
    """The candidate is in its place now; `by`: who approved it, where somebody had to."""
    connection.execute(query("quality_promotions", "switched"), {"id": promotion, "by": by})


def newest(connection: Connection, *, candidate: str | None = None, limit: int = 20) -> list[Promotion]:
    """The last decisions first."""
    with connection.cursor(row_factory=class_row(Promotion)) as cursor:
        parameters = {"candidate": candidate, "limit": limit}
        return cursor.execute(query("quality_promotions", "newest"), parameters).fetchall()

"""Which conditions a person was told of, and when the next message may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.rows import class_row

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from kb_pipeline.store.database import Connection


@dataclass(frozen=True, slots=True)
class Delivery:
    """`not_before`: when the next message may go. `attempts`: how often in a row none could be delivered, `problem`:
    why not. `told_at`: when one last was."""

    not_before: datetime
    attempts: int
    problem: str | None
    told_at: datetime | None


def told(connection: Connection) -> dict[tuple[str, str], str]:
    """(kind, subject) of what messages spoke of -> the state it was in."""
    return {(kind, subject): state for kind, subject, state in connection.execute(query("alerts", "told"))}


def forget_ended(connection: Connection, current: Collection[tuple[str, str]]) -> None:
    """Forget all but these conditions, each a kind and a subject: one that comes back is told anew."""
    kinds, subjects = [kind for kind, _ in current], [subject for _, subject in current]
    connection.execute(query("alerts", "forget_ended"), {"kinds": kinds, "subjects": subjects})


def claim(connection: Connection) -> bool:
    """Whether the caller is to send a message now; nobody else is given it for a minute."""
    return connection.execute(query("alerts", "claim")).fetchone() is not None


def note_delivered(connection: Connection, conditions: Sequence[tuple[str, str, str]], rest: timedelta) -> None:
    """A message spoke of these, each a kind, a subject and a state; the next one may go after `rest`."""
    kinds, subjects, states = ([each[column] for each in conditions] for column in range(3))
    with connection.transaction():
        connection.execute(query("alerts", "note_told"), {"kinds": kinds, "subjects": subjects, "states": states})
        connection.execute(query("alerts", "delivered"), {"rest": rest})


def note_undelivered(connection: Connection, problem: str, rest: timedelta) -> None:
    connection.execute(query("alerts", "undelivered"), {"rest": rest, "problem": problem})


def delivery(connection: Connection) -> Delivery:
    with connection.cursor(row_factory=class_row(Delivery)) as cursor:
        found = cursor.execute(query("alerts", "delivery")).fetchone()
    assert found is not None  # noqa: S101 - a migration put it there, and nothing removes it
    return found

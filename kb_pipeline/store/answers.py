"""Answers as they are kept with the searches that they were made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kb_pipeline.store.database import Connection


def record(
    connection: Connection,
    event: int,
    *,
    state: str,
    sentences: Sequence[dict[str, Any]],
    dropped: int,
    note_code: str | None,
    model: str,
    seconds: float,
) -> None:
    """Keep the answer to the search `event` and commit, if the search is still there. `sentences` are masked, each with
    the passages that it cites."""
    parameters = {
        "event": event,
        "state": state,
        "sentences": Jsonb(list(sentences)),
        "dropped": dropped,
        "note_code": note_code,
        "model": model,
        "seconds": seconds,
    }
    with connection.transaction():
        connection.execute(query("answers", "insert"), parameters)

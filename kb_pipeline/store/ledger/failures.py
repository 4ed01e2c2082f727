"""The quarantine: which document failed in which stage, with what input, and when it is tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from kb_pipeline.errors import DocumentError
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger.scope import Scope, shard_parameters
from kb_pipeline.store.queries import query

FIRST_RETRY = timedelta(minutes=2)
LASTING_ATTEMPTS = 3  # what failed so often is believed to go on failing


@dataclass(frozen=True, slots=True)
class Failure:
    uri: str
    path: str
    collection: str
    stage: str
    error: str
    reason: str
    attempts: int
    failed_at: datetime
    next_retry: datetime | None


def record_failures(connection: Connection, stage: str, failed: Sequence[tuple[int, str, DocumentError]]) -> None:
    """Each a document, the input that failed, and why."""
    connection.execute(
        query("failures", "fail_documents"),
        {
            "stage": stage,
            "documents": [document for document, _, _ in failed],
            "input_versions": [version for _, version, _ in failed],
            "errors": [type(error).__name__ for _, _, error in failed],
            "reasons": [str(error) for _, _, error in failed],
            "first_delays": [FIRST_RETRY if error.transient else None for _, _, error in failed],
        },
    )


def clear_failures(connection: Connection, stages: Sequence[str], documents: Sequence[int]) -> None:
    """Forget that `documents` failed in one of `stages`: they got through."""
    connection.execute(query("failures", "clear_failures"), {"stages": list(stages), "ids": list(documents)})


def forget_failures(connection: Connection, documents: Sequence[int]) -> None:
    """Forget every failure of documents whose bytes are others now."""
    connection.execute(query("failures", "forget_failures"), {"ids": list(documents)})


def failures(connection: Connection, scope: Scope, limit: int | None = None) -> list[Failure]:
    """The quarantine, newest first."""
    with connection.cursor(row_factory=class_row(Failure)) as cursor:
        return cursor.execute(query("failures", "failures"), shard_parameters(scope) | {"limit": limit}).fetchall()


@dataclass(frozen=True, slots=True)
class LastingFailure:
    """One that no retry is about to mend. `subject`: the document and stage; `state`: the input that failed."""

    subject: str
    state: str
    path: str
    error: str


def lasting_failures(connection: Connection) -> list[LastingFailure]:
    """The newest first."""
    with connection.cursor(row_factory=class_row(LastingFailure)) as cursor:
        return cursor.execute(query("failures", "lasting_failures"), {"attempts": LASTING_ATTEMPTS}).fetchall()


def count_failures(connection: Connection, scope: Scope) -> int:
    """Documents that have a failure."""
    row = connection.execute(query("failures", "count_failures"), shard_parameters(scope)).fetchone()
    return int(row[0]) if row else 0


def retry_failures(connection: Connection) -> int:
    """Make every failure due now; returns how many documents have one."""
    row = connection.execute(query("failures", "retry_failures")).fetchone()
    return int(row[0]) if row else 0

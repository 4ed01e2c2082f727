"""What pages show of documents and their parts; nothing is decided by it.

`seconds`: only what was made within the last seconds, which is how a run tells its own work; None: everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger.scope import Scope, shard_parameters
from kb_pipeline.store.queries import query


@dataclass(frozen=True, slots=True)
class DocumentFigures:
    """Live documents, their chunks and tokens, added up as a page wants them."""

    rows: Sequence[Mapping[str, Any]]  # of a shard and a collection

    def by_shard(self) -> dict[str, dict[str, int]]:
        return self._sums("shard")

    def by_collection(self) -> list[dict[str, Any]]:
        """In order of the collections."""
        return [{"collection": name, **sums} for name, sums in sorted(self._sums("collection").items())]

    def _sums(self, of: str) -> dict[str, dict[str, int]]:
        sums: dict[str, dict[str, int]] = {}
        for row in self.rows:
            total = sums.setdefault(row[of], dict.fromkeys(("documents", "chunks", "tokens"), 0))
            for name in total:
                total[name] += row[name]
        return sums


def document_figures(connection: Connection, scope: Scope) -> DocumentFigures:
    return DocumentFigures(_rows(connection, "figures", "document_figures", shard_parameters(scope)))


def count_documents(connection: Connection) -> int:
    """Live documents."""
    row = connection.execute(query("figures", "document_count")).fetchone()
    return int(row[0]) if row else 0


def add_up_figures(connection: Connection) -> None:
    """Add what a stage changed to the sums, so that the next who reads them has little to add. Commits."""
    with connection.transaction():
        connection.execute(query("figures", "lock_figures"))
        connection.execute(query("figures", "add_up_figures"))


def correct_figures(connection: Connection) -> int:
    """Count every document and correct the sums that are wrong; how many those were. Commits."""
    with connection.transaction():
        connection.execute(query("figures", "lock_figures"))
        statement = query("figures", "correct_figures", figure_errors=query("figures", "figure_errors"))
        corrected = connection.execute(statement).rowcount
        connection.execute(query("figures", "add_up_figures"))
    return corrected


def corpus_figures(connection: Connection) -> list[dict[str, Any]]:
    """Per collection, format and age (day, week, month, quarter, year, older): documents, chunks and the newest."""
    return _rows(connection, "figures", "corpus", {})


def recent_documents(connection: Connection, scope: Scope, limit: int = 10) -> list[dict[str, Any]]:
    return _rows(connection, "figures", "recent_documents", shard_parameters(scope) | {"limit": limit})


def elements_by_format(connection: Connection, scope: Scope, seconds: float | None = None) -> list[dict[str, Any]]:
    return _of_elements(connection, "elements_by_format", scope, seconds)


def shard_elements(connection: Connection, scope: Scope, seconds: float | None = None) -> list[dict[str, Any]]:
    """Per shard and format: documents, pages, seconds of parsing, and the least coverage."""
    return _of_elements(connection, "shard_elements", scope, seconds)


def privacy_counts(connection: Connection, scope: Scope) -> list[dict[str, Any]]:
    """path, collection, and how many values of each entity were masked, of every live document with elements."""
    return _of_elements(connection, "privacy_counts", scope, None)


def shard_privacy(connection: Connection, scope: Scope, seconds: float | None = None) -> list[dict[str, Any]]:
    """Per shard and entity: how many values were masked."""
    return _of_elements(connection, "shard_privacy", scope, seconds)


def shard_failures(connection: Connection, scope: Scope, stage: str) -> list[dict[str, Any]]:
    """Per shard and kind of error: documents that failed in `stage`."""
    return _rows(connection, "figures", "shard_failures", shard_parameters(scope) | {"stage": stage})


def warned_documents(
    connection: Connection, scope: Scope, limit: int, seconds: float | None = None
) -> list[dict[str, Any]]:
    """path and warning, those of the documents that changed last first."""
    return _of_elements(connection, "warned_documents", scope, seconds, limit=limit)


def _of_elements(
    connection: Connection, name: str, scope: Scope, seconds: float | None, **more: int
) -> list[dict[str, Any]]:
    """Ask about the elements that were made within the last `seconds`; None: about the newest of every document."""
    elements = query("figures", "all_elements" if seconds is None else "recent_elements")
    with connection.cursor(row_factory=dict_row) as cursor:
        parameters = shard_parameters(scope) | {"seconds": seconds} | more
        return cursor.execute(query("figures", name, elements=elements), parameters).fetchall()


def newest_elements(connection: Connection, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """How the documents that were parsed last came out: counts, no text."""
    return _rows(connection, "figures", "newest_elements", shard_parameters(scope) | {"limit": limit})


def newest_chunks(connection: Connection, scope: Scope, limit: int) -> list[dict[str, Any]]:
    """How the documents that were cut last came out: counts, no text."""
    return _rows(connection, "figures", "newest_chunks", shard_parameters(scope) | {"limit": limit})


def columns(connection: Connection, table: str) -> list[dict[str, Any]]:
    """name, type and description of each column of a table or view."""
    return _rows(connection, "figures", "columns", {"table": table})


def _rows(connection: Connection, file: str, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(file, name), parameters).fetchall()

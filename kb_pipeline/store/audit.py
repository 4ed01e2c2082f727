"""Asking the ledger and a serving table whether they agree, and mending what can be mended in SQL.

A *finding* is a kind of disagreement with how often it occurs and a few examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import Generation
from kb_pipeline.store.ledger import Scope, correct_figures, loading_parameters, lock_documents, served, unloaded
from kb_pipeline.store.queries import query

EXAMPLES = 5
CHECKED_VECTORS = 20_000
DELETED_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Finding:
    kind: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VectorCheck:
    """Of `checked` vectors, `unsound` are not of norm 1; dimensions range from `smallest` to `largest`."""

    checked: int
    unsound: int
    smallest: int
    largest: int

    def is_sound(self, dimension: int) -> bool:
        return not self.unsound and (not self.checked or self.smallest == self.largest == dimension)


TABLE_FINDINGS = ("texts_without_vector", "wrong_counts", "orphan_rows", "missing_documents", "stale_documents")
LEDGER_FINDINGS = ("unfinished_documents", "leftover_documents", "wrong_figures")
SPACE_FINDINGS = ("unused_elements", "unused_embeddings")


def table_findings(connection: Connection, generation: Generation) -> list[Finding]:
    """Disagreements between the ledger and the serving table of `generation`, of the documents that it serves."""
    return _findings(connection, TABLE_FINDINGS, generation)


def wrong_counts(connection: Connection, generation: Generation, seconds: float | None) -> list[Finding]:
    """Documents with more or fewer rows than chunks: of what was loaded within the last seconds, or of all."""
    return _findings(connection, ("wrong_counts",), generation, seconds)


def orphan_rows(connection: Connection, generation: Generation, newest: int | None) -> list[Finding]:
    """Rows without their document: among the newest, or among all."""
    kind = "orphan_rows" if newest is None else "newest_orphan_rows"
    return _findings(connection, (kind,), generation, limit=newest)


def ledger_findings(connection: Connection) -> list[Finding]:
    """Work that is neither done nor failed."""
    return _findings(connection, LEDGER_FINDINGS)


def findings_without_generation(connection: Connection) -> list[Finding]:
    """Every live document that has no failure is unfinished: none was ever embedded."""
    rows = connection.execute(query("audit", "documents_without_failure")).fetchall()
    return [Finding("unfinished_documents", len(rows), tuple(row[0] for row in rows[:EXAMPLES]))] if rows else []


def space_findings(connection: Connection) -> list[Finding]:
    """Rows that nothing needs any more."""
    return _findings(connection, SPACE_FINDINGS)


def _findings(
    connection: Connection,
    kinds: Sequence[str],
    generation: Generation | None = None,
    seconds: float | None = None,
    limit: int | None = None,
) -> list[Finding]:
    parameters: dict[str, Any] = {"seconds": seconds, "limit": limit}
    parts: dict[str, sql.Composable] = {"loaded": _loaded(seconds), **_pieces()}
    if generation is not None:
        parameters |= {"generation": generation.id, "model": generation.model_fingerprint}
        parts |= {"table": generation.table, "served": served()}
    found = []
    for kind in kinds:
        rows = connection.execute(query("audit", kind, **parts), parameters).fetchall()
        if rows:
            found.append(Finding(kind, len(rows), tuple(str(row[0]) for row in rows[:EXAMPLES])))
    return found


def _loaded(seconds: float | None) -> sql.Composed:
    return query("audit", "all_loaded" if seconds is None else "recently_loaded")


def _pieces() -> dict[str, sql.Composed]:
    return {
        "in_use": query("audit", "element_in_use"),
        "vector_in_use": query("audit", "embedding_in_use"),
        "figure_errors": query("figures", "figure_errors"),
    }


def check_serving_vectors(connection: Connection, generation: Generation, seconds: float | None = None) -> VectorCheck:
    """Of the documents that were loaded within the last seconds; None: of the newest rows."""
    if seconds is None:
        vectors = query("audit", "newest_vectors", table=generation.table)
    else:
        vectors = query("audit", "recent_vectors", table=generation.table, loaded=_loaded(seconds))
    return _check(connection, vectors, {"generation": generation.id, "seconds": seconds})


def check_vectors_to_load(connection: Connection, scope: Scope, generation: Generation) -> VectorCheck:
    """Of the documents that would be loaded next."""
    vectors = query("audit", "vectors_to_load", unloaded=unloaded([generation.id]))
    return _check(connection, vectors, loading_parameters(scope, [generation.id]))


def _check(connection: Connection, vectors: sql.Composed, parameters: Mapping[str, Any]) -> VectorCheck:
    row = connection.execute(
        query("audit", "unsound_vectors", vectors=vectors), {**parameters, "limit": CHECKED_VECTORS}
    ).fetchone()
    return VectorCheck(*row) if row else VectorCheck(0, 0, 0, 0)


def recent_text(connection: Connection, seconds: float, limit: int) -> list[tuple[str, str, str]]:
    """(path, collection, content) of chunks of the documents that were chunked within the last seconds."""
    return connection.execute(query("audit", "recent_text"), {"seconds": seconds, "limit": limit}).fetchall()


def sample_text(connection: Connection, limit: int) -> list[tuple[str, str, str]]:
    """(path, collection, content) of chunks that chance chooses, other ones each time."""
    return connection.execute(query("audit", "sample_text"), {"limit": limit}).fetchall()


def mend(connection: Connection, generation: Generation) -> dict[str, int]:
    """Remove orphans; forget documents of `generation` whose rows or vectors are not complete.

    What was forgotten is made again by the next run. Returns rows per statement; commits.
    """
    parameters = {"generation": generation.id, "model": generation.model_fingerprint}
    parts: dict[str, sql.Composable] = {"table": generation.table, "loaded": _loaded(None)}
    parts["served"] = served()
    mended = {}
    with connection.transaction():
        rows = connection.execute(query("audit", "wrong_documents", **parts), parameters).fetchall()
        wrong = {"ids": [row[0] for row in rows]}
        lock_documents(connection, wrong["ids"])
        for name in ("delete_orphan_rows", "forget_wrong_counts", "renew_documents_without_vector"):
            mended[name] = connection.execute(query("audit", name, **parts), parameters | wrong).rowcount
        connection.execute(query("generations", "recount_rows", table=generation.table), parameters)
    return mended


def mend_ledger(connection: Connection) -> dict[str, int]:
    """Correct the figures, and remove what nothing needs. Returns rows per statement; commits."""
    return {"correct_figures": correct_figures(connection), **purge_unused(connection, days=0)}


def purge_unused(connection: Connection, *, days: int) -> dict[str, int]:
    """Remove elements and vectors that nothing has needed for `days`; returns rows per statement. Commits.

    When something is no longer needed is known from the first time that this found it so.
    """
    for name in ("note_unused_elements", "note_unused_embeddings"):
        connection.execute(query("audit", name, **_pieces()))
    return {
        name: _delete_in_pieces(connection, name, days)
        for name in ("delete_unused_elements", "delete_unused_embeddings")
    }


def vectors_of_unused_models(connection: Connection) -> int:
    """Native vectors of models that no generation has any more."""
    row = connection.execute(query("audit", "vectors_of_unused_models")).fetchone()
    return int(row[0]) if row else 0


def purge_searches(connection: Connection, *, days: int) -> int:
    """Remove what was logged of searches more than `days` ago; how many. Commits."""
    return _delete_in_pieces(connection, "delete_old_searches", days)


def _delete_in_pieces(connection: Connection, name: str, days: int) -> int:
    """Delete a bounded number of rows at a time, each a transaction of its own on an idle autocommit connection."""
    deleted = 0
    statement = query("audit", name, **_pieces())
    while found := connection.execute(statement, {"days": days, "limit": DELETED_AT_ONCE}).rowcount:
        deleted += found
    return deleted

"""Asking the ledger and a serving table whether they agree, and mending what can be mended in SQL.

A *finding* is a kind of disagreement with how often it occurs and a few examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import Generation
from kb_pipeline.store.ledger import Scope
from kb_pipeline.store.queries import query

EXAMPLES = 5
CHECKED_VECTORS = 20_000


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


TABLE_FINDINGS = ("wrong_counts", "orphan_rows", "duplicate_rows", "missing_documents", "stale_documents")
LEDGER_FINDINGS = ("unfinished_documents", "texts_without_vector", "leftover_documents")
SPACE_FINDINGS = ("unused_elements", "unused_embeddings")


def table_findings(
    connection: Connection, generation: Generation, kinds: Sequence[str] = TABLE_FINDINGS
) -> list[Finding]:
    """Disagreements between the ledger and the serving table of `generation`."""
    return _findings(connection, kinds, generation)


def ledger_findings(connection: Connection, generation: Generation) -> list[Finding]:
    """Work that is neither done nor failed."""
    return _findings(connection, LEDGER_FINDINGS, generation)


def findings_without_generation(connection: Connection) -> list[Finding]:
    """Every live document that has no failure is unfinished: none was ever embedded."""
    rows = connection.execute(query("audit", "documents_without_failure")).fetchall()
    return [Finding("unfinished_documents", len(rows), tuple(row[0] for row in rows[:EXAMPLES]))] if rows else []


def space_findings(connection: Connection, generation: Generation) -> list[Finding]:
    """Rows that nothing needs any more."""
    return _findings(connection, SPACE_FINDINGS, generation)


def _findings(connection: Connection, kinds: Sequence[str], generation: Generation) -> list[Finding]:
    parameters = {"generation": generation.id, "model": generation.model_fingerprint}
    found = []
    for kind in kinds:
        rows = connection.execute(query("audit", kind, table=generation.table), parameters).fetchall()
        if rows:
            found.append(Finding(kind, len(rows), tuple(str(row[0]) for row in rows[:EXAMPLES])))
    return found


def check_serving_vectors(connection: Connection, generation: Generation) -> VectorCheck:
    row = connection.execute(
        query("audit", "unsound_vectors", table=generation.table), {"limit": CHECKED_VECTORS}
    ).fetchone()
    return VectorCheck(*row) if row else VectorCheck(0, 0, 0, 0)


def check_embeddings(connection: Connection, scope: Scope, generation: Generation) -> VectorCheck:
    row = connection.execute(
        query("audit", "unsound_embeddings"),
        {
            "model": generation.model_fingerprint,
            "digits": scope.digits,
            "shards": list(scope.shards),
            "limit": CHECKED_VECTORS,
        },
    ).fetchone()
    return VectorCheck(*row) if row else VectorCheck(0, 0, 0, 0)


def sample_text(connection: Connection, limit: int) -> list[tuple[str, str, str]]:
    """(path, collection, content) of chunks in an order that has nothing to do with their documents."""
    return connection.execute(query("audit", "sample_text"), {"limit": limit}).fetchall()


def mend(connection: Connection, generation: Generation) -> dict[str, int]:
    """Remove orphans, duplicates and what nothing needs; forget documents whose rows are not complete.

    What was forgotten is loaded again by the next run. Returns rows per statement; commits.
    """
    parameters = {"generation": generation.id}
    mended = {}
    with connection.transaction():
        for name in ("delete_orphan_rows", "forget_wrong_counts"):
            mended[name] = connection.execute(query("audit", name, table=generation.table), parameters).rowcount
        for name in ("delete_unused_elements", "delete_unused_embeddings"):
            mended[name] = connection.execute(query("audit", name)).rowcount
    return mended

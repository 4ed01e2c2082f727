"""The words of a serving table: what BM25 knows of them, and its ranking.

Everything here runs inside the transaction that `store.search.snapshot` opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kb_pipeline.store.conditions import Condition
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.search import Ranked

# The free parameters of BM25, as Lucene and bm25s set them for prose.
BM25_K1 = 1.5
BM25_B = 0.75


@dataclass(frozen=True, slots=True)
class TermStatistics:
    """What BM25 knows of a table: its rows, their mean length in tokens, and how many rows hold each term."""

    row_count: int
    mean_length: float
    frequencies: Mapping[str, int]


def term_statistics(connection: Connection, generation: Generation, terms: Sequence[str]) -> TermStatistics:
    """From the ledger; counted on the fly while nothing was recorded for this generation yet."""
    parameters = {"generation": generation.id, "lexemes": list(terms)}
    recorded = connection.execute(query("words", "statistics"), parameters).fetchone()
    if recorded is not None and recorded[0] > 0:
        rows = connection.execute(query("words", "document_frequencies"), parameters)
        return TermStatistics(recorded[0], recorded[1], dict(rows.fetchall()))
    counted = connection.execute(query("words", "counted_statistics", table=generation.table)).fetchone()
    row_count, mean_length = counted or (0, 0.0)
    frequencies = connection.execute(
        query("words", "counted_frequencies", table=generation.table),
        {"lexemes": list(terms), "patterns": [any_of([term]) for term in terms]},
    )
    return TermStatistics(row_count, float(mean_length), dict(frequencies.fetchall()))


def any_of(terms: Sequence[str]) -> str:
    """A tsquery that matches a row with one of `terms`."""
    return " | ".join(_quoted(term) for term in terms)


def pairs_with(term: str, others: Sequence[str]) -> str:
    """A tsquery that matches a row with `term` and one of `others`."""
    return f"{_quoted(term)} & ({any_of(others)})"


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


def bm25(
    connection: Connection,
    generation: Generation,
    *,
    candidates: str,
    idfs: Mapping[str, float],
    mean_length: float,
    condition: Condition,
    most: int,
    depth: int,
) -> list[Ranked]:
    """The best `depth` by BM25 over the terms of `idfs`, of at most `most` rows that match the tsquery `candidates`."""
    return connection.execute(
        query("words", "bm25", table=generation.table, condition=condition.sql),
        {
            **condition.parameters,
            "candidates": candidates,
            "patterns": [any_of([term]) for term in idfs],
            "idfs": list(idfs.values()),
            "mean_length": max(mean_length, 1.0),
            "k1": BM25_K1,
            "b": BM25_B,
            "most": most,
            "depth": depth,
        },
        prepare=False,
    ).fetchall()

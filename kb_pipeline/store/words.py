"""The words of a serving table: what BM25 knows of them, and its ranking.

Everything here runs inside the transaction that `store.search.snapshot` opens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kb_pipeline.store.postings import BM25_B, BM25_K1
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from kb_pipeline.store.conditions import Condition
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.search import Ranked


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


def together(several: Sequence[TermStatistics]) -> TermStatistics:
    """Those of several tables, as if they were one."""
    rows = sum(one.row_count for one in several)
    length = sum(one.row_count * one.mean_length for one in several)
    frequencies: Counter[str] = Counter()
    for one in several:
        frequencies.update(one.frequencies)
    return TermStatistics(rows, length / max(rows, 1), frequencies)


def any_of(terms: Sequence[str]) -> str:
    """A tsquery that matches a row with one of `terms`."""
    return " | ".join(quoted(term) for term in terms)


def pairs_with(term: str, others: Sequence[str]) -> str:
    """A tsquery that matches a row with `term` and one of `others`."""
    return f"{quoted(term)} & ({any_of(others)})"


def quoted(term: str) -> str:
    """A lexeme as tsqueries have it."""
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Among:
    """These rows, as far as they are still there."""

    rows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Matching:
    """At most `most` rows after the row `after` that match a tsquery."""

    pattern: str
    after: int
    most: int


Candidates = Among | Matching


def bm25(
    connection: Connection,
    generation: Generation,
    candidates: Candidates,
    *,
    weights: Mapping[str, float],
    mean_length: float,
    condition: Condition,
    depth: int,
) -> list[Ranked]:
    """The best `depth` of the `candidates` that pass the condition, by BM25 with these weights of terms."""
    parts = {"table": generation.table, "condition": condition.sql}
    parameters: dict[str, Any] = {
        **condition.parameters,
        "patterns": [any_of([term]) for term in weights],
        "weights": list(weights.values()),
        "mean_length": max(mean_length, 1.0),
        "k1": BM25_K1,
        "b": BM25_B,
        "depth": depth,
    }
    match candidates:
        case Among(rows):
            if not rows:
                return []
            chosen = query("words", "candidates_among", **parts)
            parameters |= {"rows": list(rows), "any": any_of(list(weights))}
        case Matching(pattern, after, most):
            chosen = query("words", "candidates_matching", **parts)
            parameters |= {"pattern": pattern, "after": after, "most": most}
    return connection.execute(query("words", "bm25", candidates=chosen), parameters, prepare=False).fetchall()


def rows_after(connection: Connection, generation: Generation, after: int, most: int) -> list[int]:
    """The first `most` rows after the row `after`."""
    parameters = {"after": after, "most": most}
    return [row[0] for row in connection.execute(query("words", "rows_after", table=generation.table), parameters)]


def passing_rows(connection: Connection, generation: Generation, condition: Condition, most: int) -> NDArray[np.int64]:
    """At most `most` rows that pass the condition, in order."""
    statement = query("words", "passing_rows", table=generation.table, condition=condition.sql)
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement, {**condition.parameters, "most": most}, prepare=False)
        return np.sort(np.fromiter((row[0] for row in cursor), np.int64))

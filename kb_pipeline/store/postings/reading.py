"""Postings as a search reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations.generation import Generation

# The free parameters of BM25, as Lucene and bm25s set them for prose.
BM25_K1 = 1.5
BM25_B = 0.75

SPAN = 1 << 16  # rows of a block; a row's place fits two bytes
RECORD = np.dtype([("place", "<u2"), ("impact", "u1")])
HIGHEST_IMPACT = 255
LEAST_IN_FULL_BLOCK = 16


@dataclass(frozen=True, slots=True)
class Block:
    """`first` and `last`: row numbers that it reaches from and to; `rows`: how many there were between them."""

    first: int
    last: int
    rows: int


def norms(lengths: NDArray[np.integer[Any]], mean_length: float) -> NDArray[np.float64]:
    """What BM25 adds to a word's frequency in rows of these lengths."""
    return BM25_K1 * (1 - BM25_B + BM25_B * np.asarray(lengths, np.float64) / max(mean_length, 1.0))


def least_in_block(rows: int) -> int:
    """In how many rows of a block of so many a word stands that has postings there."""
    return max(LEAST_IN_FULL_BLOCK * rows // SPAN, 1)


def most_unposted(blocks: Sequence[Block]) -> int:
    """In how many rows at most a word stands that has no postings in any of `blocks`."""
    return sum(least_in_block(block.rows) - 1 for block in blocks)


def blocks(connection: Connection, generation: Generation) -> list[Block]:
    """In the order of their rows."""
    found = connection.execute(query("postings", "blocks"), {"generation": generation.id})
    return [Block(*row) for row in found]


def covered(blocks: Sequence[Block]) -> int:
    """The number of the last row that they cover; 0: none."""
    return blocks[-1].last if blocks else 0


def fresh_rows(connection: Connection, generation: Generation, after: int, most: int) -> int:
    """How many rows came after the row `after`, counted up to `most`."""
    statement = query("postings", "fresh_rows", table=generation.table)
    row = connection.execute(statement, {"after": after, "most": most}).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True)
class Reading:
    """The records of a term in the block that begins at the row `first`; `term`: its place among those asked for."""

    term: int
    first: int
    records: NDArray[np.void]


def read(
    connection: Connection, generation: Generation, lexemes: Sequence[str], records: Sequence[int]
) -> Iterator[Reading]:
    """Of each of `lexemes` at most so many `records` of every block, the highest impacts first."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            query("postings", "best_postings"),
            {
                "generation": generation.id,
                "lexemes": list(lexemes),
                "bytes": [count * RECORD.itemsize for count in records],
            },
            prepare=False,
        )
        for place, first, data in cursor:
            yield Reading(place - 1, first, np.frombuffer(data, RECORD))


def rows_with(
    connection: Connection, generation: Generation, patterns: Sequence[str], *, upto: int, mean_length: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The rows that match each tsquery of one lexeme, from the index: (place of the pattern, row, impact)."""
    nothing = np.zeros(0, np.int64)
    if not patterns:
        return nothing, nothing, np.zeros(0)
    found = connection.execute(
        query("postings", "rows_with", table=generation.table),
        {"patterns": list(patterns), "upto": upto},
        prepare=False,
    ).fetchall()
    if not found:
        return nothing, nothing, np.zeros(0)
    terms, rows, lengths, occurrences = (np.array(column) for column in zip(*found, strict=True))
    frequency = np.round(occurrences)
    return terms.astype(np.int64) - 1, rows.astype(np.int64), frequency / (frequency + norms(lengths, mean_length))

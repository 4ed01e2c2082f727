"""The words of a block's rows, out of the text form of their tsvectors: `'loan':3A,9A 'rate':4A`.

There are some seventy a row, so they are told apart in arrays: by a 64-bit hash of their bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from kb_pipeline.store.postings.reading import HIGHEST_IMPACT, RECORD, least_in_block, norms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

ROWS_AT_ONCE = 2_000
_SPACE, _COLON, _COMMA, _BESIDE = b" :,B"
# Of each place in a lexeme, the factor of its byte.
_FACTORS = np.random.default_rng(1).integers(1, 1 << 63, 1 << 14, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True, slots=True)
class Counted:
    """What was found in rows that were counted for the first time; `length` is in tokens, all together."""

    rows: int
    length: int
    frequencies: Counter[str]


@dataclass(frozen=True, slots=True)
class Entries:
    """Of each word of each row: the place of its lexeme among the lexemes and of its row among the rows, how often it
    stands there, and whether every time there is a stem beside it, by which it is found."""

    terms: NDArray[np.int64]
    rows: NDArray[np.int64]
    frequencies: NDArray[np.int64]
    beside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the rows of a block.

    `rows`, `lengths`: of each row its number less the first and its tokens.
    """

    first: int
    rows: NDArray[np.int64]
    lengths: NDArray[np.int64]
    lexemes: Sequence[str]
    entries: Entries

    def counted_after(self, row: int) -> Counted:
        """What the rows after `row` hold."""
        new = self.rows + self.first > row
        counts = np.bincount(self.entries.terms[new[self.entries.rows]], minlength=len(self.lexemes))
        frequencies = Counter({self.lexemes[term]: int(counts[term]) for term in np.flatnonzero(counts).tolist()})
        return Counted(int(new.sum()), int(self.lengths[new].sum()), frequencies)

    def postings(self, mean_length: float) -> Iterator[tuple[str, bytes]]:
        """The records of each lexeme that enough rows hold and that finds rows."""
        found = ~self.entries.beside
        terms, rows = self.entries.terms[found], self.entries.rows[found]
        frequencies = self.entries.frequencies[found]
        impacts = frequencies / (frequencies + norms(self.lengths, mean_length)[rows])
        records = np.empty(len(terms), RECORD)
        records["place"] = self.rows[rows]
        records["impact"] = np.clip(np.rint(impacts * HIGHEST_IMPACT), 1, HIGHEST_IMPACT)
        order = np.argsort(terms << 8 | HIGHEST_IMPACT - records["impact"])
        data = records[order].tobytes()
        counts = np.bincount(terms, minlength=len(self.lexemes))
        ends = np.cumsum(counts) * RECORD.itemsize
        least = least_in_block(len(self.rows))
        for term in np.flatnonzero(counts >= least).tolist():
            yield self.lexemes[term], data[ends[term] - counts[term] * RECORD.itemsize : ends[term]]


def words_of(rows: Iterable[tuple[int, int, str]], first: int) -> Words:
    """Of rows as (number, length, tsvector as text)."""
    numbers: list[int] = []
    lengths: list[int] = []
    places: dict[int, int] = {}
    lexemes: list[str] = []
    parts: list[Entries] = []
    remaining = iter(rows)
    while some := list(islice(remaining, ROWS_AT_ONCE)):
        parts.append(_entries([text.encode() for _, _, text in some], len(numbers), places, lexemes))
        numbers += [row - first for row, _, _ in some]
        lengths += [length for _, length, _ in some]
    entries = Entries(
        np.concatenate([np.zeros(0, np.int64), *(part.terms for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(part.frequencies for part in parts)]),
        np.concatenate([np.zeros(0, np.bool_), *(part.beside for part in parts)]),
    )
    return Words(first, np.array(numbers, np.int64), np.array(lengths, np.int64), lexemes, entries)


def _entries(texts: Sequence[bytes], rows_before: int, places: dict[int, int], lexemes: list[str]) -> Entries:
    """Of the tsvectors `texts`; adds to `lexemes`, and to `places` of their hashes, what is new."""
    data = b" ".join(texts)
    letters = np.frombuffer(data, np.uint8)
    ends = np.append(np.flatnonzero(letters == _SPACE), len(letters))
    begins = np.insert(ends[:-1] + 1, 0, 0)
    colons = np.flatnonzero(letters == _COLON)
    # The last colon of an entry ends its lexeme: after it come positions only.
    last = np.searchsorted(colons, ends) - 1
    whole = last >= 0
    begins, ends, last = begins[whole], ends[whole], last[whole]
    colon = colons[last]
    whole = colon > begins  # of an empty tsvector there is no entry
    begins, ends, colon = begins[whole], ends[whole], colon[whole]
    hashes = _hashes(letters, begins + 1, colon - 1)
    distinct, examples, which = np.unique(hashes, return_index=True, return_inverse=True)
    for hashed, begin, end in zip(distinct.tolist(), begins[examples].tolist(), colon[examples].tolist(), strict=True):
        if hashed not in places:
            places[hashed] = len(lexemes)
            lexemes.append(data[begin + 1 : end - 1].decode().replace("''", "'").replace("\\\\", "\\"))
    terms = np.array([places[hashed] for hashed in distinct.tolist()], np.int64)
    frequencies = _between(letters == _COMMA, colon, ends) + 1
    row_ends = np.cumsum([len(text) + 1 for text in texts])
    return Entries(
        terms[which],
        np.searchsorted(row_ends, begins, side="right") + rows_before,
        frequencies,
        _between(letters == _BESIDE, colon, ends) == frequencies,
    )


def _between(marked: NDArray[np.bool_], begins: NDArray[Any], ends: NDArray[Any]) -> NDArray[np.int64]:
    """How many marks stand from each beginning up to its end."""
    before = np.insert(np.cumsum(marked), 0, 0)
    counts: NDArray[np.int64] = before[ends] - before[begins]
    return counts


def _hashes(letters: NDArray[np.uint8], begins: NDArray[Any], ends: NDArray[Any]) -> NDArray[np.uint64]:
    """Of the bytes from each beginning up to its end: their sum, each times a random factor of its place."""
    lengths = ends - begins
    if not len(lengths):
        return np.zeros(0, np.uint64)
    starts = np.cumsum(lengths) - lengths
    within = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    values = (letters[np.repeat(begins, lengths) + within].astype(np.uint64) + np.uint64(1)) * _FACTORS[within]
    sums: NDArray[np.uint64] = np.add.reduceat(values, starts)
    return sums

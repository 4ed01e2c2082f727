"""Rows of cells over the whole width of a page, before anything is known of columns, tables or regions.

Terms
  word       characters between blanks.
  cell       words with no wide gap between them. A sign ($, %, a bracket) belongs to the number beside it,
             however far away it is set.
  row        the cells of one baseline.
  data       a row that holds hardly anything but numbers behind its first cell.
  supported  a data row half of whose cells share an edge or the middle with a cell of another one near, and that has
             a row right above or below it: chance puts numbers below each other in no running text.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.pdf.page import Span, tidy

_CELL_GAP = 1.0  # ems between two cells
_NUMBER_GAP = 0.42  # the same behind a number, and in a row of numbers, where no text is spread to fill its line
_WORD_GAP = 0.15  # ems between two words
_SAME_BASELINE = 0.33  # ems
_ROW_GAP = 3.4  # ems between the baselines of two rows of a table
_NEAR = 14  # rows in which others support one
_SAME_EDGE = 2.5  # points
_LONGEST_NUMBER = 34  # characters
_LONGEST_CELL = 40  # columns, behind the first; longer ones are text
_OPENING = re.compile(r"(?:US|HK|NT|R|C|A)?[$€£¥￥(（]+|RMB|\+|~")
_CURRENCY = re.compile(r"(?:US|HK|NT|R|C|A)?[$€£¥￥]|RMB")
_CLOSING = re.compile(r"[)）%％‰*†‡⁰¹²³⁴-⁹⁽⁾]+")
_SIGNS = r"$€£¥￥()（）%％‰+~<>≥≤±\-−–—‑,.:/*†‡⁰¹²³⁴-⁹⁽⁾\s\d"
_NUMBER = re.compile(
    rf"(?:US|HK|NT|R|C|A|RMB)?[{_SIGNS}]*[\d−–—‑-][{_SIGNS}]*(?:[A-Za-z]|bps|pts|pp|[倍元万亿年]|[万亿]元)?[{_SIGNS}]*"
    r"|[n/a.m]{2,4}|[N/A.M]{2,4}|…"
)
_BEFORE = "$€£¥￥(（"  # a number, and no part of its figures
_BEHIND = ")）%％*†‡⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾"
_WORD = re.compile(r"\S+")
_LEADS = ".．…·⋯_"
_LEADER = re.compile(rf"\s*(?:[{_LEADS}]\s?){{3,}}\s*$")
_ITEM = re.compile(r"[^\w（(]{1,2}|[(（]?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4}|[一二三四五六七八九十]{1,3})[)）.、．]?")


@lru_cache(maxsize=4096)
def is_number(text: str) -> bool:
    """Whether a cell holds a number with its signs and unit, or the dash that stands for none."""
    return len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text) is not None


def is_sign(text: str) -> bool:
    """Whether a text is a sign that belongs to the number behind it."""
    return _OPENING.fullmatch(text) is not None


def is_marker(text: str) -> bool:
    """Whether a text counts the items of a list."""
    return _ITEM.fullmatch(text) is not None and not text.isdecimal()


@dataclass(frozen=True, slots=True)
class Cell:
    """`first`, `last`: the edges of its figures, the signs around them left out. `leads`: dots led on from it."""

    text: str
    x0: float
    x1: float
    first: float
    last: float
    size: float
    leads: bool = False

    @property
    def is_number(self) -> bool:
        return is_number(self.text)


@dataclass(frozen=True, slots=True)
class Row:
    """Cells from the left. `baseline`: y."""

    cells: tuple[Cell, ...]
    spans: tuple[Span, ...]
    baseline: float
    top: float
    bottom: float
    size: float
    is_data: bool
    is_supported: bool = False

    @property
    def x0(self) -> float:
        return self.cells[0].x0

    @property
    def x1(self) -> float:
        return self.cells[-1].x1

    @property
    def numbers(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.is_number]


def rows_of(spans: Sequence[Span]) -> list[Row]:
    """The rows of the spans that stand upright, from the top, and which of them are supported."""
    groups: list[list[Span]] = []
    for span in sorted((span for span in spans if not span.tilted and not span.angle), key=_baseline):
        near = (group for group in groups[-3:] if _baseline(span) - _baseline(group[0]) <= _SAME_BASELINE * span.size)
        group = next(near, None)
        if group is None:
            groups.append([span])
        else:
            group.append(span)
    return _with_support([row for row in map(_row, groups) if row is not None])


def narrow(row: Row) -> Row:
    """The row with its words in cells as those of a row of numbers: no text is spread to fill its line."""
    return replace(row, cells=tuple(_cells(_words_of(row.spans), _NUMBER_GAP)))


def among(rows: Sequence[Row], spans: Iterable[Span]) -> list[Row]:
    """The rows with no other spans than those of these that they have, and which of them are supported then."""
    ids = set(map(id, spans))
    kept = []
    for row in rows:
        own = [span for span in row.spans if id(span) in ids]
        rest = replace(row, is_supported=False) if len(own) == len(row.spans) else _row(own)
        if rest is not None:
            kept.append(rest)
    return _with_support(kept)


def _baseline(span: Span) -> float:
    return span.baseline or span.bottom


def _row(spans: Sequence[Span]) -> Row | None:
    if not spans:
        return None
    ordered = sorted(spans, key=lambda span: span.x0)
    words = _words_of(ordered)
    cells = tuple(_cells(words, _CELL_GAP))
    is_data = _is_data(cells)
    return Row(
        tuple(_cells(words, _NUMBER_GAP)) if is_data else cells,
        tuple(ordered),
        _baseline(spans[0]),
        min(span.top for span in spans),
        max(span.bottom for span in spans),
        statistics.median_high([span.size for span in spans]) or 10.0,
        is_data,
    )


def _words_of(spans: Iterable[Span]) -> list[_Word]:
    return [word for span in spans for word in _words(span)]


def _is_data(cells: Sequence[Cell]) -> bool:
    label, *rest = cells
    is_item = len(rest) == 1 and _ITEM.fullmatch(label.text)
    short = all(display_width(cell.text) <= _LONGEST_CELL for cell in rest)
    return any(cell.is_number for cell in rest) and short and not is_item


def _with_support(rows: Sequence[Row]) -> list[Row]:
    places: list[set[tuple[str, int]]] = [
        {place for cell in row.cells for place in _places(cell)} if row.is_data else set() for row in rows
    ]
    marked = []
    for index, row in enumerate(rows):
        if row.is_data:
            others = set[tuple[str, int]]().union(
                *places[max(0, index - _NEAR) : index], *places[index + 1 : index + _NEAR + 1]
            )
            cells = row.cells if row.cells[0].is_number else row.cells[1:]
            shared = sum(
                any((kind, place + step) in others for kind, place in _places(cell) for step in (-1, 0, 1))
                for cell in cells
            )
            beside = any(follows(*pair) for pair in itertools.pairwise(rows[max(0, index - 1) : index + 2]))
            marked.append(replace(row, is_supported=beside and 2 * shared >= len(cells)))
        else:
            marked.append(row)
    return marked


def follows(above: Row, row: Row) -> bool:
    """Whether a row stands so near below another one as the rows of a table do."""
    return row.baseline - above.baseline <= _ROW_GAP * max(row.size, above.size)


def _places(cell: Cell) -> Iterator[tuple[str, int]]:
    """Where a cell begins, ends and has its middle; numbers and texts apart."""
    kind = "number" if cell.is_number else "text"
    for name, edge in (("first", cell.first), ("last", cell.last), ("middle", (cell.first + cell.last) / 2)):
        yield f"{name} of {kind}", round(edge / _SAME_EDGE)


class _Word(NamedTuple):
    """`blank`: the character before it in its span; the rest as of a cell."""

    blank: str
    text: str
    x0: float
    x1: float
    first: float
    last: float
    size: float


def _cells(words: Sequence[_Word], gap: float) -> Iterator[Cell]:
    """`words`: those of one baseline, from the left; `gap`: ems between two cells."""
    text = ""
    x0 = x1 = first = last = size = 0.0
    for word in words:
        joint = _joint(text, x1, word, gap) if text else None
        if joint is None:
            if text:
                yield _cell(text, x0, x1, first, last, size)
            _, text, x0, x1, first, last, size = word
            continue
        first = word.first if is_sign(text) else first
        last = last if _CLOSING.fullmatch(word.text) else word.last
        x1 = max(x1, word.x1)
        text += joint + word.text
    if text:
        yield _cell(text, x0, x1, first, last, size)


def _joint(text: str, x1: float, word: _Word, cell_gap: float) -> str | None:
    """What stands between a cell and the word that belongs to it; None where the word begins a cell. `x1`: where the
    text of the cell ends."""
    after_number = is_number(text)
    if is_sign(text) and (is_number(word.text) or is_sign(word.text)):
        return ""
    if after_number and _CLOSING.fullmatch(word.text):
        return ""
    if after_number and _CURRENCY.fullmatch(word.text):
        return None  # of the next number
    if word.blank == " ":  # one that is written is as wide as the font has it
        cell_gap = _NUMBER_GAP if after_number and is_number(word.text) else _CELL_GAP
    elif after_number:
        cell_gap = _NUMBER_GAP
    gap = (word.x0 - x1) / max(word.size, 1.0)
    if gap > cell_gap:
        return None
    return word.blank or (" " if gap > _WORD_GAP else "")


def _cell(text: str, x0: float, x1: float, first: float, last: float, size: float) -> Cell:
    text = tidy(text)
    plain = _LEADER.sub("", text) if text[-1] in _LEADS else text
    return Cell(plain or text, x0, x1, first, last, size, leads=plain not in ("", text))


def _words(span: Span) -> Iterator[_Word]:
    """The words of a span. Their edges are told from the middles of their characters."""
    raw, centres, size = span.raw, span.centres, span.size
    for word in _WORD.finditer(raw):
        text, start, stop = word[0], word.start(), word.end()
        x0 = span.x0 if start == 0 else centres[start] - _half(text[0], size)
        x1 = span.x1 if stop == len(raw) else centres[stop - 1] + _half(text[-1], size)
        first, last = x0, x1
        if text[0] in _BEFORE or text[-1] in _BEHIND:
            head = len(text) - len(text.lstrip(_BEFORE))
            tail = len(text) - len(text.rstrip(_BEHIND))
            if head and head + tail < len(text):
                first = centres[start + head] - _half(text[head], size)
            if tail and head + tail < len(text):
                last = centres[stop - 1 - tail] + _half(text[-1 - tail], size)
        blank = raw[start - 1] if start else ""
        yield _Word(blank, text, max(x0, span.x0), min(x1, span.x1), first, last, size)


def _half(character: str, size: float) -> float:
    """Half of the usual width of a character."""
    return size * (0.5 if character >= "\u2e80" else 0.26)

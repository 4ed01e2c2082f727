"""Columns: the regions of a page in reading order.

Terms
  region   a column, or a band of a page that has no columns.
  gutter   the x of a vertical strip that nothing crosses over several lines, with running text on both sides.
  run      what stands between two things that cross a gutter: a title, an abstract, a rule, a figure.

Running text is told from the cells of a table by its full lines. Where a page shows a gutter once, or other
pages of the document do, less evidence is asked for on the rest of the page.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.pdf.page import Rule, Span
from kb_pipeline.parsing.pdf.tables import PageTable

_SAME_EDGE = 2.0  # points between the left edges of lines of one column
_FEWEST_EDGES = 3  # lines that begin at the left edge of a column
_MOST_EDGES = 40  # that are tried; a drawing has more
_NARROWEST_SIDE = 0.18  # of the width of what is divided
_NARROWEST_COLUMN = 80.0  # points
_NARROWEST_GUTTER = 5.0  # points
_FEWEST_ROWS = 5  # lines on each side
_FEWEST_KNOWN_ROWS = 2  # the same at a gutter that is known
_SAME_HEAD = 6.0  # points between the first lines of two columns
_FULL = 0.78  # of the width of a column that a full line takes
_LEAST_FULL = 0.45  # of the lines of a column are full; paragraphs and headings end before
_LEAST_CHARACTERS = 16  # of a line on average; East Asian characters count two
_MOST_CELLS = 0.5  # of the lines of a column may consist of cells
_CELL_GAP = 0.9  # ems between two cells
_MARKER = re.compile(r"[（(]?\w{1,3}[)）.、]|\W{1,3}")  # of a list item
_FEWEST_SIDEBAR_ROWS = 3
_SHARED_BASELINES = 0.35  # of the lines of a sidebar may stand beside a line by chance
_OFF_CENTRE = 6.0  # points
_SAME_GUTTER = 8.0  # points
_USUAL_SHARE = 0.2  # of the pages that have a gutter before others are asked for less
_SHORTEST_CROSSING = 30.0  # points of a rule

Item = Span | PageTable


@dataclass(frozen=True, slots=True)
class _Division:
    """A run divided at a gutter."""

    gutter: float
    left: list[Item]
    right: list[Item]

    @property
    def weight(self) -> int:
        return sum(len(item.raw) for item in (*self.left, *self.right) if isinstance(item, Span))


def gutters(items: Sequence[Item], rules: Sequence[Rule]) -> list[float]:
    """The gutters that the text of a page shows by itself."""
    division = _best_gutter(items, rules)
    if division is None:
        return []
    above, below = _around(items, division)
    parts = above, division.left, division.right, below
    return [division.gutter, *(gutter for part in parts for gutter in gutters(part, rules))]


def usual_gutters(pages: Sequence[Sequence[float]]) -> list[float]:
    """Those gutters of the pages of a document that are on many of them."""
    counts: Counter[int] = Counter()
    for found in pages:
        counts.update({round(gutter / _SAME_GUTTER) for gutter in found})
    fewest = _USUAL_SHARE * len(pages)
    return [place * _SAME_GUTTER for place, count in counts.items() if count >= fewest]


def regions(items: Sequence[Item], rules: Sequence[Rule], known: Sequence[float]) -> list[list[Item]]:
    """The items by regions, in reading order. `known`: gutters."""
    division = _best_known(items, rules, known)
    if division is None:
        return [list(items)] if items else []
    above, below = _around(items, division)
    parts = above, division.left, division.right, below
    return [region for part in parts for region in regions(part, rules, known)]


def _around(items: Sequence[Item], division: _Division) -> tuple[list[Item], list[Item]]:
    """What stands above a division, and what below."""
    members = {id(item) for item in (*division.left, *division.right)}
    top = min(item.top for item in (*division.left, *division.right))
    others = [item for item in items if id(item) not in members]
    return [item for item in others if item.top < top], [item for item in others if item.top >= top]


def _best_gutter(items: Sequence[Item], rules: Sequence[Rule], *, inner: bool = False) -> _Division | None:
    """The gutter with most text beside it, left of an edge at which several lines begin."""
    if not items:
        return None
    x0, x1 = min(item.x0 for item in items), max(item.x1 for item in items)
    edges: Counter[int] = Counter()
    for item in items:
        edges[round(item.x0 / _SAME_EDGE)] += 1 if isinstance(item, Span) else _FEWEST_EDGES
    found: list[_Division] = []
    for edge, count in edges.most_common(_MOST_EDGES):
        if count + edges.get(edge - 1, 0) + edges.get(edge + 1, 0) < _FEWEST_EDGES:
            continue
        x = (edge - 1) * _SAME_EDGE
        if x0 + _NARROWEST_SIDE * (x1 - x0) <= x <= x1 - _NARROWEST_SIDE * (x1 - x0):
            found += [division for division in _divisions(items, rules, x) if _are_columns(division, inner=inner)]
    return max(found, key=lambda division: division.weight, default=None)


def _best_known(items: Sequence[Item], rules: Sequence[Rule], known: Sequence[float]) -> _Division | None:
    """The known gutter with most text beside it."""
    divisions = [division for x in known for division in _divisions(items, rules, x) if _stand_beside(division)]
    return max(divisions, key=lambda division: division.weight, default=None)


def _divisions(items: Sequence[Item], rules: Sequence[Rule], x: float) -> Iterator[_Division]:
    """The runs beside `x` that have something on both sides."""
    if not items:
        return
    whole = min(item.x0 for item in items) + max(item.x1 for item in items)
    heights = [
        rule.top
        for rule in rules
        if rule.top == rule.bottom and rule.x0 < x < rule.x1 and rule.x1 - rule.x0 >= _SHORTEST_CROSSING
    ]
    events: list[tuple[float, Item | None]] = [((item.top + item.bottom) / 2, item) for item in items]
    events += [(height, None) for height in heights]
    run: list[Item] = []
    for _, item in [*sorted(events, key=lambda event: event[0]), (0.0, None)]:
        if item is not None and not item.x0 < x < item.x1:
            run.append(item)
            continue
        run = run[_centred_above(run, x, whole) :]
        left, right = _sides(run, x)
        if left and right:
            middle = (max(other.x1 for other in left) + min(other.x0 for other in right)) / 2
            yield _Division(middle, left, right)
        run = []


def _centred_above(run: Sequence[Item], x: float, whole: float) -> int:
    """How many items at the head of a run are centred over both sides: the last line of a title. `whole`: the sum of
    the edges of all."""
    tops = [min((item.top for item in side), default=0.0) for side in _sides(run, x)]
    lower = max(tops)
    count = 0
    for item in run:
        if item.bottom > lower or abs(item.x0 + item.x1 - whole) > 2 * _OFF_CENTRE:
            break
        count += 1
    return count


def _sides(run: Sequence[Item], x: float) -> tuple[list[Item], list[Item]]:
    return [item for item in run if item.x1 <= x], [item for item in run if item.x1 > x]


def _stand_beside(division: _Division) -> bool:
    """Whether several lines of both sides stand beside each other at a known gutter, or one line beside the head of a
    column: the text of the last page ends there."""
    sides = division.left, division.right
    heights = [_height_in_rows(side) for side in sides]
    tops, bottoms = (
        [min(item.top for item in side) for side in sides],
        [max(item.bottom for item in side) for side in sides],
    )
    if max(tops) >= min(bottoms):
        return False
    ends_here = heights[0] >= _FEWEST_ROWS and heights[1] > 0 and abs(tops[1] - tops[0]) <= _SAME_HEAD
    return min(heights) >= _FEWEST_KNOWN_ROWS or (ends_here and _is_running_text(division.left, inner=True))


def _height_in_rows(side: Sequence[Item]) -> int:
    rows = {round(item.bottom / _SAME_EDGE) for item in side if isinstance(item, Span)}
    return len(rows) + _FEWEST_ROWS * sum(isinstance(item, PageTable) for item in side)


def _are_columns(division: _Division, *, inner: bool) -> bool:
    """Whether running text stands on both sides where they are beside each other."""
    left, right = division.left, division.right
    if min(item.x0 for item in right) - max(item.x1 for item in left) < _NARROWEST_GUTTER:
        return False
    top = max(min(item.top for item in side) for side in (left, right))
    bottom = min(max(item.bottom for item in side) for side in (left, right))
    beside = [[item for item in side if item.bottom > top and item.top < bottom] for side in (left, right)]
    if not all(beside):
        return False
    running = [_is_running_text(side, inner=inner) for side in beside]
    return all(running) or (any(running) and _are_independent(*beside))


def _are_independent(left: Sequence[Item], right: Sequence[Item]) -> bool:
    """Whether the lines of two sides hardly share baselines: a sidebar and the text beside it, no rows of a table."""
    rows = [{round(item.bottom) for item in side if isinstance(item, Span)} for side in (left, right)]
    fewer, more = sorted(rows, key=len)
    shared = sum(not more.isdisjoint((row - 1, row, row + 1)) for row in fewer)
    return len(fewer) >= _FEWEST_SIDEBAR_ROWS and shared <= _SHARED_BASELINES * len(fewer)


def _is_running_text(side: Sequence[Item], *, inner: bool) -> bool:
    """Whether most lines of the side reach from edge to edge, as those of a column do, or the side has columns itself.

    The cells of a table do not: they are of many lengths. A table in the side counts as so many lines, and the rows of
    one that has no rules say nothing about the others. `inner`: the side is itself a part of one, whose columns are
    not divided again.
    """
    left, right = min(item.x0 for item in side), max(item.x1 for item in side)
    if right - left < _NARROWEST_COLUMN:
        return False
    spans = [item for item in side if isinstance(item, Span)]
    rows = _rows(spans)
    tables = len(side) - len(spans)
    if len(rows) + _FEWEST_ROWS * tables < _FEWEST_ROWS:
        return False
    if not rows:
        return True
    text = [row for row in rows if not _has_cells(row)]
    if len(rows) - len(text) > _MOST_CELLS * len(rows):
        return not inner and _best_gutter(side, (), inner=True) is not None
    full = sum(max(span.x1 for span in row) - left >= _FULL * (right - left) for row in text)
    characters = sum(display_width(span.raw) for row in text for span in row)
    fewest = 0 if tables else _FEWEST_ROWS
    return full >= _LEAST_FULL * max(len(text), fewest) and characters >= _LEAST_CHARACTERS * len(text)


def _rows(spans: Sequence[Span]) -> list[list[Span]]:
    """The spans by the lines that they stand on; in a scan their lower edges differ a little."""
    rows: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: span.bottom):
        if rows and span.bottom - rows[-1][0].bottom <= _SAME_EDGE:
            rows[-1].append(span)
        else:
            rows.append([span])
    return rows


def _has_cells(row: Sequence[Span]) -> bool:
    """Whether wide gaps part the texts of a row; a bullet before a text is none of them."""
    texts = sorted((span for span in row if not _MARKER.fullmatch(span.raw.strip())), key=lambda span: span.x0)
    return any(b.x0 - a.x1 > _CELL_GAP * max(a.size, b.size) for a, b in itertools.pairwise(texts))

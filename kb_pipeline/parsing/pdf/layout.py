"""Reading order: spans -> columns -> lines.

A *region* is a column, or a band of a page that has no columns. Columns are found by a *gutter*: a
vertical strip near the middle that few spans cross, with running text on both sides.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kb_pipeline.parsing.pdf.page import Span
from kb_pipeline.parsing.pdf.tables import RuledTable

_GUTTER_FROM, _GUTTER_TO = 0.25, 0.75  # of the text width
_GUTTER_STEPS = 60
_NARROWEST_GUTTER = 6.0  # points on either side of the strip's middle, together
_CROSSING_SHARE = 0.3  # of the characters may stand in spans across the gutter (headings, figures)
_SIDE_SHARE = 0.15  # of the characters must stand on each side
_RUNNING_TEXT_SHARE = 0.5  # median span width on a side, of that side's width
_FEWEST_SPANS = 8
_FEWEST_OF_SIZE = 3  # lines of one size that tell the edges of their text
_SAME_LINE = 0.5  # of the smaller height must overlap
_WORD_GAP = 0.2  # ems between two spans of a line that are words
_WIDE_GAP = 2.0  # ems between two spans of a line that are cells rather than words


@dataclass(frozen=True, slots=True)
class Line:
    """The spans of one baseline in one region, or a table in its place. `region` counts from 0 on each page.

    `left` and `right` are the edges of the running text around the line, set by `with_edges`.
    """

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    bold: bool
    page_number: int
    region: int
    left: float = 0.0
    right: float = 0.0
    table: RuledTable | None = None


def lines_in_reading_order(spans: Sequence[Span], tables: Sequence[RuledTable], page_number: int) -> list[Line]:
    """All lines and tables of a page."""
    items: list[Span | RuledTable] = [*spans, *tables]
    lines: list[Line] = []
    for number, region in enumerate(_regions(items)):
        lines.extend(_region_lines(region, page_number, number))
    return lines


def with_edges(lines: Sequence[Line]) -> list[Line]:
    """The lines of a page with the edges of the text they stand in: of their size, or else of their region."""
    edges: dict[tuple[int, float | None], tuple[float, float, int]] = {}
    for line in lines:
        if line.table is None:
            for size in (line.size, None):
                left, right, count = edges.get((line.region, size), (line.x0, line.x1, 0))
                edges[line.region, size] = min(left, line.x0), max(right, line.x1), count + 1
    found = []
    for line in lines:
        if line.table is None:
            left, right, count = edges[line.region, line.size]
            if count < _FEWEST_OF_SIZE:
                left, right, _ = edges[line.region, None]
            found.append(replace(line, left=left, right=right))
        else:
            found.append(line)
    return found


def _regions(items: list[Span | RuledTable]) -> list[list[Span | RuledTable]]:
    gutter = _gutter(items)
    if gutter is None:
        return [items]
    regions: list[list[Span | RuledTable]] = []
    left: list[Span | RuledTable] = []
    right: list[Span | RuledTable] = []
    across: list[Span | RuledTable] = []

    def flush_columns() -> None:
        for side in (left, right):
            if side:
                regions.extend(_regions(list(side)))
            side.clear()

    def flush_across() -> None:
        if across:
            regions.append(list(across))
        across.clear()

    for item in sorted(items, key=lambda item: (item.top, item.x0)):
        if item.x0 < gutter < item.x1:
            flush_columns()
            across.append(item)
        else:
            flush_across()
            (left if item.x1 <= gutter else right).append(item)
    flush_columns()
    flush_across()
    return regions


def _gutter(items: Sequence[Span | RuledTable]) -> float | None:
    """The x of the strip between two columns, or None."""
    spans = [item for item in items if isinstance(item, Span)]
    if len(spans) < _FEWEST_SPANS:
        return None
    x0, x1 = min(span.x0 for span in spans), max(span.x1 for span in spans)
    total = sum(len(span.raw) for span in spans)
    best: tuple[int, float] | None = None
    run: list[float] = []
    for step in range(_GUTTER_STEPS + 1):
        x = x0 + (x1 - x0) * (_GUTTER_FROM + (_GUTTER_TO - _GUTTER_FROM) * step / _GUTTER_STEPS)
        half = _NARROWEST_GUTTER / 2
        crossing = sum(len(span.raw) for span in spans if span.x0 < x + half and span.x1 > x - half)
        if best is None or crossing < best[0]:
            best, run = (crossing, x), [x]
        elif crossing == best[0]:
            run.append(x)
    if best is None or best[0] > _CROSSING_SHARE * total:
        return None
    x = run[len(run) // 2]
    for side, width in (
        ([span for span in spans if span.x1 <= x], x - x0),
        ([span for span in spans if span.x0 >= x], x1 - x),
    ):
        if sum(len(span.raw) for span in side) < _SIDE_SHARE * total or len(side) < _FEWEST_SPANS // 2:
            return None
        widths = sorted(span.x1 - span.x0 for span in side)
        if widths[len(widths) // 2] < _RUNNING_TEXT_SHARE * width:
            return None
    return x


def _region_lines(items: Sequence[Span | RuledTable], page_number: int, region: int) -> list[Line]:
    rows: list[list[Span]] = []
    tables: list[RuledTable] = []
    for item in sorted(items, key=lambda item: (item.top + item.bottom) / 2):
        if isinstance(item, RuledTable):
            tables.append(item)
        elif rows and _on_one_line(rows[-1][-1], item):
            rows[-1].append(item)
        else:
            rows.append([item])
    lines = [_line(row, page_number, region) for row in rows]
    lines += [
        Line("", table.x0, table.top, table.x1, table.bottom, 0.0, False, page_number, region, table=table)
        for table in tables
    ]
    return sorted(lines, key=lambda line: line.top + line.bottom)


def _on_one_line(a: Span, b: Span) -> bool:
    overlap = min(a.bottom, b.bottom) - max(a.top, b.top)
    return overlap > _SAME_LINE * min(a.bottom - a.top, b.bottom - b.top)


def _line(row: list[Span], page_number: int, region: int) -> Line:
    row = sorted(row, key=lambda span: span.x0)
    text = row[0].text
    for before, span in itertools.pairwise(row):
        gap = (span.x0 - before.x1) / max(before.size, span.size, 1.0)
        text += ("  " if gap > _WIDE_GAP else " " if gap > _WORD_GAP else "") + span.text
    if all(len(span.text) == 1 for span in row):
        text = text.replace(" ", "")  # a heading spaced out over the line
    longest = max(row, key=lambda span: len(span.raw))
    return Line(
        text,
        row[0].x0,
        min(span.top for span in row),
        max(span.x1 for span in row),
        max(span.bottom for span in row),
        longest.size,
        all(span.bold for span in row),
        page_number,
        region,
    )

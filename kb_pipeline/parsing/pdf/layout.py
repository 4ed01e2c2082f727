"""Reading order: spans -> regions -> lines.

A *region* is a column, or a band of a page that has no columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kb_pipeline.parsing.pdf.aligned import aligned_tables
from kb_pipeline.parsing.pdf.columns import Item, regions
from kb_pipeline.parsing.pdf.numeric import Found, continued, numeric_tables
from kb_pipeline.parsing.pdf.page import Rule, Span
from kb_pipeline.parsing.pdf.rows import Row, among
from kb_pipeline.parsing.pdf.tables import PageTable

_BLOCK_PITCH = 1.8  # ems between the baselines of lines that stand in one block
_FEWEST_OF_BLOCK = 4  # lines of a block that tell the edges of their text
_FULL_SHARE = 0.3  # of the lines of a block that reach its right edge
_NEARLY = 0.92  # of the width of a block
_FEWEST_OF_SIZE = 3  # lines of one size that tell the edges of their text
_SAME_LINE = 0.5  # of the smaller height must overlap
_WORD_GAP = 0.2  # ems between two spans of a line that are words
_WIDE_GAP = 2.0  # ems between two spans of a line that are cells rather than words


@dataclass(frozen=True, slots=True)
class Line:
    """The spans of one baseline in one region, or a table in its place. `region` counts from 0 on each page.

    `left` and `right` are the edges of the running text around the line, set by `with_edges`. `role` and `font`
    are those of the longest span. `is_note`: the line belongs to a footnote.
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
    table: PageTable | None = None
    role: str | None = None
    is_note: bool = False
    font: str = ""


def lines_in_reading_order(
    spans: Sequence[Span],
    rows: Sequence[Row],
    tables: Sequence[PageTable],
    page_number: int,
    rules: Sequence[Rule] = (),
    known: Sequence[float] = (),
    above: PageTable | None = None,
) -> list[Line]:
    """All lines and tables of a page. `rows`: those of the whole page; `rules`: those outside `tables`, which may bound
    more tables; `known`: the gutters that the page itself shows, or that other pages of the document have; `above`: the
    table that the page before ends with."""
    own = among(rows, spans)
    rest = continued(own, above) if above is not None else None
    wide = numeric_tables(own[len(rest.rows) :] if rest else own, known)
    if rest is not None:
        wide.insert(0, rest)
    lines: list[Line] = []
    parts = regions(_with_tables([*spans, *tables], wide), rules, known)
    for number, region in enumerate(parts):
        items = _with_tables(region, numeric_tables(_rows_in(region, own)) if known else [])
        items = _with_tables(items, aligned_tables(_rows_in(items, own), rules))
        lines.extend(_region_lines(items, page_number, number))
    return lines


def _rows_in(region: Sequence[Item], rows: Sequence[Row]) -> list[Row]:
    return among(rows, (item for item in region if isinstance(item, Span)))


def _with_tables(items: Sequence[Item], found: Sequence[Found]) -> list[Item]:
    """The items with the tables in the place of their spans."""
    taken = {id(span) for each in found for row in each.rows for span in row.spans}
    return [*(item for item in items if id(item) not in taken), *(each.table for each in found)]


def with_edges(lines: Sequence[Line]) -> list[Line]:
    """The lines of a page with the edges of the text they stand in: of their block, their size, or their region."""
    edges: dict[tuple[int, float | None], tuple[float, float, int]] = {}
    for line in lines:
        if line.table is None:
            for size in (line.size, None):
                left, right, count = edges.get((line.region, size), (line.x0, line.x1, 0))
                edges[line.region, size] = min(left, line.x0), max(right, line.x1), count + 1
    found = []
    for block in _text_blocks(lines):
        left_of_block, right_of_block = min(line.x0 for line in block), max(line.x1 for line in block)
        width = right_of_block - left_of_block
        full = sum(line.x1 - block[0].x0 >= _NEARLY * width for line in block)
        own = len(block) >= _FEWEST_OF_BLOCK and full >= _FULL_SHARE * len(block)
        for line in block:
            if line.table is None:
                left, right, count = edges[line.region, line.size]
                if count < _FEWEST_OF_SIZE:
                    left, right, _ = edges[line.region, None]
                left = left_of_block if len(block) > 1 else left
                found.append(replace(line, left=left, right=right_of_block if own else right))
            else:
                found.append(line)
    return found


def _text_blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of one size below each other without a gap."""
    blocks: list[list[Line]] = []
    for line in lines:
        above = blocks[-1][-1] if blocks else None
        if (
            above is not None
            and above.table is None
            and line.table is None
            and above.region == line.region
            and abs(above.size - line.size) <= 1
            and 0 < line.bottom - above.bottom <= _BLOCK_PITCH * line.size
        ):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


def _region_lines(items: Sequence[Item], page_number: int, region: int) -> list[Line]:
    rows: list[list[Span]] = []
    tables: list[PageTable] = []
    for item in sorted(items, key=lambda item: (item.top + item.bottom) / 2):
        if isinstance(item, PageTable):
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
        longest.top,
        max(span.x1 for span in row),
        longest.bottom,
        longest.size,
        all(span.bold for span in row),
        page_number,
        region,
        role=longest.role,
        font=longest.font,
    )

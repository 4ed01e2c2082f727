"""The tables of a Word file: cells that are merged, and rows that name the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.parsing.office.lists import W
from kb_pipeline.parsing.office.word_styles import is_on
from kb_pipeline.parsing.tables import Cell

if TYPE_CHECKING:
    from lxml.etree import _Element as Node


@dataclass(frozen=True, slots=True)
class GridCell:
    """A cell in its column. `starts` and `continues`: a merge of cells below one another."""

    text: str
    column: int
    width: int
    starts: bool
    continues: bool


def merged_rows(grid: Sequence[Sequence[GridCell]]) -> tuple[list[list[Cell]], list[str]]:
    """The rows as HTML has them, merged cells as one, and the texts that merged cells cover."""
    by_place = [{cell.column: cell for cell in row} for row in grid]
    merged: set[tuple[int, int]] = set()
    rows: list[list[Cell]] = []
    covered: list[str] = []
    for index, row in enumerate(grid):
        cells: list[Cell] = []
        column = row[0].column if row else 0
        if column:
            cells.append(Cell("", columns=column))
        for cell in row:
            if (index, cell.column) in merged:
                if cell.text.strip():
                    covered.append(cell.text)
                continue
            height = 1
            if cell.starts:
                for below in range(index + 1, len(grid)):
                    following = by_place[below].get(cell.column)
                    if following is None or not following.continues or following.width != cell.width:
                        break
                    merged.add((below, cell.column))
                    height += 1
            cells.append(Cell(cell.text, rows=height, columns=cell.width))
        rows.append(cells)
    return rows, covered


def count_header_rows(table: Node, rows: Sequence[Node]) -> int:
    marked = 0
    for row in rows:
        if not is_on(row.find(f"{W}trPr"), "tblHeader"):
            break
        marked += 1
    if marked:
        return marked if marked < len(rows) else 1
    look = table.find(f"{W}tblPr/{W}tblLook")
    if look is None:
        return 0
    first_row = look.get(f"{W}firstRow")
    if first_row is not None:
        return int(first_row in ("1", "true", "on"))
    try:
        return int(bool(int(look.get(f"{W}val", "0"), 16) & 0x20))
    except ValueError:
        return 0

"""The columns of a table, and what stands in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from kb_pipeline.parsing.pdf.rows import Cell, Row

_SAME_EDGE = 2.5  # points
_INSIDE = 3.0  # ems that the names of a table may reach over its numbers

Column = tuple[float, float]  # left, right


@dataclass(frozen=True, slots=True)
class Grid:
    """`label_end`: the right edge of most names of rows; `left`, `right`: of the table."""

    columns: tuple[Column, ...]
    label_end: float
    left: float
    right: float

    def holds(self, cell: Cell) -> bool:
        """Whether a cell stands in the columns, and does not name its row."""
        return (cell.x0 + cell.x1) / 2 >= self.columns[0][0] or cell.x0 > self.label_end

    def names(self, row: Row) -> bool:
        """Whether a row above the table has something to say of its columns."""
        return any(self.holds(cell) for cell in row.cells)

    def is_beside(self, row: Row) -> bool:
        """Whether a row reaches out of the table: it stands beside it, or in another column of the page."""
        slack = _INSIDE * row.size
        return row.x0 < self.left - slack or row.x1 > self.right + slack

    def is_crossed_by(self, row: Row) -> bool:
        """Whether a text begins where the names of rows stand and goes on over the columns, as titles do."""
        return any(
            cell.x0 < self.label_end and cell.x1 > self.columns[0][0] and (len(row.cells) == 1 or not self.holds(cell))
            for cell in row.cells
        )

    def fits(self, row: Row) -> bool:
        """Whether a row may go on below the table: each cell has a column of its own, and one of these holds a number
        or each begins at the edge of its column."""
        if len(row.cells) < 2 or self.is_beside(row):
            return False
        edges = (self.left, *(left for left, _ in self.columns))
        begin = all(any(abs(cell.x0 - edge) <= _SAME_EDGE for edge in edges) for cell in row.cells)
        if not begin and not any(cell.is_number and self.holds(cell) for cell in row.cells):
            return False
        places = [self._covered(cell) if self.holds(cell) else [-1] for cell in row.cells]
        single = [covered[0] for covered in places if len(covered) == 1]
        return len(single) == len(places) == len(set(single))

    def _covered(self, cell: Cell) -> list[int]:
        return [number for number, (left, right) in enumerate(self.columns) if cell.x0 < right and cell.x1 > left]

    def over(self, cell: Cell) -> Sequence[int]:
        """The columns that a cell stands over: a number in one, a name in all that it covers, or else the next one."""
        shared = [min(cell.x1, right) - max(cell.x0, left) for left, right in self.columns]
        best = max(range(len(shared)), key=shared.__getitem__)
        if shared[best] <= 0:
            rights = [right for _, right in self.columns]
            return [min(bisect_left(rights, (cell.x0 + cell.x1) / 2), len(rights) - 1)]
        return [best] if cell.is_number else self._covered(cell)

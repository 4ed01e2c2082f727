"""Ruled tables: the grid that rules draw, and the characters in its cells.

The geometry (which rules cross, which crossings bound a cell, which cells touch) is pdfplumber's.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from kb_pipeline.parsing.pdf.page import Page, Rule, Span

_SNAP = 3.0  # points: rules closer than this are one, ends closer than this meet
_FEWEST_ROWS = 2
_FEWEST_COLUMNS = 2
_FILLED_SHARE = 0.3  # of the cells; a grid with fewer texts is a drawing
_LONGEST_CELL = 2000  # characters; a frame around a page of text is no table

Cell = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class RuledTable:
    x0: float
    top: float
    x1: float
    bottom: float
    rows: tuple[tuple[str, ...], ...]

    @property
    def has_header(self) -> bool:
        """Whether the first row names the columns: every cell has a text and none is a number."""
        return all(cell and not cell.replace(",", "").replace(".", "").strip("%％-").isdigit() for cell in self.rows[0])


def take_tables(page: Page) -> tuple[list[RuledTable], list[Span]]:
    """The ruled tables of a page, and the spans outside them."""
    if len(page.rules) < 2 * _FEWEST_ROWS:
        return [], list(page.spans)
    tables: list[RuledTable] = []
    spans = list(page.spans)
    for cells in _grids(page.rules):
        found = _fill(cells, spans)
        if found is not None:
            table, spans = found
            tables.append(table)
    return tables, spans


def _grids(rules: Sequence[Rule]) -> list[list[Cell]]:
    from pdfplumber.table import cells_to_tables, edges_to_intersections, intersections_to_cells, merge_edges

    edges = [
        {
            "x0": rule.x0,
            "x1": rule.x1,
            "top": rule.top,
            "bottom": rule.bottom,
            "width": rule.x1 - rule.x0,
            "height": rule.bottom - rule.top,
            "orientation": "h" if rule.top == rule.bottom else "v",
            "object_type": "line",
        }
        for rule in rules
    ]
    merged = merge_edges(edges, _SNAP, _SNAP, _SNAP, _SNAP)
    cells = intersections_to_cells(edges_to_intersections(merged, _SNAP, _SNAP))
    return list(cells_to_tables(cells))


def _fill(cells: list[Cell], spans: list[Span]) -> tuple[RuledTable, list[Span]] | None:
    """The table with its texts and the spans outside it; None where the grid is no table."""
    lefts, tops = _starts(cell[0] for cell in cells), _starts(cell[1] for cell in cells)
    if len(tops) < _FEWEST_ROWS or len(lefts) < _FEWEST_COLUMNS:
        return None
    x0, top = min(cell[0] for cell in cells), min(cell[1] for cell in cells)
    x1, bottom = max(cell[2] for cell in cells), max(cell[3] for cell in cells)
    inside: dict[Cell, list[tuple[float, str]]] = {cell: [] for cell in cells}
    outside: list[Span] = []
    by_row = sorted(cells, key=lambda cell: (cell[1], cell[0]))
    for span in spans:
        middle = (span.top + span.bottom) / 2
        row = [cell for cell in by_row if cell[1] <= middle < cell[3]]
        pieces = _split(span, row)
        if pieces is None or span.tilted:
            outside.append(span)
            continue
        for cell, text in pieces:
            inside[cell].append((span.top, text))
    texts = {cell: _cell_text(found) for cell, found in inside.items()}
    filled = sum(bool(text) for text in texts.values())
    if filled < _FILLED_SHARE * len(cells) or filled < 2 or max(map(len, texts.values())) > _LONGEST_CELL:
        return None
    rows = [["" for _ in lefts] for _ in tops]
    for cell, text in texts.items():
        for row_index, column_index in itertools.product(
            [i for i, start in enumerate(tops) if cell[1] - _SNAP <= start < cell[3] - _SNAP],
            [i for i, start in enumerate(lefts) if cell[0] - _SNAP <= start < cell[2] - _SNAP],
        ):
            rows[row_index][column_index] = text
    return RuledTable(x0, top, x1, bottom, tuple(map(tuple, rows))), outside


def _starts(values: itertools.chain[float] | Sequence[float] | object) -> list[float]:
    """Distinct coordinates; those within the snap distance are one."""
    starts: list[float] = []
    for value in sorted(values):  # type: ignore[call-overload]
        if not starts or value - starts[-1] > _SNAP:
            starts.append(value)
    return starts


def _split(span: Span, row: list[Cell]) -> list[tuple[Cell, str]] | None:
    """The text of a span by the cells that its characters stand in; None for a span outside all."""
    pieces: list[tuple[Cell, str]] = []
    for character, centre in zip(span.raw, span.centres, strict=True):
        cell = next((cell for cell in row if cell[0] <= centre < cell[2]), None)
        if cell is None:
            continue
        if pieces and pieces[-1][0] == cell:
            pieces[-1] = (cell, pieces[-1][1] + character)
        else:
            pieces.append((cell, character))
    return [(cell, text.strip()) for cell, text in pieces if text.strip()] or None


def _cell_text(found: list[tuple[float, str]]) -> str:
    from kb_pipeline.parsing.text import join_lines

    return join_lines([text for _, text in sorted(found, key=lambda item: item[0])])

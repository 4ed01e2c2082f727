"""Ruled tables: the grid that rules draw, and the characters in its cells.

The geometry (which rules cross, which crossings bound a cell, which cells touch) is pdfplumber's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kb_pipeline.parsing.pdf.page import Page, Rule, Span, tidy
from kb_pipeline.parsing.text import join_lines

_SNAP = 3.0  # points: rules closer than this are one, ends closer than this meet
_MOST_RULES = 3000  # of one page; more draw a figure
_FEWEST_ROWS = 2
_FEWEST_COLUMNS = 2
_FILLED_SHARE = 0.3  # of the cells; a grid with fewer texts is a drawing
_LONGEST_CELL = 2000  # characters; a frame around a page of text is no table

_CUT_SHARE = 0.1  # of the spans of a grid may cross its frame; more crosses a drawing
_SAME_LINE = 0.5  # of the height between the middles of two pieces
_UNRULED_SHARE = 0.75  # of the places that columns and lines make hold a text where each line is a row
_FEWEST_UNRULED = 3  # lines; fewer are as likely to be wrapped text
_NUMBER = re.compile(r"[-+(]?[\d.,]+\s*[%％)]?")

Cell = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a span that stands in one cell; `middle` of its height, points."""

    middle: float
    x0: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class RuledTable:
    x0: float
    top: float
    x1: float
    bottom: float
    rows: tuple[tuple[str, ...], ...]

    @property
    def has_header(self) -> bool:
        """Whether the first row names the columns: all cells but the corner hold a text, and no number."""
        corner, *names = self.rows[0]
        return all(names) and not any(_NUMBER.fullmatch(cell) for cell in (corner, *names))


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

    grids: list[list[Cell]] = []
    for cluster in _clusters(rules):
        edges = [_edge(rule) for rule in [*cluster, *_frame(cluster)]]
        merged = merge_edges(edges, _SNAP, _SNAP, _SNAP, _SNAP)
        cells = intersections_to_cells(edges_to_intersections(merged, _SNAP, _SNAP))
        grids.extend(cells_to_tables(cells))
    return grids


def _edge(rule: Rule) -> dict[str, object]:
    return {
        "x0": rule.x0,
        "x1": rule.x1,
        "top": rule.top,
        "bottom": rule.bottom,
        "width": rule.x1 - rule.x0,
        "height": rule.bottom - rule.top,
        "orientation": "h" if rule.top == rule.bottom else "v",
        "object_type": "line",
    }


def _clusters(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that touch each other, directly or through others; those that cannot rule a table are left out."""
    if len(rules) > _MOST_RULES:
        return []
    remaining = sorted(rules, key=lambda rule: rule.top)
    clusters: list[list[Rule]] = []
    while remaining:
        cluster = [remaining.pop(0)]
        for rule in cluster:  # grows while it is walked
            touching = [other for other in remaining if _touch(rule, other)]
            cluster.extend(touching)
            if touching:
                remaining = [other for other in remaining if other not in touching]
        horizontal = sum(rule.top == rule.bottom for rule in cluster)
        if horizontal >= _FEWEST_ROWS and len(cluster) - horizontal >= _FEWEST_COLUMNS - 1:
            clusters.append(cluster)
    return clusters


def _touch(a: Rule, b: Rule) -> bool:
    return a.x0 - _SNAP <= b.x1 and b.x0 - _SNAP <= a.x1 and a.top - _SNAP <= b.bottom and b.top - _SNAP <= a.bottom


def _frame(cluster: Sequence[Rule]) -> list[Rule]:
    """The outer frame: many tables leave their sides open."""
    x0, x1 = min(rule.x0 for rule in cluster), max(rule.x1 for rule in cluster)
    top, bottom = min(rule.top for rule in cluster), max(rule.bottom for rule in cluster)
    return [Rule(x0, top, x1, top), Rule(x0, bottom, x1, bottom), Rule(x0, top, x0, bottom), Rule(x1, top, x1, bottom)]


def _fill(cells: list[Cell], spans: list[Span]) -> tuple[RuledTable, list[Span]] | None:
    """The table with its texts and the spans outside it; None where the grid is no table."""
    lefts, tops = _starts(cell[0] for cell in cells), _starts(cell[1] for cell in cells)
    if len(tops) < _FEWEST_ROWS or len(lefts) < _FEWEST_COLUMNS:
        return None
    x0, top = min(cell[0] for cell in cells), min(cell[1] for cell in cells)
    x1, bottom = max(cell[2] for cell in cells), max(cell[3] for cell in cells)
    inside: dict[Cell, list[_Piece]] = {cell: [] for cell in cells}
    outside: list[Span] = []
    cut = 0
    by_row = sorted(cells, key=lambda cell: (cell[1], cell[0]))
    for span in spans:
        middle = (span.top + span.bottom) / 2
        row = [cell for cell in by_row if cell[1] <= middle < cell[3]]
        pieces, whole = _split(span, row)
        cut += bool(pieces) and not whole
        if not whole or span.tilted or span.angle:
            outside.append(span)
            continue
        for cell, text in pieces:
            inside[cell].append(_Piece(middle, max(span.x0, cell[0]), span.bottom - span.top, text))
    if cut > _CUT_SHARE * (len(spans) - len(outside)):
        return None
    texts = {cell: _cell_text(found) for cell, found in inside.items()}
    filled = sum(bool(text) for text in texts.values())
    if filled < _FILLED_SHARE * len(cells) or filled < 2 or max(map(len, texts.values())) > _LONGEST_CELL:
        return None
    rows: list[list[str]] = []
    for row_start in tops:
        row_cells = [_cell_at(cells, left, row_start) for left in lefts]
        simple = len(set(row_cells)) == len(lefts) and all(
            cell and sum(cell[1] - _SNAP <= start < cell[3] - _SNAP for start in tops) == 1 for cell in row_cells
        )
        if simple and row_start != tops[0]:  # names of columns may take several lines
            rows.extend(_split_row([inside[cell] for cell in row_cells if cell]))
        else:
            rows.append([texts[cell] if cell else "" for cell in row_cells])
    rows = _without_false_columns(rows)
    return (RuledTable(x0, top, x1, bottom, tuple(map(tuple, rows))), outside) if len(rows[0]) > 1 else None


def _without_false_columns(rows: list[list[str]]) -> list[list[str]]:
    """Neighbouring columns that differ in no row are one: frames drawn inside cells make columns of their own."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    merged = columns[:1]
    for column in columns[1:]:
        if all(a == b or not a or not b for a, b in zip(merged[-1], column, strict=True)):
            merged[-1] = [a or b for a, b in zip(merged[-1], column, strict=True)]
        else:
            merged.append(column)
    return [list(row) for row in zip(*merged, strict=True)]


def _cell_at(cells: Sequence[Cell], left: float, top: float) -> Cell | None:
    """The cell over the grid position that begins at (left, top)."""
    for cell in cells:
        if cell[0] - _SNAP <= left < cell[2] - _SNAP and cell[1] - _SNAP <= top < cell[3] - _SNAP:
            return cell
    return None


def _starts(values: Iterable[float]) -> list[float]:
    """Distinct coordinates; those within the snap distance are one."""
    starts: list[float] = []
    for value in sorted(values):
        if not starts or value - starts[-1] > _SNAP:
            starts.append(value)
    return starts


def _split(span: Span, row: list[Cell]) -> tuple[list[tuple[Cell, str]], bool]:
    """The text of a span by the cells that its characters stand in, and whether all of them stand in some cell."""
    pieces: list[tuple[Cell, str]] = []
    whole = True
    for character, centre in zip(span.raw, span.centres, strict=True):
        cell = next((cell for cell in row if cell[0] - _SNAP <= centre < cell[2] + _SNAP), None)
        if cell is None:
            whole = whole and character.isspace()
        elif pieces and pieces[-1][0] == cell:
            pieces[-1] = (cell, pieces[-1][1] + character)
        else:
            pieces.append((cell, character))
    found = [(cell, tidy(text)) for cell, text in pieces if text.strip()]
    return found, whole and bool(found)


def _lines(pieces: Iterable[_Piece]) -> list[list[_Piece]]:
    """The pieces by their baselines, from the top, each line from the left."""
    lines: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.middle):
        if lines and piece.middle - lines[-1][0].middle < _SAME_LINE * piece.height:
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return [sorted(line, key=lambda piece: piece.x0) for line in lines]


def _cell_text(pieces: Iterable[_Piece]) -> str:
    return join_lines([" ".join(piece.text for piece in line) for line in _lines(pieces)])


def _split_row(cells: Sequence[list[_Piece]]) -> list[list[str]]:
    """The texts of one grid row; several rows where no rule parts them but nearly each line fills all columns."""
    lines = _lines(piece for pieces in cells for piece in pieces)
    filled_columns = sum(bool(pieces) for pieces in cells)
    rows = [[_cell_text(piece for piece in pieces if piece in line) for pieces in cells] for line in lines]
    slots = filled_columns * len(lines)
    if (
        filled_columns > 1
        and len(lines) >= _FEWEST_UNRULED
        and sum(bool(cell) for row in rows for cell in row) >= _UNRULED_SHARE * slots
    ):
        return rows
    return [[_cell_text(pieces) for pieces in cells]]

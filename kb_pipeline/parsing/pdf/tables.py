"""Ruled tables: the grid that rules draw, and the characters in its cells.

The geometry (which rules cross, which crossings bound a cell, which cells touch) is pdfplumber's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kb_pipeline.parsing.pdf.grid import Grid
from kb_pipeline.parsing.pdf.page import Page, Rule, Span, tidy
from kb_pipeline.parsing.pdf.rows import Cell as RowCell
from kb_pipeline.parsing.pdf.rows import Row, is_marker, is_number, is_sign
from kb_pipeline.parsing.text import join_lines

_SNAP = 3.0  # points: rules closer than this are one, ends closer than this meet
_MOST_RULES = 6000  # of one page; more draw a figure
_FEWEST_ROWS = 2
_FEWEST_COLUMNS = 2
_FILLED_SHARE = 0.3  # of the cells; a grid with fewer texts is a drawing
_LONGEST_CELL = 2000  # characters; a frame around a page of text is no table

_LOST_SHARE = 0.02  # of the figures of a grid may be more or fewer than its rows have
_CUT_SHARE = 0.1  # of the spans of a grid may cross its frame; more crosses a drawing
_SAME_LINE = 0.5  # of the height between the middles of two pieces
_UNRULED_SHARE = 0.75  # of the places that columns and lines make hold a text where each line is a row
_FEWEST_UNRULED = 3  # lines; fewer are as likely to be wrapped text
_LEAST_READABLE = 0.2  # of the visible characters of a table are letters or figures
_FULL_LINE = 0.85  # of the width of a cell's text
_MOST_FULL = 0.8  # of the lines of a wrapped text, the last one aside

Cell = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of a span that stands in one cell; `middle` of its height, points."""

    middle: float
    x0: float
    x1: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table where it stands on its page: points, and the texts of its cells row by row. `named`: the first row is
    known to name the columns. `grid`: where these are, the first one aside."""

    x0: float
    top: float
    x1: float
    bottom: float
    rows: tuple[tuple[str, ...], ...]
    named: bool = False
    grid: Grid | None = None

    @property
    def is_unreadable(self) -> bool:
        """Whether hardly a letter or figure is among what its cells hold: its glyphs have no Unicode values."""
        text = "".join(cell for row in self.rows for cell in row)
        return sum(character.isalnum() for character in text) < _LEAST_READABLE * len("".join(text.split()))

    @property
    def has_header(self) -> bool:
        """Whether the first row names the columns: it is known to, or all cells but the corner hold a text, and no
        number."""
        corner, *names = self.rows[0]
        return self.named or (all(names) and not any(is_number(cell) for cell in (corner, *names)))

    def side_by_side(self) -> list[PageTable]:
        """The tables where it is two that stand side by side: the names of the columns repeat, behind names of rows."""
        head, middle = self.rows[0], len(self.rows[0]) // 2
        names = [row[middle] for row in self.rows[1:] if row[middle]]
        values = head[1:middle]
        if (
            len(head) != 2 * middle
            or not values
            or not all(values)
            or values != head[middle + 1 :]
            or head[middle] in values  # one name over all columns
            or len(names) < _FEWEST_ROWS
            or any(map(is_number, (head[middle], *names)))
        ):
            return [self]
        halves = ([row[:middle] for row in self.rows], [row[middle:] for row in self.rows])
        return [replace(self, rows=tuple(filter(any, half)), grid=None) for half in halves]

    def joined(self, following: PageTable) -> PageTable:
        """The table with the rows of its part on the next page, whose repeated head is left out.

        A first row there that names nothing goes on from the last row here.
        """
        rows = [list(row) for row in self.rows]
        added = [list(row) for row in following.rows]
        repeated = 0
        while repeated < min(len(rows), len(added) - 1) and _words(rows[repeated]) == _words(added[repeated]):
            repeated += 1
        added = added[repeated:]
        if added and not added[0][0] and rows[-1][0] and any(not cell for cell in added[0][1:]) and len(added[0]) > 2:
            first = added.pop(0)
            rows[-1] = [join_lines([above, below]) for above, below in zip(rows[-1], first, strict=True)]
        return replace(self, rows=tuple(map(tuple, [*rows, *added])))


def _words(row: Sequence[str]) -> list[str]:
    return ["".join(cell.split()) for cell in row]


def take_tables(page: Page, rows: Sequence[Row]) -> tuple[list[PageTable], list[Span], list[Rule]]:
    """The ruled tables of a page, and the spans and rules outside them. `rows`: those of the whole page."""
    if len(page.rules) < 2 * _FEWEST_ROWS:
        return [], list(page.spans), list(page.rules)
    candidates: list[tuple[list[Cell], PageTable]] = []
    spans = list(page.spans)
    for cells in _grids(page.rules):
        found = _fill(cells, spans)
        if found is not None:
            candidates.append((cells, found[0]))
            spans = found[1]
    tables: list[PageTable] = []
    spans = list(page.spans)
    for cells, candidate in candidates:
        others = [other for _, other in candidates if other is not candidate]
        found = _fill(cells, spans) if _agrees(candidate, others, rows) else None
        if found is not None:
            tables.append(found[0])
            spans = found[1]
    return tables, spans, [rule for rule in page.rules if not any(_is_inside(rule, table) for table in tables)]


def _agrees(table: PageTable, others: Sequence[PageTable], rows: Sequence[Row]) -> bool:
    """Whether a grid says what the rows of the page say: few of their data rows cross its frame or have more
    cells than it has columns, none shares a row of the grid with another, their numbers stand in it once each, and no
    sign stands apart from its number. Rules that shade rows, underline sums or part groups of columns make grids that
    do not. `others`: the grids beside it."""
    inside: list[str] = []
    data = crossing = crowded = 0
    for row in rows:
        if not _is_beside(table, row):
            continue
        within = [cell for cell in row.cells if _holds(table, cell)]
        inside += [cell.text for cell in within]
        if row.is_supported and within:
            crossing += any(_is_torn_off(cell, within, row, others) for cell in row.cells if cell not in within)
            crowded += len(within) > len(table.rows[0])
            data += 1
    texts = [text for row in table.rows for text in row]
    shown = _figures(texts)
    agree = abs(shown - _figures(inside)) <= _LOST_SHARE * shown
    few = 3 * crossing <= data and 2 * crowded <= data
    return few and data <= len(table.rows) and agree and not any(map(is_sign, texts))


def _is_torn_off(cell: RowCell, within: Sequence[RowCell], row: Row, others: Sequence[PageTable]) -> bool:
    """Whether a cell outside a grid belongs to those of its row inside: a number, or the name of numbers. What begins
    with a name in a grid beside it does not."""
    if within[0].is_number and cell.x1 < within[0].x0:
        return True
    for other in others:
        if _is_beside(other, row) and _holds(other, cell):
            return next(each for each in row.cells if _holds(other, each)).is_number
    return cell.is_number and not is_marker(cell.text)


def _is_beside(table: PageTable, row: Row) -> bool:
    return table.top < (row.top + row.bottom) / 2 < table.bottom


def _holds(table: PageTable, cell: RowCell) -> bool:
    return table.x0 - _SNAP <= (cell.x0 + cell.x1) / 2 <= table.x1 + _SNAP


def _figures(texts: Iterable[str]) -> int:
    return sum(character.isdecimal() for text in texts for character in text)


def _is_inside(rule: Rule, table: PageTable) -> bool:
    return (
        table.x0 - _SNAP <= rule.x0
        and rule.x1 <= table.x1 + _SNAP
        and table.top - _SNAP <= rule.top
        and rule.bottom <= table.bottom + _SNAP
    )


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
    distinct = {tuple(round(edge * 2) for edge in (rule.x0, rule.top, rule.x1, rule.bottom)): rule for rule in rules}
    if len(distinct) > _MOST_RULES:
        return []
    ordered = sorted(distinct.values(), key=lambda rule: rule.top)
    cluster_of: list[list[Rule]] = []
    active: list[int] = []  # rules above that reach down to the current one
    for index, rule in enumerate(ordered):
        cluster = [rule]
        cluster_of.append(cluster)
        active = [other for other in active if ordered[other].bottom + 2 * _SNAP >= rule.top]
        for other in active:
            joined = cluster_of[other]
            if joined is not cluster and _touch(rule, ordered[other]):
                larger, smaller = (joined, cluster) if len(joined) > len(cluster) else (cluster, joined)
                larger.extend(smaller)
                for member in range(index + 1):
                    if cluster_of[member] is smaller:
                        cluster_of[member] = larger
                cluster = larger
        active.append(index)
    clusters = list({id(cluster): cluster for cluster in cluster_of}.values())
    return [cluster for cluster in clusters if _can_rule(cluster)]


def _can_rule(cluster: Sequence[Rule]) -> bool:
    horizontal = sum(rule.top == rule.bottom for rule in cluster)
    return horizontal >= _FEWEST_ROWS and len(cluster) - horizontal >= _FEWEST_COLUMNS - 1


def _touch(a: Rule, b: Rule) -> bool:
    return a.x0 - _SNAP <= b.x1 and b.x0 - _SNAP <= a.x1 and a.top - _SNAP <= b.bottom and b.top - _SNAP <= a.bottom


def _frame(cluster: Sequence[Rule]) -> list[Rule]:
    """The outer frame: many tables leave their sides open."""
    x0, x1 = min(rule.x0 for rule in cluster), max(rule.x1 for rule in cluster)
    top, bottom = min(rule.top for rule in cluster), max(rule.bottom for rule in cluster)
    return [Rule(x0, top, x1, top), Rule(x0, bottom, x1, bottom), Rule(x0, top, x0, bottom), Rule(x1, top, x1, bottom)]


def _fill(cells: list[Cell], spans: list[Span]) -> tuple[PageTable, list[Span]] | None:
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
            inside[cell].append(
                _Piece(middle, max(span.x0, cell[0]), min(span.x1, cell[2]), span.bottom - span.top, text)
            )
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
    narrowest = min((piece.height for found in inside.values() for piece in found), default=0.0)
    edges = [*lefts, x1]
    # Columns too narrow for a character belong to the next: frames drawn inside cells make them.
    for column in range(len(lefts) - 2, -1, -1):
        if edges[column + 1] - edges[column] < narrowest:
            del edges[column + 1]
            rows = [[*row[:column], row[column] or row[column + 1], *row[column + 2 :]] for row in rows]
    if len(edges) < 1 + _FEWEST_COLUMNS:
        return None
    grid = Grid(tuple(itertools.pairwise(edges[1:])), label_end=edges[1], left=x0, right=x1)
    return PageTable(x0, top, x1, bottom, tuple(map(tuple, rows)), grid=grid), outside


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
        cell = next((cell for cell in row if cell[0] <= centre < cell[2]), None) or next(
            (cell for cell in row if cell[0] - _SNAP <= centre < cell[2] + _SNAP), None
        )
        if cell is None:
            whole = whole and character.isspace()
        elif pieces and pieces[-1][0] == cell:
            pieces[-1] = (cell, pieces[-1][1] + character)
        else:
            pieces.append((cell, character))
    found = [(cell, tidy(text)) for cell, text in pieces if text.strip()]
    return found, whole and bool(found)


def _is_wrapped(pieces: Sequence[_Piece]) -> bool:
    """Whether the lines of a cell are those of one text: nearly all but the last reach its right edge."""
    lines = _lines(pieces)
    if len(lines) < _FEWEST_UNRULED or any(is_number(piece.text) for piece in pieces):
        return False
    left, right = min(piece.x0 for piece in pieces), max(piece.x1 for piece in pieces)
    ends = [max(piece.x1 for piece in line) for line in lines[:-1]]
    full = sum(end - left >= _FULL_LINE * (right - left) for end in ends)
    return full >= _MOST_FULL * len(ends)


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
        and not any(_is_wrapped(pieces) for pieces in cells)
    ):
        return rows
    return [[_cell_text(pieces) for pieces in cells]]

"""Tables without a grid: cells that stand below each other, with white space or only horizontal rules between them.

Terms
  row      the spans of one baseline of a region.
  cell     spans of a row with no more than a word's gap between them.
  strip    a vertical gap that no row of a table crosses; strips part the columns.
  bounded  between horizontal rules of one width, as printed tables often are.

Ordinary text must not become a table: the columns have to be filled and aligned, and lists, forms and text
in columns are told from tables.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.pdf.page import GENERATED, WIDE_GAP, Rule, Span, tidy
from kb_pipeline.parsing.pdf.rows import is_number
from kb_pipeline.parsing.pdf.tables import PageTable
from kb_pipeline.parsing.text import join_lines

_CELL_GAP = 1.2  # ems between two cells
_STRIP = 0.45  # ems; the narrowest strip
_SLACK = 0.2  # ems that a text may reach into a strip
_ROW_GAP = 3.2  # ems between the baselines of two rows of a table
_WRAP_GAP = 1.6  # ems between the baselines of two lines of a cell
_SINGLES = 2  # rows of one cell that may stand between two rows of several
_FEWEST_ROWS = 3
_FEWEST_BOUNDED_ROWS = 2
_FEWEST_PAIRS = 4  # rows of a table without numbers, or of two columns whose second one holds none
_LEAST_FILLED = 0.5  # of all places
_LEAST_FILLED_SMALL = 0.75  # the same where few rows could stand below each other by chance
_LEAST_COLUMN = 0.3  # of the places of one column
_LEAST_ALIGNED = 0.7  # of the cells of a column
_SAME_EDGE = 3.0  # points
_CROSSING = 0.12  # of the rows may cross a strip where there are many
_MANY = 8  # rows
_TEXT_WIDTH = 34  # columns; two columns of longer cells are text
_ITEM_WIDTH = 16  # columns of what follows the number of a list item
_TIGHT = 1.2  # times the smallest distance of two rows: lines of one cell
_TWO_DISTANCES = 1.35  # times the smallest distance: rows stand farther apart than lines of a cell
_SAME_RULE = 4.0  # points
_SCALES = 3  # columns: a scale on either side of what else stands there
_FEWEST_TICKS = 4
_SCALE_NUMBER = re.compile(r"(-?[\d,]*\.?\d+)%?(?:\s.*)?")
_LEADER = re.compile(r"(?:[.．…·⋯]\s?){4,}")
_LABEL = re.compile(r"[:：]$")
_ITEM = re.compile(r"[^\w（(]{1,2}|[(（]?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4}|[一二三四五六七八九十]{1,3})[)）.、．]?")


@dataclass(frozen=True, slots=True)
class _Cell:
    spans: tuple[Span, ...]
    x0: float
    x1: float

    @property
    def text(self) -> str:
        return " ".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True)
class _Row:
    """`words`: left and right edges of what stands between blanks."""

    cells: tuple[_Cell, ...]
    words: tuple[tuple[float, float], ...]
    baseline: float
    top: float
    bottom: float
    size: float


Strip = tuple[float, float]


def aligned_tables(rows: Sequence[Sequence[Span]], rules: Sequence[Rule]) -> list[tuple[int, int, PageTable]]:
    """(first row, row after the last, table) for each table among the rows of a region, from the top."""
    prepared = [_row(row) for row in rows]
    found: list[tuple[int, int, PageTable]] = []
    taken: set[int] = set()
    for start, stop in _bounded_blocks(prepared, rules):
        table = None if taken.intersection(range(start, stop)) else _build(prepared[start:stop], bounded=True)
        if table is not None:
            found.append((start, stop, table))
            taken.update(range(start, stop))
    for start, stop in _blocks(prepared, taken):
        for skipped, left_out in ((0, 0), (1, 0), (0, 1), (2, 0)):
            first, last = _from_row_of_cells(prepared, start + skipped, stop), stop - left_out
            table = _build(prepared[first:last], bounded=False) if last - first >= _FEWEST_ROWS else None
            if table is not None:
                found.append((first, last, table))
                break
    return sorted(found, key=lambda item: item[0])


def _row(spans: Sequence[Span]) -> _Row:
    ordered = sorted(spans, key=lambda span: span.x0)
    size = statistics.median_high(span.size for span in ordered) or 10.0
    groups: list[list[Span]] = []
    for span in ordered:
        if groups and span.x0 - groups[-1][-1].x1 <= _CELL_GAP * size:
            groups[-1].append(span)
        else:
            groups.append([span])
    cells = tuple(_Cell(tuple(group), group[0].x0, max(span.x1 for span in group)) for group in groups)
    middle = statistics.median(span.baseline or span.bottom for span in ordered)
    words = tuple(word for span in ordered for word in _words(span))
    return _Row(cells, words, middle, min(span.top for span in ordered), max(span.bottom for span in ordered), size)


def _words(span: Span) -> Iterator[tuple[float, float]]:
    """The edges of the parts of a span between gaps that are no written blanks; those inside it are told from the
    middles of the characters."""
    start: float | None = None
    end = span.x0
    for character, centre in zip(span.raw, span.centres, strict=True):
        if character in (GENERATED, WIDE_GAP):
            if start is not None:
                yield start, end
            start = None
            continue
        if character.isspace():
            continue
        half = span.size * (0.5 if character >= "\u2e80" else 0.25)
        start = max(span.x0, centre - half) if start is None else start
        end = min(span.x1, centre + half)
    if start is not None:
        yield start, span.x1


def _bounded_blocks(rows: Sequence[_Row], rules: Sequence[Rule]) -> Iterator[tuple[int, int]]:
    """Rows between horizontal rules of one width, where most of the rows have several cells."""
    if not rows:
        return
    x0, x1 = min(row.cells[0].x0 for row in rows), max(row.cells[-1].x1 for row in rows)
    horizontal = sorted(
        (rule for rule in rules if rule.top == rule.bottom and rule.x0 < x1 and rule.x1 > x0), key=lambda rule: rule.top
    )
    groups: list[list[Rule]] = []
    for rule in horizontal:
        for group in groups:
            if abs(group[0].x0 - rule.x0) < _SAME_RULE and abs(group[0].x1 - rule.x1) < _SAME_RULE:
                group.append(rule)
                break
        else:
            groups.append([rule])
    for group in sorted(groups, key=len, reverse=True):
        run: list[int] = []
        for above, below in itertools.pairwise(group):
            inside = [
                index
                for index, row in enumerate(rows)
                if above.top < (row.top + row.bottom) / 2 < below.top
                and row.cells[0].x0 >= above.x0 - row.size
                and row.cells[-1].x1 <= above.x1 + row.size
            ]
            several = sum(len(rows[index].cells) > 1 for index in inside)
            if inside and several >= 0.5 * len(inside):
                run.extend(index for index in inside if index not in run)
            else:
                if len(run) >= _FEWEST_BOUNDED_ROWS:
                    yield run[0], run[-1] + 1
                run = []
        if len(run) >= _FEWEST_BOUNDED_ROWS:
            yield run[0], run[-1] + 1


def _blocks(rows: Sequence[_Row], taken: set[int]) -> Iterator[tuple[int, int]]:
    """Rows of several cells that follow each other; rows of one cell may stand between them."""
    start = stop = 0
    last: int | None = None
    for index, row in enumerate(rows):
        near = last is None or row.baseline - rows[index - 1].baseline <= _ROW_GAP * max(row.size, rows[index - 1].size)
        several = len(row.cells) > 1
        if index in taken or (last is not None and (not near or index - last > _SINGLES + several)):
            if last is not None and stop - start >= _FEWEST_ROWS:
                yield start, stop
            last = None
        if index not in taken and several:
            start = index if last is None else start
            last, stop = index, index + 1
        elif last is not None and index == stop and _wraps(rows[last], row, rows[index - 1]):
            stop = index + 1
    if last is not None and stop - start >= _FEWEST_ROWS:
        yield start, stop


def _from_row_of_cells(rows: Sequence[_Row], start: int, stop: int) -> int:
    """The first row from `start` on that has several cells."""
    return next((index for index in range(start, stop) if len(rows[index].cells) > 1), stop)


def _wraps(row: _Row, following: _Row, above: _Row) -> bool:
    """Whether a row of one cell is the next line of a cell that is not the first of `row`."""
    cell = following.cells[0]
    tight = following.baseline - above.baseline <= _WRAP_GAP * following.size
    return tight and any(abs(cell.x0 - other.x0) < _SAME_EDGE for other in row.cells[1:])


def _build(rows: Sequence[_Row], *, bounded: bool) -> PageTable | None:
    several = [row for row in rows if len(row.cells) > 1]
    fewest = _FEWEST_BOUNDED_ROWS if bounded else _FEWEST_ROWS
    if len(several) < fewest or len(several) < 0.4 * len(rows):
        return None
    best: tuple[list[Strip], list[list[str]]] | None = None
    for skipped in range(3 if len(several) > _FEWEST_ROWS else 1):
        strips = _strips(several[skipped:])
        strips, grid = _without_empty_columns(rows, strips)
        # Names over several columns cross strips: such rows have fewer cells than there are columns.
        if all(len(row.cells) <= len(strips) for row in several[:skipped]) and (
            best is None or len(strips) > len(best[0])
        ):
            best = strips, grid
    if best is None or not best[0]:
        return None
    strips, grid = best
    if not _is_table(several, grid, strips, bounded=bounded):
        return None
    texts = _join_wrapped(rows, grid)
    return PageTable(
        min(row.cells[0].x0 for row in rows),
        min(row.top for row in rows),
        max(row.cells[-1].x1 for row in rows),
        max(row.bottom for row in rows),
        tuple(map(tuple, texts)),
    )


def _without_empty_columns(rows: Sequence[_Row], strips: Sequence[Strip]) -> tuple[list[Strip], list[list[str]]]:
    """Strips and texts without the strips between two columns that no row fills both: a name above figures that
    stand farther to the right."""
    kept = list(strips)
    grid = [_place(row, kept) for row in rows]
    column = 0
    while column < len(kept):
        if any(row[column] and row[column + 1] for row in grid):
            column += 1
            continue
        del kept[column]
        grid = [_place(row, kept) for row in rows]
    return kept, grid


def _strips(rows: Sequence[_Row]) -> list[Strip]:
    """The gaps that no row crosses; where there are many rows, that hardly any row crosses."""
    if not rows:
        return []
    most = int(_CROSSING * len(rows)) if len(rows) >= _MANY else 0
    events = sorted(
        [(x0, 1) for row in rows for x0, _ in row.words] + [(x1, -1) for row in rows for _, x1 in row.words]
    )
    size = statistics.median(row.size for row in rows)
    strips: list[Strip] = []
    covering = 0
    seen = 0
    begin: float | None = None
    total = sum(len(row.words) for row in rows)
    for x, change in events:
        if change > 0:
            covering += 1
            seen += 1
            if covering == most + 1 and begin is not None:
                if x - begin >= _STRIP * size:
                    strips.append((begin, x))
                begin = None
        else:
            covering -= 1
            if covering == most and 0 < seen < total:
                begin = x
    return strips


def _place(row: _Row, strips: Sequence[Strip]) -> list[str]:
    """The texts of a row by columns; what crosses a strip is cut there, or else belongs to all columns it covers."""
    texts = [""] * (len(strips) + 1)
    middles = [(left + right) / 2 for left, right in strips]
    slack = _SLACK * row.size
    for cell in row.cells:
        for span in cell.spans:
            # A name above figures begins where its column does, which may be far left of the figures.
            first = sum(left - slack < span.x0 for left, _ in strips)
            last = max(first, sum(right + slack < span.x1 for _, right in strips))
            for column, text in _cut(span, middles) if last > first else [(first, span.text)]:
                texts[column] = f"{texts[column]} {text}".strip()
    return texts


def _cut(span: Span, middles: Sequence[float]) -> list[tuple[int, str]]:
    """The pieces of a span by the columns; the whole in its first column where no blank stands at a strip."""
    pieces: list[tuple[int, str]] = []
    for character, centre in zip(span.raw, span.centres, strict=True):
        column = sum(middle < centre for middle in middles)
        if pieces and pieces[-1][0] == column:
            pieces[-1] = column, pieces[-1][1] + character
        else:
            pieces.append((column, character))
    if all(text[-1].isspace() or following[0].isspace() for (_, text), (_, following) in itertools.pairwise(pieces)):
        return [(column, tidy(text)) for column, text in pieces if text.strip()]
    return [(pieces[0][0], span.text)] if pieces else [(0, span.text)]


def _is_table(
    several: Sequence[_Row], grid: Sequence[Sequence[str]], strips: Sequence[Strip], *, bounded: bool
) -> bool:
    columns = list(zip(*grid, strict=True))
    filled = [[text for text in column if text] for column in columns]
    count = len(several)
    least = _LEAST_FILLED if bounded or count >= _MANY else _LEAST_FILLED_SMALL
    if sum(map(len, filled)) < least * count * len(columns):
        return False
    if any(len(texts) < _LEAST_COLUMN * count for texts in filled):
        return False
    if sum(_is_aligned(several, strips, column) for column in range(len(columns))) < 0.75 * len(columns):
        return False
    if sum(any(_LEADER.search(text) for text in texts) for texts in grid) > 0.4 * len(grid):
        return False  # a table of contents
    if len(columns) <= _SCALES and any(_is_scale(texts) for texts in filled):
        return False  # the axes of a chart
    return bounded or not _is_text(filled, count)


def _is_text(filled: Sequence[Sequence[str]], count: int) -> bool:
    """Whether aligned texts are no table: columns of text, words below each other by chance, a form, or a list.

    `filled`: the texts of each column; `count`: of the rows.
    """
    widths = [statistics.mean(display_width(text) for text in texts) for texts in filled]
    numbers = [sum(is_number(text) for text in texts) for texts in filled]
    if sum(width > _TEXT_WIDTH for width in widths) > 1 or sum(numbers) == sum(map(len, filled)):
        return True
    if count < _FEWEST_PAIRS and not any(numbers):
        return True
    if len(filled) > 2:
        return False
    names, values = filled
    labels = sum(bool(_LABEL.search(text)) for text in names)
    items = sum(bool(_ITEM.fullmatch(text)) for text in names)
    if labels > 0.5 * len(names) or (items > 0.7 * len(names) and widths[1] > _ITEM_WIDTH):
        return True
    return count < _FEWEST_PAIRS and numbers[1] < 0.5 * len(values)


def _is_scale(texts: Sequence[str]) -> bool:
    """Whether a column counts down in even steps, as the vertical axis of a chart does."""
    found = [_SCALE_NUMBER.fullmatch(text) for text in texts]
    values = [float(match[1].replace(",", "")) for match in found if match]
    steps = {round(above - below, 6) for above, below in itertools.pairwise(values)}
    return len(values) >= _FEWEST_TICKS and len(steps) == 1 and steps.pop() > 0


def _is_aligned(rows: Sequence[_Row], strips: Sequence[Strip], column: int) -> bool:
    """Whether the cells of a column have their left edges, right edges or middles below each other."""
    left = strips[column - 1][0] if column else float("-inf")
    right = strips[column][1] if column < len(strips) else float("inf")
    cells = []
    for row in rows:
        inside = [
            word for word in row.words if word[0] >= left - _SLACK * row.size and word[1] <= right + _SLACK * row.size
        ]
        if inside:
            cells.append((min(x0 for x0, _ in inside), max(x1 for _, x1 in inside)))
    if not cells:
        return False
    for edges in ([x0 for x0, _ in cells], [x1 for _, x1 in cells], [(x0 + x1) / 2 for x0, x1 in cells]):
        usual = statistics.median_low(edges)
        if sum(abs(edge - usual) <= _SAME_EDGE for edge in edges) >= _LEAST_ALIGNED * len(edges):
            return True
    return False


def _join_wrapped(rows: Sequence[_Row], grid: Sequence[Sequence[str]]) -> list[list[str]]:
    """The rows of the table: lines of one cell joined."""
    gaps = [below.baseline - above.baseline for above, below in itertools.pairwise(rows)]
    smallest = min(gaps, default=0.0)
    apart = bool(gaps) and max(gaps) >= _TWO_DISTANCES * smallest
    groups = [[list(grid[0])]]
    for texts, gap in zip(grid[1:], gaps, strict=True):
        tight = gap <= _TIGHT * smallest
        complete = all(texts)
        if (apart and tight and not complete) or (not apart and _continues(groups[-1][-1], texts)):
            groups[-1].append(list(texts))
        else:
            groups.append([list(texts)])
    joined = []
    for group in groups:
        if apart and sum(bool(row[0]) for row in group) > 1 and sum(is_number(row[-1]) for row in group) > 1:
            joined.extend(group)  # full rows that stand close
        else:
            joined.append([join_lines([text for text in column if text]) for column in zip(*group, strict=True)])
    return joined


def _continues(above: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether a row is the next line of the row above: it names nothing and holds no numbers."""
    filled = [column for column, text in enumerate(texts) if text]
    return (
        not texts[0]
        and len(filled) <= len(texts) / 2
        and all(above[column] for column in filled)
        and not any(is_number(texts[column]) for column in filled)
    )

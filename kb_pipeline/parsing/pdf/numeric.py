"""Tables that numbers show: runs of supported rows, with the names of their rows between them and of their columns
above. No rules are asked for.

The columns are what the numbers of the supported rows cover; texts stand beside them, in columns of their own where
enough rows have one there, and else belong to the first column.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from kb_pipeline.parsing.pdf.captions import is_caption
from kb_pipeline.parsing.pdf.grid import Column, Grid
from kb_pipeline.parsing.pdf.rows import Row, follows, is_marker, narrow
from kb_pipeline.parsing.pdf.tables import PageTable
from kb_pipeline.parsing.text import join_lines

_MOST_BETWEEN = 4  # rows without numbers between two with numbers
_MOST_NAMES = 6  # rows above that name the columns
_WIDE = 0.7  # of a table's width: a text that wide that stands over the numbers is none of its cells
_FEWEST = 3  # rows of a table with one number each; two are enough where each has several
_LINE_GAP = 1.6  # ems between the baselines of two lines of a cell
_TIGHT = 0.8  # of the usual distance of two rows: lines of one row
_TEXT_SHARE = 0.25  # of the rows have a text where a column of texts is


@dataclass(frozen=True, slots=True)
class Found:
    """A table and the rows of the page that it is made of."""

    table: PageTable
    rows: tuple[Row, ...]


def numeric_tables(rows: Sequence[Row], gutters: Iterable[float] = ()) -> list[Found]:
    """The tables among the rows of a page or a region, from the top. Where there are gutters, those that go over all of
    them; the others are found in their regions."""
    found: list[Found] = []
    free = start = 0  # the first row that is in no table, and the one where the next may begin
    while (run := _next_run(rows, start)) is not None:
        first, stop = run
        block = _without_prose(rows[first:stop])
        grid = _grid(block)
        if grid and _are_enough(block) and all(_goes_over(block, gutter) for gutter in gutters):
            names = _names_above(rows[free:first], block, grid)
            block = [*block, *_last_lines(rows[first + len(block) :], block, grid)]
            own = [row for row in block if row.is_supported or not grid.is_beside(row)]
            found.append(Found(_build(names, own, grid), (*names, *own)))
            free = first + len(block)
        start = first + max(1, len(block))
    return found


def continued(rows: Sequence[Row], above: PageTable) -> Found | None:
    """What is left on the next page of a table that ends a page: the rows at its head that fit the columns, below the
    names of these where they are repeated."""
    grid = above.grid
    first = next((index for index, row in enumerate(rows[: _MOST_NAMES + 1]) if grid and grid.fits(row)), None)
    if grid is None or first is None:
        return None
    last = first
    for index, (before, row) in enumerate(itertools.pairwise(rows[first:]), start=first + 1):
        if not follows(before, row) or index - last > _MOST_BETWEEN + 1 or grid.is_crossed_by(row):
            break
        if grid.fits(row):
            last = index
    names, run = rows[:first], rows[first : last + 1]
    run = [*run, *_last_lines(rows[last + 1 :], run, grid)]
    table = _build(names, run, grid)
    if names and _letters(table.rows[0]) != _letters(above.rows[0]):
        return None
    extra = len(table.rows[0]) - len(above.rows[0])
    placed = tuple(row[extra:] for row in table.rows)
    return Found(replace(table, x0=above.x0, x1=above.x1, rows=placed), (*names, *run)) if extra in (0, 1) else None


def _letters(texts: Iterable[str]) -> str:
    return "".join("".join(texts).split())


def _next_run(rows: Sequence[Row], start: int) -> tuple[int, int] | None:
    """First row and row after the last of the next run: it begins and ends with a row of numbers."""
    first = next((index for index in range(start, len(rows)) if rows[index].is_supported), None)
    if first is None:
        return None
    last = first
    for index, (above, row) in enumerate(itertools.pairwise(rows[first:]), start=first + 1):
        if not follows(above, row) or index - last > _MOST_BETWEEN + 1:
            break
        if row.is_supported or (row.is_data and index - last == 1):
            last = index
    return first, last + 1


def _without_prose(run: Sequence[Row]) -> Sequence[Row]:
    """The run up to a line of text that stands over its numbers."""
    grid = _grid(run)
    if grid is None:
        return []
    for index, row in enumerate(run):
        widest = max(row.cells, key=lambda cell: cell.x1 - cell.x0)
        if not row.is_data and widest.x1 - widest.x0 > _WIDE * (grid.right - grid.left) and grid.is_crossed_by(row):
            kept = run[:index]
            last = max((number for number, row in enumerate(kept) if row.is_data), default=-1)
            return kept[: last + 1]
    return run


def _grid(run: Sequence[Row]) -> Grid | None:
    """Columns are what the numbers of supported rows cover, and texts beside them in enough of these rows."""
    supported = [row for row in run if row.is_supported]
    if not supported:
        return None
    left = min(row.x0 for row in supported)
    cells = [cell for row in supported for cell in row.cells if cell.x0 > left + cell.size]
    numbers = _merged((cell.x0, cell.x1) for cell in cells if cell.is_number)
    if not numbers:
        return None
    texts = [
        (cell.x0, cell.x1)
        for row in supported
        for cell in row.cells[1:]
        if not cell.is_number and not any(cell.x0 < right and cell.x1 > left for left, right, _ in numbers)
    ]
    beside = [column for column in _merged(texts) if column[2] > max(1, _TEXT_SHARE * len(supported))]
    columns = sorted((left, right) for left, right, _ in (*numbers, *beside))
    ends = [row.cells[0].x1 for row in supported if row.cells[0].x1 < columns[0][0]]
    return Grid(
        tuple(columns),
        label_end=statistics.median(ends) if ends else columns[0][0],
        left=min(row.x0 for row in run if row.is_data),
        right=max(columns[-1][1], *(row.x1 for row in supported)),
    )


def _merged(intervals: Iterable[Column]) -> list[tuple[float, float, int]]:
    """The intervals joined that overlap, and of how many each is made."""
    merged: list[tuple[float, float, int]] = []
    for left, right in sorted(intervals):
        if merged and left < merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], right), merged[-1][2] + 1
        else:
            merged.append((left, right, 1))
    return merged


def _are_enough(run: Sequence[Row]) -> bool:
    """Whether the rows are a table: some have several numbers or many have one, and some have a name. In a table of
    contents dots lead to the numbers."""
    supported = [row for row in run if row.is_supported]
    several = sum(len(row.numbers) > 1 for row in supported)
    led = sum(any(cell.leads for cell in row.cells) for row in supported)
    named = any(any(character.isalpha() for character in row.cells[0].text) for row in supported)
    return named and (several > 1 or (len(supported) >= _FEWEST and 2 * led <= len(supported)))


def _goes_over(run: Sequence[Row], gutter: float) -> bool:
    """Whether the table goes over a gutter: numbers follow right of it in most rows."""
    right = [next((cell for cell in row.cells if cell.first > gutter), None) for row in run if row.is_supported]
    numbers = sum(cell is not None and cell.is_number and not is_marker(cell.text) for cell in right)
    return 2 * numbers > len(right) and any(row.x0 < gutter for row in run)


def _names_above(rows: Sequence[Row], run: Sequence[Row], grid: Grid) -> list[Row]:
    """The rows above a run that name its columns. A name of a part of the table may stand below each."""
    names: list[Row] = []
    for row in rows[: -_MOST_NAMES - 1 : -1]:
        below = names[-1] if names else run[0]
        apart = names and not grid.names(row) and not grid.names(names[-1])
        if (
            not follows(row, below)
            or apart
            or grid.is_beside(row)
            or grid.is_crossed_by(row)
            or is_caption(row.cells[0].text)
        ):
            break
        names.append(row)
    while names and not grid.names(names[-1]):
        names.pop()
    return names[::-1]


def _last_lines(rows: Sequence[Row], run: Sequence[Row], grid: Grid) -> Iterator[Row]:
    """The rows below a run that are further lines of its last row."""
    most = _TIGHT * _usual_distance(run)
    above = run[-1]
    for row in rows:
        if row.is_data or row.baseline - above.baseline >= most or grid.is_crossed_by(row):
            break
        yield row
        above = row


def _usual_distance(rows: Sequence[Row]) -> float:
    """The usual distance between the baselines of two rows of numbers, points: of those that follow each other, or the
    smallest where all have several lines."""
    pairs = [(above, below) for above, below in itertools.pairwise(rows) if above.is_data and below.is_data]
    if pairs:
        return statistics.median(below.baseline - above.baseline for above, below in pairs)
    data = [row.baseline for row in rows if row.is_data]
    if all(row.is_data or len(row.cells) == 1 for row in rows):
        return 0.0  # names of parts stand between them
    return min((below - above for above, below in itertools.pairwise(data)), default=0.0)


def _build(names: Sequence[Row], run: Sequence[Row], grid: Grid) -> PageTable:
    every = (*names, *run)
    count = _head_rows(names, run, grid)
    head = [_placed(narrow(row), grid, head=True) for row in every[:count]]
    header = [join_lines(list(filled(column))) for column in zip(*head, strict=True)]
    body = _joined([(row, _placed(row, grid, head=False)) for row in every[count:]])
    rows = [header, *body] if header else body
    return PageTable(
        min(row.x0 for row in every),
        min(row.top for row in every),
        max(row.x1 for row in every),
        max(row.bottom for row in every),
        tuple(map(tuple, rows)),
        named=bool(header),
        grid=grid,
    )


def _head_rows(names: Sequence[Row], run: Sequence[Row], grid: Grid) -> int:
    """How many of the rows above a run and in it name the columns."""
    distance = _TIGHT * _usual_distance(run)
    for number, row in enumerate(names, start=1):
        if len(row.cells) == len(grid.columns) + 1:  # names everything: rows below it happen to hold no number
            below = itertools.pairwise(names[number - 1 :])
            lines = itertools.takewhile(lambda pair: pair[1].baseline - pair[0].baseline < distance, below)
            return number + sum(1 for _ in lines)
    if grid.holds(run[0].cells[0]) and len(run) > 1:
        return len(names) + 1  # numbers without a name at the head: years
    return max((number for number, row in enumerate(names, start=1) if grid.names(row)), default=0)


def filled(texts: Iterable[str]) -> Iterator[str]:
    return (text for text in texts if text)


def _placed(row: Row, grid: Grid, *, head: bool) -> list[str]:
    """The texts of a row by columns, the names of rows first. In the head, so many names as there are columns name
    them in order, and one over several columns stands in each of them."""
    texts: list[list[str]] = [[] for _ in range(len(grid.columns) + 1)]
    beside = [cell for cell in row.cells if grid.holds(cell)]
    for cell in row.cells:
        if cell not in beside:
            texts[0].append(cell.text)
        elif head and len(beside) == len(grid.columns):
            texts[1 + beside.index(cell)].append(cell.text)
        else:
            over = grid.over(cell)
            for column in over if head else over[:1]:
                texts[1 + column].append(cell.text)
    return [" ".join(found) for found in texts]


def _joined(rows: Sequence[tuple[Row, list[str]]]) -> list[list[str]]:
    """The texts of the rows, the lines of one row in one: where rows are set apart lines stand closer, a name goes on
    in small letters, and a text below another one where no row holds a number."""
    usual = _usual_distance([row for row, _ in rows])
    without_numbers = not any(row.is_data for row, _ in rows)
    joined: list[tuple[Row, list[str]]] = []
    for row, texts in rows:
        above, before = joined[-1] if joined else (row, texts)
        pitch = row.baseline - above.baseline
        goes_on = pitch <= _LINE_GAP * row.size and re.match(r"[a-z(（]", texts[0]) and before[0]
        alone = not any(texts[1:]) or not any(before[1:])
        below = without_numbers and not texts[0] and before[0]
        one_row = pitch < _TIGHT * usual and not (row.is_data and above.is_data) and before[0][-1:] not in (":", "：")
        if joined and ((goes_on and alone) or one_row or (below and pitch <= _LINE_GAP * row.size)):
            both = [join_lines([first, second]) for first, second in zip(before, texts, strict=True)]
            joined[-1] = replace(row, is_data=row.is_data or above.is_data), both
        else:
            joined.append((row, texts))
    return [texts for _, texts in joined]

"""Tables that no numbers show and no grid parts: texts that stand below each other, with white space or only
horizontal rules between them.

Terms
  strip    a vertical gap that hardly a row of a table crosses; strips part the columns.
  bounded  between horizontal rules of one width, as printed tables often are.

Ordinary text must not become a table: the columns have to be filled and aligned, and lists, forms and text
in columns are told from tables.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterator, Sequence

from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.pdf.grid import Grid
from kb_pipeline.parsing.pdf.numeric import Found
from kb_pipeline.parsing.pdf.page import Rule
from kb_pipeline.parsing.pdf.rows import Row, follows, is_marker, is_number, narrow
from kb_pipeline.parsing.pdf.tables import PageTable
from kb_pipeline.parsing.text import join_lines

_STRIP = 0.45  # ems; the narrowest strip
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
_WIDE = 0.7  # of a table's width: a text that wide that begins in the first column is none of its cells
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

Strip = tuple[float, float]
Texts = list[list[str]]


def aligned_tables(rows: Sequence[Row], rules: Sequence[Rule]) -> list[Found]:
    """The tables among the rows of a region, from the top."""
    found: list[tuple[int, Found]] = []
    taken: set[int] = set()
    for start, stop in _bounded_blocks(rows, rules):
        table = None if taken.intersection(range(start, stop)) else _build(rows[start:stop], bounded=True)
        if table is not None:
            found.append((start, table))
            taken.update(range(start, stop))
    for start, stop in _blocks(rows, taken):
        for skipped, left_out in ((0, 0), (1, 0), (0, 1), (2, 0)):
            first = next((index for index in range(start + skipped, stop) if len(rows[index].cells) > 1), stop)
            block = rows[first : stop - left_out]
            table = _build(block, bounded=False) if len(block) >= _FEWEST_ROWS else None
            if table is not None:
                found.append((first, table))
                break
    return [table for _, table in sorted(found, key=lambda item: item[0])]


def _bounded_blocks(rows: Sequence[Row], rules: Sequence[Rule]) -> Iterator[tuple[int, int]]:
    """Rows between horizontal rules of one width, where most of the rows have several cells."""
    groups: list[list[Rule]] = []
    for rule in sorted((rule for rule in rules if rule.top == rule.bottom), key=lambda rule: rule.top):
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
                and row.x0 >= above.x0 - row.size
                and row.x1 <= above.x1 + row.size
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


def _blocks(rows: Sequence[Row], taken: set[int]) -> Iterator[tuple[int, int]]:
    """Rows of several cells that follow each other; rows of one cell may stand between them."""
    start = stop = 0
    last: int | None = None
    for index, row in enumerate(rows):
        near = last is None or follows(rows[index - 1], row)
        several = len(row.cells) > 1
        if index in taken or (last is not None and (not near or index - stop >= _SINGLES + several)):
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


def _wraps(row: Row, following: Row, above: Row) -> bool:
    """Whether a row of one cell is the next line of a cell that is not the first of `row`."""
    tight = following.baseline - above.baseline <= _WRAP_GAP * following.size
    return tight and any(abs(following.x0 - other.x0) < _SAME_EDGE for other in row.cells[1:])


def _build(block: Sequence[Row], *, bounded: bool) -> Found | None:
    rows = list(map(narrow, block))
    several = [row for row, wide in zip(rows, block, strict=True) if len(wide.cells) > 1]
    fewest = _FEWEST_BOUNDED_ROWS if bounded else _FEWEST_ROWS
    if len(several) < fewest or len(several) < 0.4 * len(rows):
        return None
    best: tuple[list[Strip], Texts] = [], []
    for skipped in range(3 if len(several) > _FEWEST_ROWS else 1):
        strips, texts = _without_empty_columns(rows, _strips(several[skipped:]))
        # Names over several columns cross strips: such rows have fewer cells than there are columns.
        if len(strips) > len(best[0]) and all(len(row.cells) <= len(strips) for row in several[:skipped]):
            best = strips, texts
    strips, texts = best
    if not strips or not _is_table(several, texts, strips, bounded=bounded):
        return None
    width = max(row.x1 for row in rows) - min(row.x0 for row in rows)
    if any(len(row.cells) == 1 and row.x0 < strips[0][0] and row.x1 - row.x0 > _WIDE * width for row in block):
        return None
    table = PageTable(
        min(row.x0 for row in rows),
        min(row.top for row in rows),
        max(row.x1 for row in rows),
        max(row.bottom for row in rows),
        tuple(map(tuple, _join_wrapped(rows, texts))),
        grid=_grid(several, strips),
    )
    return Found(table, tuple(block))


def _without_empty_columns(rows: Sequence[Row], strips: list[Strip]) -> tuple[list[Strip], Texts]:
    """Strips and texts without the strips between two columns that no row fills both: a name above figures that
    stand farther to the right."""
    texts = [_place(row, strips) for row in rows]
    for column in range(len(strips) - 1, -1, -1):
        if not any(row[column] and row[column + 1] for row in texts):
            strips = [*strips[:column], *strips[column + 1 :]]
            texts = [_place(row, strips) for row in rows]
    return strips, texts


def _strips(rows: Sequence[Row]) -> list[Strip]:
    """The gaps that no row crosses; where there are many rows, that hardly any row crosses."""
    most = int(_CROSSING * len(rows)) if len(rows) >= _MANY else 0
    cells = [cell for row in rows for cell in row.cells]
    narrowest = _STRIP * statistics.median(row.size for row in rows)
    events = sorted([*((cell.x0, 1) for cell in cells), *((cell.x1, -1) for cell in cells)])
    covering = [0, *itertools.accumulate(change for _, change in events)]
    edges = [x for x, _ in events]
    free = [index for index, count in enumerate(covering[1:-1]) if count <= most]
    found: list[Strip] = []
    for index in free:
        left = found.pop()[0] if found and found[-1][1] == edges[index] else edges[index]
        found.append((left, edges[index + 1]))
    inner = (strip for strip in found if edges[0] < strip[0] and strip[1] < edges[-1])
    return [(left, right) for left, right in inner if right - left >= narrowest]


def _place(row: Row, strips: Sequence[Strip]) -> list[str]:
    """The texts of a row by the columns in which they begin."""
    texts = [""] * (len(strips) + 1)
    for cell in row.cells:
        # A name above figures begins where its column does, which may be far left of the figures.
        column = sum(left < cell.x0 for left, _ in strips)
        texts[column] = join_lines([texts[column], cell.text]) if texts[column] else cell.text
    return texts


def _grid(rows: Sequence[Row], strips: Sequence[Strip]) -> Grid:
    """Where the columns are. A text begins at the left edge of its column, of whatever width."""
    edges = [right for _, right in strips]
    right = max(row.x1 for row in rows)
    columns = tuple(zip(edges, [*(left for left, _ in strips[1:]), right], strict=True))
    return Grid(columns, label_end=strips[0][0], left=min(row.x0 for row in rows), right=right)


def _is_table(several: Sequence[Row], texts: Texts, strips: Sequence[Strip], *, bounded: bool) -> bool:
    columns = list(zip(*texts, strict=True))
    filled = [[text for text in column if text] for column in columns]
    count = len(several)
    least = _LEAST_FILLED if bounded or count >= _MANY else _LEAST_FILLED_SMALL
    if sum(map(len, filled)) < least * count * len(columns):
        return False
    if any(len(column) < _LEAST_COLUMN * count for column in filled):
        return False
    if sum(_is_aligned(several, strips, column) for column in range(len(columns))) < 0.75 * len(columns):
        return False
    if sum(any(map(_LEADER.search, row)) for row in texts) > 0.4 * len(texts):
        return False  # a table of contents
    if len(columns) <= _SCALES and any(map(_is_scale, filled)):
        return False  # the axes of a chart
    return bounded or not _is_text(filled, count)


def _is_text(filled: Sequence[Sequence[str]], count: int) -> bool:
    """Whether aligned texts are no table: columns of text, words below each other by chance, a form, or a list.

    `filled`: the texts of each column; `count`: of the rows.
    """
    widths = [statistics.mean(map(display_width, texts)) for texts in filled]
    numbers = [sum(map(is_number, texts)) for texts in filled]
    if sum(width > _TEXT_WIDTH for width in widths) > 1 or sum(numbers) == sum(map(len, filled)):
        return True
    if count < _FEWEST_PAIRS and not any(numbers):
        return True
    if len(filled) > 2:
        return False
    names, values = filled
    labels = sum(bool(_LABEL.search(text)) for text in names)
    items = sum(text.isdecimal() or is_marker(text) for text in names)
    if labels > 0.5 * len(names) or (items > 0.7 * len(names) and widths[1] > _ITEM_WIDTH):
        return True
    return count < _FEWEST_PAIRS and numbers[1] < 0.5 * len(values)


def _is_scale(texts: Sequence[str]) -> bool:
    """Whether a column counts down in even steps, as the vertical axis of a chart does."""
    found = [_SCALE_NUMBER.fullmatch(text) for text in texts]
    values = [float(match[1].replace(",", "")) for match in found if match]
    steps = {round(above - below, 6) for above, below in itertools.pairwise(values)}
    return len(values) >= _FEWEST_TICKS and len(steps) == 1 and steps.pop() > 0


def _is_aligned(rows: Sequence[Row], strips: Sequence[Strip], column: int) -> bool:
    """Whether the cells of a column have their left edges, right edges or middles below each other."""
    left = strips[column - 1][0] if column else float("-inf")
    right = strips[column][1] if column < len(strips) else float("inf")
    inside = [[cell for cell in row.cells if cell.x0 >= left and cell.x1 <= right] for row in rows]
    cells = [(found[0].x0, found[-1].x1) for found in inside if found]
    for edges in ([x0 for x0, _ in cells], [x1 for _, x1 in cells], [(x0 + x1) / 2 for x0, x1 in cells]):
        if edges:
            usual = statistics.median_low(edges)
            if sum(abs(edge - usual) <= _SAME_EDGE for edge in edges) >= _LEAST_ALIGNED * len(edges):
                return True
    return False


def _join_wrapped(rows: Sequence[Row], texts: Texts) -> Texts:
    """The rows of the table: lines of one cell joined. They stand closer than rows do where these are set apart."""
    gaps = [below.baseline - above.baseline for above, below in itertools.pairwise(rows)]
    smallest = sorted(gaps)[len(gaps) // 10]  # cells that are centred beside others make smaller ones
    apart = max(gaps) >= _TWO_DISTANCES * smallest
    groups = [[texts[0]]]
    for row, gap in zip(texts[1:], gaps, strict=True):
        if (not all(row) and gap <= _TIGHT * smallest) if apart else _continues(groups[-1][-1], row):
            groups[-1].append(row)
        else:
            groups.append([row])
    return [[join_lines(list(filter(None, column))) for column in zip(*group, strict=True)] for group in groups]


def _continues(above: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether a row is the next line of the row above: it names nothing and holds no numbers."""
    filled = [column for column, text in enumerate(texts) if text]
    return (
        not texts[0]
        and len(filled) <= len(texts) / 2
        and all(above[column] for column in filled)
        and not any(is_number(texts[column]) for column in filled)
    )

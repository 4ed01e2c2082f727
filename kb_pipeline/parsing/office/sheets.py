"""The sheets of a workbook -> elements: each sheet a heading, each table on it a table of its own.

Terms
  region   cells of a sheet that belong together: what blank rows and columns set apart.
  span     a merged cell stands where it begins; the cells that it covers are taken.

A blank row inside a table does not end it when the rows below go on with its columns and name none of their
own. A blank column does not either when only figures stand behind it, whose labels are in front of it, nor when
what stands on both sides begins and ends with the same rows: rows that are read on are better than rows torn apart.
Hidden sheets, rows and columns are left out and listed. A sheet has no pages; its name is its section.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.office.number_format import format_number
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import Cell, spanned_table_element

_LONGEST_LIST_ITEM = 60  # characters; a column of longer texts is prose
_SHORTEST_LIST = 4  # rows
_NOTE_CHARACTERS = 30  # a longer text alone in the last rows is a note on the table
_MOST_HEADER_ROWS = 4
_LEAST_SHARED_ROWS = 3
_YEAR = re.compile(r"(?:19|20)\d\d\s?[年AE]?")
_GROUPED_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+")
_IDENTIFIER = re.compile(r"(?:86)?1[3-9]\d{9}|\d{15,19}")


@dataclass(frozen=True, slots=True)
class SheetCell:
    """A cell as shown. `is_number`: figures, dates and other values that are no text."""

    text: str
    is_number: bool = False
    rows: int = 1
    columns: int = 1


@dataclass(slots=True)
class Sheet:
    """A sheet: row -> column -> cell, from 0. `merged`: (first row, last row, first column, last column).

    `texts`: what text boxes and charts on it say, as elements. `uncomputed`: formulas without a stored value.
    """

    name: str
    hidden: bool = False
    cells: dict[int, dict[int, SheetCell]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    texts: list[Element] = field(default_factory=list)
    uncomputed: int = 0


Region = Mapping[int, Mapping[int, SheetCell]]


def workbook_document(sheets: Sequence[Sheet], metadata: Mapping[str, str]) -> ParsedDocument:
    """The document that the sheets of a workbook make."""
    elements: list[Element] = []
    dropped: list[DroppedText] = []
    characters = 0
    for sheet in sheets:
        if sheet.hidden:
            text = _lines(sheet.cells)
            dropped += [DroppedText("hidden sheet", text)] if text else []
            continue
        visible, out_of_sight = _visible(sheet)
        if out_of_sight:
            dropped.append(DroppedText("hidden rows and columns", out_of_sight))
        found = [*_region_elements(visible), *sheet.texts]
        characters += sum(_count(cell.text) for row in visible.values() for cell in row.values())
        characters += sum(_count(element.text) for element in sheet.texts if element.category != "Table")
        if found:
            elements.append(Element("Title", sheet.name, heading_level=1, metadata={"sheet": sheet.name}))
            elements += [replace(element, metadata={"sheet": sheet.name}) for element in found]
            characters += _count(sheet.name)
    return ParsedDocument(
        tuple(elements),
        tuple(dropped),
        metadata=metadata,
        warnings=tuple(_warnings(sheets)),
        source_characters=characters + sum(_count(item.text) for item in dropped),
    )


def number_cell(value: float, code: str, *, epoch_1904: bool = False) -> SheetCell | None:
    """A number as its format code shows it; None where that is nothing.

    A phone, card or identity number that was typed as a number is shown without the separators that a format
    for amounts gives it: with them it would not be recognised as what it is, and stay unmasked.
    """
    text = _formatted(value, code, epoch_1904)
    if _GROUPED_NUMBER.fullmatch(text) and _IDENTIFIER.fullmatch(text.replace(",", "")):
        text = text.replace(",", "")
    return SheetCell(text, is_number=True) if text.strip() else None


@lru_cache(maxsize=65536)
def _formatted(value: float, code: str, epoch_1904: bool) -> str:
    return format_number(value, code, epoch_1904=epoch_1904)


def _warnings(sheets: Sequence[Sheet]) -> Iterator[str]:
    hidden = sum(sheet.hidden for sheet in sheets)
    if hidden:
        yield f"{hidden} hidden sheets were left out; show them in Excel to have them read."
    shown = [sheet for sheet in sheets if not sheet.hidden]
    rows = sum(len(sheet.hidden_rows & sheet.cells.keys()) for sheet in shown)
    columns = sum(len(sheet.hidden_columns & _columns(sheet.cells)) for sheet in shown)
    for count, what in ((rows, "rows"), (columns, "columns")):
        if count:
            yield f"{count} hidden {what} were left out; show them in Excel to have them read."
    uncomputed = sum(sheet.uncomputed for sheet in shown)
    if uncomputed:
        yield f"{uncomputed} formulas have no stored value; open the file in Excel and save it to have them read."


# --- what is visible -------------------------------------------------------------------------------


def _visible(sheet: Sheet) -> tuple[dict[int, dict[int, SheetCell]], str]:
    """The visible cells with their spans, rows and columns counted without the hidden ones; and the hidden texts."""
    if not (sheet.merged or sheet.hidden_rows or sheet.hidden_columns):
        return sheet.cells, ""
    spans = {(first_row, first): (last_row, last) for first_row, last_row, first, last in sheet.merged}
    hidden_rows, hidden_columns = sorted(sheet.hidden_rows), sorted(sheet.hidden_columns)
    last_used_row = max(sheet.cells, default=0)
    last_used_column = max((max(row) for row in sheet.cells.values() if row), default=0)
    covered = _covered(sheet, spans)
    visible: dict[int, dict[int, SheetCell]] = {}
    hidden: dict[int, dict[int, SheetCell]] = {}
    for row in sorted(sheet.cells):
        for column, cell in sorted(sheet.cells[row].items()):
            if (row, column) in covered:
                continue
            last_row, last = spans.get((row, column), (row, column))
            last_row, last = min(last_row, last_used_row), min(last, last_used_column)
            top = _next_shown(row, last_row, sheet.hidden_rows)
            left = _next_shown(column, last, sheet.hidden_columns)
            if top is None or left is None:
                hidden.setdefault(row, {})[column] = cell
                continue
            place = (top - bisect_left(hidden_rows, top), left - bisect_left(hidden_columns, left))
            if (last_row, last) != (row, column):
                height = last_row + 1 - bisect_left(hidden_rows, last_row + 1) - place[0]
                width = last + 1 - bisect_left(hidden_columns, last + 1) - place[1]
                cell = replace(cell, rows=height, columns=width)  # noqa: PLW2901 (the same cell, with its span)
            visible.setdefault(place[0], {})[place[1]] = cell
    return visible, _lines(hidden)


def _covered(sheet: Sheet, spans: Mapping[tuple[int, int], tuple[int, int]]) -> set[tuple[int, int]]:
    """The places of cells with content that a merged cell covers, and that nobody sees."""
    rows = sorted(sheet.cells)
    return {
        (row, column)
        for (top, left), (bottom, right) in spans.items()
        for row in rows[bisect_left(rows, top) : bisect_left(rows, bottom + 1)]
        for column in sheet.cells[row]
        if left <= column <= right and (row, column) != (top, left)
    }


def _next_shown(first: int, last: int, hidden: set[int]) -> int | None:
    return next((index for index in range(first, last + 1) if index not in hidden), None)


def _lines(cells: Region) -> str:
    return "\n".join(" ".join(cell.text for _, cell in sorted(row.items())) for _, row in sorted(cells.items()))


def _columns(cells: Region) -> set[int]:
    return {column for row in cells.values() for column in row}


def _count(text: str) -> int:
    return len("".join(text.split()))


# --- regions ---------------------------------------------------------------------------------------


def _region_elements(cells: Region) -> Iterator[Element]:
    for block in _row_blocks(cells):
        parts = _column_parts(block)
        if len(parts) == 1:
            yield from _table_elements(block)
            continue
        for part in parts:
            yield from _region_elements(part)


def _row_blocks(cells: Region) -> list[dict[int, Mapping[int, SheetCell]]]:
    """The rows between blank rows; blocks that go on with the table above are joined to it."""
    blocks: list[dict[int, Mapping[int, SheetCell]]] = []
    reach = None
    for row in sorted(cells):
        if reach is None or row > reach + 1:
            blocks.append({})
        blocks[-1][row] = cells[row]
        reach = max(reach or 0, *(row + cell.rows - 1 for cell in cells[row].values()))
    joined = blocks[:1]
    for block in blocks[1:]:
        if _goes_on(joined[-1], block):
            joined[-1] |= block
        else:
            joined.append(block)
    return joined


def _goes_on(above: Region, below: Region) -> bool:
    if min(below) - max(above) > 2:
        return False
    if not _begins_with_figures(below):
        return False
    number_columns, new_columns = _number_columns(above), _number_columns(below)
    if not number_columns:
        # What stands above names the columns, when it stands above them.
        return any(len(row) > 1 for row in above.values()) and bool(new_columns & _reach(above))
    return new_columns <= number_columns and _columns(below) <= _columns(above)


def _begins_with_figures(block: Region) -> bool:
    """The first row of more than a label has figures behind its label: it is not one that names columns."""
    for _, row in sorted(block.items()):
        if any(cell.is_number for cell in row.values()):
            return min(_columns(block)) in row and not _names_years(row)
        if len(row) > 1:
            return False
    return False


def _names_years(row: Mapping[int, SheetCell]) -> bool:
    """A row whose figures are years, at least two, names columns."""
    figures = [cell.text for cell in row.values() if cell.is_number]
    return len(figures) > 1 and all(_YEAR.fullmatch(text) for text in figures)


def _number_columns(block: Region) -> set[int]:
    return {column for row in block.values() for column, cell in row.items() if cell.is_number}


def _reach(block: Region) -> set[int]:
    """The columns that cells stand in or span."""
    cells = (item for row in block.values() for item in row.items())
    return {taken for column, cell in cells for taken in range(column, column + cell.columns)}


def _column_parts(block: Region) -> list[Region]:
    """The block cut at blank columns, unless only figures stand behind one, or rows go on behind it."""
    taken = _reach(block)
    starts = [column for column in sorted(taken) if column - 1 not in taken]
    bounds = [
        start
        for before, start in pairwise(starts)
        if _has_labels(block, start, _end_of_run(start, taken))
        and not _share_rows(block, before, start, _end_of_run(start, taken))
    ]
    if not bounds:
        return [block]
    edges = [min(taken), *bounds, max(taken) + 1]
    return [part for first, end in pairwise(edges) if (part := _between(block, first, end))]


def _share_rows(block: Region, first: int, start: int, end: int) -> bool:
    """Whether the columns [first, start) and [start, end) begin and end in the same rows, titles not counted.

    Of two tables side by side the short ones may, by chance.
    """
    rows = [cells for _, cells in sorted(block.items()) if len(cells) > 1]
    left, right = (
        [index for index, cells in enumerate(rows) if any(low <= column < high for column in cells)]
        for low, high in ((first, start), (start, end))
    )
    return len(left) >= _LEAST_SHARED_ROWS and bool(right) and (left[0], left[-1]) == (right[0], right[-1])


def _end_of_run(start: int, taken: set[int]) -> int:
    end = start
    while end in taken:
        end += 1
    return end


def _between(block: Region, first: int, end: int) -> dict[int, dict[int, SheetCell]]:
    cut = {row: {c: cell for c, cell in cells.items() if first <= c < end} for row, cells in block.items()}
    return {row: cells for row, cells in cut.items() if cells}


def _has_labels(block: Region, first: int, end: int) -> bool:
    """Whether the columns are more than figures under their headings, which belong to the labels before them."""
    rows = [row for row in (dict(_in_range(cells, first, end)) for _, cells in sorted(block.items())) if row]
    numbers_from = next((i for i, row in enumerate(rows) if any(cell.is_number for cell in row.values())), None)
    if numbers_from is None:
        return True
    labels = sum(
        first in row and not row[first].is_number and any(letter.isalpha() for letter in row[first].text)
        for row in rows[numbers_from:]
    )
    return labels > len(rows[numbers_from:]) / 2


def _in_range(cells: Mapping[int, SheetCell], first: int, end: int) -> Iterable[tuple[int, SheetCell]]:
    return ((column, cell) for column, cell in cells.items() if first <= column < end)


# --- tables ----------------------------------------------------------------------------------------


def _table_elements(block: Region) -> Iterator[Element]:
    """A region as a table, with what stands alone above and below it as text."""
    rows = sorted(block)
    columns = sorted(_columns(block))
    if len(columns) == 1:
        yield from _column_elements([block[row][columns[0]].text for row in rows if columns[0] in block[row]])
        return
    start, end = 0, len(rows)
    while start < end and _stands_alone(block, rows[start]):
        start += 1
    while end > start and _is_note(block[rows[end - 1]]):
        end -= 1
    yield from _paragraphs(block, rows[:start])
    body = rows[start:end]
    if body:
        table = spanned_table_element(_cells(block, body), header_rows=_header_rows(block, body))
        if table is not None:
            yield table
    yield from _paragraphs(block, rows[end:])


def _column_elements(texts: Sequence[str]) -> Iterator[Element]:
    if len(texts) >= _SHORTEST_LIST and all(len(text) <= _LONGEST_LIST_ITEM for text in texts):
        table = spanned_table_element([[Cell(text)] for text in texts], header_rows=0)
        if table is not None:
            yield table
        return
    for text in texts:
        yield Element("NarrativeText", text)


def _stands_alone(block: Region, row: int) -> bool:
    """A row with one text, and nothing beside it in the rows that it spans."""
    (cell, *others) = block[row].values()
    return not others and not cell.is_number and not any(row + below in block for below in range(1, cell.rows))


def _is_note(row: Mapping[int, SheetCell]) -> bool:
    (cell, *others) = row.values()
    return not others and not cell.is_number and (len(cell.text) > _NOTE_CHARACTERS or cell.text[:1] in "*注备※")


def _paragraphs(block: Region, rows: Sequence[int]) -> Iterator[Element]:
    for row in rows:
        for _, cell in sorted(block[row].items()):
            yield Element("NarrativeText", cell.text)


def _cells(block: Region, rows: Sequence[int]) -> list[list[Cell]]:
    """The rows as HTML has them: blank columns left out, cells that a span covers, too."""
    used = sorted(_columns({row: block[row] for row in rows}))
    taken: dict[int, set[int]] = {}  # row -> columns that a span from above covers
    result = []
    for index, row in enumerate(rows):
        cells = []
        skip_until = -1
        for column in used:
            if column in taken.get(row, ()) or column < skip_until:
                continue
            cell = block[row].get(column)
            if cell is None:
                cells.append(Cell(""))
                continue
            spanned = (
                [other for other in used if column <= other < column + cell.columns] if cell.columns > 1 else [column]
            )
            below = rows[index + 1 : bisect_left(rows, row + cell.rows)] if cell.rows > 1 else []
            for other in below:
                taken.setdefault(other, set()).update(spanned)
            cells.append(Cell(cell.text, 1 + len(below), len(spanned)))
            skip_until = column + cell.columns
        result.append(cells)
    return result


def _header_rows(block: Region, rows: Sequence[int]) -> int:
    """How many rows at the top name the columns: none with figures, more than one under cells that span."""
    first = block[rows[0]]
    if len(rows) < 2 or (any(cell.is_number for cell in first.values()) and not _names_years(first)):
        return 0
    height = max(cell.rows for cell in first.values())
    second = block[rows[1]]
    # Names of groups stand above those of the columns: in cells that span, or above some columns only.
    groups = any(cell.columns > 1 for cell in first.values()) or 1 < len(first) < len(second)
    if groups and height == 1 and not any(cell.is_number for cell in second.values()):
        height = 2
    return min(height, _MOST_HEADER_ROWS, len(rows) - 1)

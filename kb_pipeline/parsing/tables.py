"""Tables between their shapes: rows of cell texts, cells with spans, plain text, and an HTML table.

The HTML is always of one plain kind: `<table><tr><th>…</th></tr><tr><td>…`, with `rowspan` and `colspan` as its
only attributes. In rows and in plain text a spanned cell is repeated where it reaches, so that each row says
everything by itself; not so a cell that fills its whole row, nor one with a long text.
"""

from __future__ import annotations

import html as html_module
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import Element

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

Rows = Sequence[Sequence[str]]
CELL_SEPARATOR = " | "
_LARGEST_SPAN = 1000  # columns; a larger colspan is a mistake or an attack
_LONGEST_REPEATED = 100  # characters; a longer text in a spanned cell is said once
_TELLING_DIGITS = 3  # a number of fewer may stand beside an equal one
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table and how many rows and columns it covers, from where it stands to the right and down."""

    text: str
    rows: int = 1
    columns: int = 1


def table_element(rows: Rows, *, header: bool, page_number: int | None = None) -> Element | None:
    """A Table element, or None where no cell holds text. `header`: the first row names the columns."""
    tidy = [[" ".join(cell.split()) for cell in row] for row in rows]
    tidy = [row for row in tidy if any(row)]
    if not tidy:
        return None
    return Element("Table", rows_to_text(tidy), page_number=page_number, html=rows_to_html(tidy, header=header))


def spanned_table_element(
    cells: Sequence[Sequence[Cell]], *, header_rows: int, page_number: int | None = None
) -> Element | None:
    """A Table element of cells with spans, or None where no cell holds text.

    `cells`: for each row the cells that begin in it, as HTML has them. The first `header_rows` name the columns.
    """
    tidy = [[Cell(" ".join(cell.text.split()), cell.rows, cell.columns) for cell in row] for row in cells]
    rows = [row for row in expand_spans(tidy) if any(row)]
    if not rows:
        return None
    return Element("Table", rows_to_text(rows), page_number=page_number, html=_cells_to_html(tidy, header_rows))


def expand_spans(cells: Iterable[Sequence[Cell]]) -> list[list[str]]:
    """The texts of all cells of the grid, row by row, spanned cells repeated as the module says."""
    grid: list[list[str]] = []
    carried: dict[int, tuple[int, Cell]] = {}  # column -> (rows still to fill, the cell) of a span from above
    for starting in cells:
        row: list[Cell] = []
        first: list[bool] = []  # whether the cell begins here
        queue = iter(starting)
        while True:
            above = carried.pop(len(row), None)
            if above is not None:
                left, cell = above
                if left > 1:
                    carried[len(row)] = (left - 1, cell)
                row.append(cell)
                first.append(False)
                continue
            following = next(queue, None)
            if following is None:
                break
            for offset in range(following.columns):
                if following.rows > 1:
                    carried[len(row)] = (following.rows - 1, following)
                row.append(following)
                first.append(offset == 0)
        whole_row = len(row) > 1 and all(cell is row[0] for cell in row)
        grid.append(
            [
                cell.text if begins or not (whole_row or len(cell.text) > _LONGEST_REPEATED) else ""
                for cell, begins in zip(row, first, strict=True)
            ]
        )
    return grid


def element_characters(element: Element) -> int:
    """The visible characters of an element. Those of a table are the ones in its cells: neither what separates them
    nor what spans repeat."""
    text = element.text if element.html is None else html_module.unescape(_TAG.sub(" ", element.html))
    return len("".join(text.split()))


def repeats_cells(html: str) -> bool:
    """Whether most rows of an HTML table say a longer number in two neighbouring cells: no table does that by chance,
    but one whose columns were misread does."""
    rows = [
        [html_module.unescape(_TAG.sub("", cell)).strip() for cell in re.split(r"</t[dh]>", row)]
        for row in html.split("</tr>")
    ]
    rows = [row for row in rows if sum(map(_is_telling, row)) > 1]
    repeated = sum(any(a == b and _is_telling(a) for a, b in itertools.pairwise(row)) for row in rows)
    return len(rows) > 1 and 2 * repeated > len(rows)


def _is_telling(cell: str) -> bool:
    return sum(character.isdecimal() for character in cell) >= _TELLING_DIGITS


def plain_text(element: Element) -> str:
    """The text of an element, that of a table without the marks between its cells."""
    return element.text if element.html is None else element.text.replace(CELL_SEPARATOR, " ")


def rows_to_text(rows: Rows) -> str:
    """One line per row, cells separated by ` | `; empty cells at the end of a row are left out."""
    lines = []
    for row in rows:
        filled = max((index for index, cell in enumerate(row, start=1) if cell), default=0)
        lines.append(CELL_SEPARATOR.join(row[:filled]).strip())
    return "\n".join(lines)


def rows_to_html(rows: Rows, *, header: bool) -> str:
    parts = ["<table>"]
    for index, row in enumerate(rows):
        tag = "th" if header and index == 0 else "td"
        parts.append(
            "<tr>" + "".join(f"<{tag}>{html_module.escape(cell, quote=False)}</{tag}>" for cell in row) + "</tr>"
        )
    parts.append("</table>")
    return "".join(parts)


def _cells_to_html(cells: Sequence[Sequence[Cell]], header_rows: int) -> str:
    parts = ["<table>"]
    for index, row in enumerate(cells):
        tag = "th" if index < header_rows else "td"
        parts.append("<tr>")
        for cell in row:
            spans = f' rowspan="{cell.rows}"' if cell.rows > 1 else ""
            spans += f' colspan="{cell.columns}"' if cell.columns > 1 else ""
            parts.append(f"<{tag}{spans}>{html_module.escape(cell.text, quote=False)}</{tag}>")
        parts.append("</tr>")
    parts.append("</table>")
    return "".join(parts)


def html_to_rows(html: str) -> tuple[list[list[str]], bool]:
    """The cell texts of an HTML table, spanned cells repeated, and whether the first row is a header."""
    from lxml import html as lxml_html

    cells, header_rows = node_cells(lxml_html.fragment_fromstring(html, create_parent="div").iter("tr"))
    return expand_spans(cells), header_rows > 0


def node_cells(rows: Iterable[Node]) -> tuple[list[list[Cell]], int]:
    """The cells that begin in each `tr`, and how many rows at the top hold nothing but `th`."""
    cells: list[list[Cell]] = []
    header_rows = 0
    for tr in rows:
        nodes = [node for node in tr if node.tag in ("td", "th")]
        if nodes and header_rows == len(cells) and all(node.tag == "th" for node in nodes):
            header_rows += 1
        cells.append([_cell(node) for node in nodes])
    return cells, header_rows


def _cell(node: Node) -> Cell:
    text = " ".join(" ".join(node.itertext()).split())
    return Cell(text, _span(node.get("rowspan")), _span(node.get("colspan")))


def _span(value: str | None) -> int:
    return min(max(int(value), 1), _LARGEST_SPAN) if value and value.isdecimal() else 1

"""Tables between their three shapes: rows of cell texts, plain text, and an HTML table.

The HTML is always of one plain kind, without attributes: `<table><tr><th>…</th></tr><tr><td>…`.
"""

from __future__ import annotations

import html as html_module
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import Element

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

Rows = Sequence[Sequence[str]]
CELL_SEPARATOR = " | "
_LARGEST_SPAN = 1000  # columns; a larger colspan is a mistake or an attack


def table_element(rows: Rows, *, header: bool, page_number: int | None = None) -> Element | None:
    """A Table element, or None where no cell holds text. `header`: the first row names the columns."""
    tidy = [[" ".join(cell.split()) for cell in row] for row in rows]
    tidy = [row for row in tidy if any(row)]
    if not tidy:
        return None
    return Element("Table", rows_to_text(tidy), page_number=page_number, html=rows_to_html(tidy, header=header))


def rows_to_text(rows: Rows) -> str:
    """One line per row, cells separated by ` | `."""
    return "\n".join(CELL_SEPARATOR.join(row).strip() for row in rows)


def rows_to_html(rows: Rows, *, header: bool) -> str:
    parts = ["<table>"]
    for index, row in enumerate(rows):
        tag = "th" if header and index == 0 else "td"
        parts.append(
            "<tr>" + "".join(f"<{tag}>{html_module.escape(cell, quote=False)}</{tag}>" for cell in row) + "</tr>"
        )
    parts.append("</table>")
    return "".join(parts)


def html_to_rows(html: str) -> tuple[list[list[str]], bool]:
    """The cell texts of an HTML table, spanned cells repeated, and whether the first row is a header."""
    from lxml import html as lxml_html

    return node_rows(lxml_html.fragment_fromstring(html, create_parent="div"))


def node_rows(table: Node) -> tuple[list[list[str]], bool]:
    """The same for a table that lxml has parsed."""
    rows: list[list[str]] = []
    carried: dict[int, tuple[int, str]] = {}  # column -> (rows still to fill, text) of a rowspan above
    header = False
    for tr in table.iter("tr"):
        row: list[str] = []
        cells = [cell for cell in tr if cell.tag in ("td", "th")]
        if not rows and cells:
            header = all(cell.tag == "th" for cell in cells)
        for cell in cells:
            _fill_carried(row, carried)
            text = " ".join(" ".join(cell.itertext()).split())
            columns = _span(cell.get("colspan"))
            rows_spanned = _span(cell.get("rowspan"))
            for _ in range(columns):
                if rows_spanned > 1:
                    carried[len(row)] = (rows_spanned - 1, text)
                row.append(text)
        _fill_carried(row, carried)
        rows.append(row)
    return rows, header


def _fill_carried(row: list[str], carried: dict[int, tuple[int, str]]) -> None:
    while len(row) in carried:
        column = len(row)
        left, text = carried.pop(column)
        if left > 1:
            carried[column] = (left - 1, text)
        row.append(text)


def _span(value: str | None) -> int:
    return min(max(int(value), 1), _LARGEST_SPAN) if value and value.isdecimal() else 1

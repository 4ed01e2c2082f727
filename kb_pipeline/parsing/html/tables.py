"""HTML tables: those that hold data become rows, those that only lay out the page are told apart.

Tables of filings align figures with columns of their own for `$` and `)`, and with spanned empty cells. Such
columns are joined to the figures they belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.html.boilerplate import DROPPED_BECAUSE
from kb_pipeline.parsing.scripts_notation import subscript, superscript
from kb_pipeline.parsing.tables import Cell, expand_spans, node_cells, spanned_table_element, table_element

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

_TABLE_PARTS = frozenset({"thead", "tbody", "tfoot", "tr"})
_LAYOUT_CONTENT = ("h1", "h2", "h3", "h4", "pre", "table")  # in cells with most of a table's text they are its parts
_LAYOUT_CELL_CHARACTERS = 400  # on average; cells of data are shorter
_BULLET = re.compile(r"[•●▪■◆◇○·‣⁃*+–—-]|o|§|[ØüŸ]|\uf0b7|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)]")
_MOST_SPANNED = 50  # places of the grid for each cell, on average; more is a mistake or an attack
_PREFIXES = frozenset({"$", "€", "£", "¥", "￥", "US$", "RMB", "HK$", "C$", "A$", "(", "$(", "($"})
_SUFFIXES = frozenset({")", "%", ")%", "％", "）"})
SHIFTED = {"sup": superscript, "sub": subscript}
_INLINE = frozenset(
    {"a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em"}
    | {"font", "i", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong"}
    | {"sub", "sup", "time", "tt", "u", "var", "wbr"}
)


def shifted(node: Node, text: str) -> str:
    """The text of a `sup` or `sub` in plain notation; the mark of a note, which is a link, stays as it is."""
    return text if node.find(".//a") is not None else SHIFTED[node.tag](text)


def is_layout(table: Node) -> bool:
    """Whether the table places parts of the page instead of holding data."""
    rows = list(_rows(table))
    widths = [sum(cell.tag in ("td", "th") for cell in row) for row in rows]
    if max(widths, default=0) <= 1:
        return True
    if any(cell.tag == "th" for row in rows for cell in row):
        return False
    if len(rows) > 1 and table.get("role") in ("presentation", "none"):
        return True
    sizes = [(cell, _visible(cell)) for row in rows for cell in row]
    total = sum(size for _, size in sizes)
    of_parts = sum(size for cell, size in sizes if next(cell.iter(*_LAYOUT_CONTENT), None) is not None)
    return 2 * of_parts > total or total > _LAYOUT_CELL_CHARACTERS * sum(size > 0 for _, size in sizes) > 0


def _visible(cell: Node) -> int:
    return sum(len("".join(text.split())) for text in cell.itertext())


def table_elements(table: Node, dropped: list[DroppedText]) -> list[Element]:
    """A data table as one Table; a table that only lines up text as its lines.

    Boilerplate inside its cells is appended to `dropped`. The table is changed.
    """
    for row in _rows(table):
        for cell in row:
            if cell.tag in ("td", "th"):
                text = _cell_text(cell, dropped)
                for child in list(cell):
                    cell.remove(child)
                cell.text = text
    cells, header_rows = node_cells(_rows(table))
    if sum(cell.rows * cell.columns for row in cells for cell in row) > _MOST_SPANNED * sum(map(len, cells)):
        cells = [[Cell(cell.text) for cell in row] for row in cells]
    head = table.find("thead")
    if head is not None and not header_rows:
        header_rows = sum(1 for row in head if row.tag == "tr")
    rows = [row for row in _without_empty_columns(expand_spans(cells)) if any(row)]
    if len(rows) == 1 or (rows and all(_is_bulleted(row) for row in rows)):
        return [_line(row) for row in rows]
    if any(cell.columns > 1 for row in cells for cell in row):
        joined = _joined_columns(rows) if rows else []
        if joined and len(joined[0]) < len(rows[0]):
            element = table_element(joined, header=header_rows > 0)
            return [] if element is None else [element]
    element = spanned_table_element(cells, header_rows=header_rows)
    return [] if element is None else [element]


def stray_text(table: Node) -> str:
    """Text in a table but in none of its cells; browsers show it above."""
    parts = [table.text or ""]
    for child in table:
        is_part = child.tag in _TABLE_PARTS
        parts += [child.tail or "", (child.text or "") if is_part else " ".join(child.itertext())]
        for inner in child if is_part else ():
            parts.append(inner.tail or "")
            if inner.tag == "tr":
                parts += [inner.text or "", *(cell.tail or "" for cell in inner)]
                parts += [" ".join(cell.itertext()) for cell in inner if cell.tag not in ("td", "th")]
            elif inner.tag not in ("td", "th"):
                parts.append(" ".join(inner.itertext()))
    return " ".join(" ".join(parts).split())


def _rows(table: Node) -> Iterator[Node]:
    """The rows of this table, not those of tables in its cells."""
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in child if row.tag == "tr")


def _cell_text(cell: Node, dropped: list[DroppedText]) -> str:
    """Inline pieces joined as they stand, blocks with a blank; what is marked as boilerplate left out."""
    from lxml import etree

    parts: list[str] = []
    starts: list[int] = []  # of raised and lowered text that is open
    walk = etree.iterwalk(cell, events=("start", "end"))
    for event, node in walk:
        border = "" if node.tag in _INLINE else " "
        if event == "start":
            parts.append(border)
            if node.tag in SHIFTED:
                starts.append(len(parts))
            reason = node.get(DROPPED_BECAUSE) if node is not cell else None
            if reason:
                text = " ".join(" ".join(node.itertext()).split())
                if text:
                    dropped.append(DroppedText(reason, text))
                for child in list(node):
                    node.remove(child)
                node.text = None
                walk.skip_subtree()
            else:
                parts.append(node.get("alt") or "" if node.tag == "img" else node.text or "")
        else:
            if node.tag in SHIFTED:
                start = starts.pop()
                parts[start:] = [shifted(node, "".join(parts[start:]))]
            parts.append(border)
            if node is not cell:
                parts.append(node.tail or "")
    return " ".join("".join(parts).split())


def _is_bulleted(row: list[str]) -> bool:
    filled = [cell for cell in row if cell]
    return len(filled) == 2 and bool(_BULLET.fullmatch(filled[0]))


def _line(row: list[str]) -> Element:
    filled = [cell for index, cell in enumerate(row) if cell and (index == 0 or cell != row[index - 1])]
    if len(filled) == 2 and _BULLET.fullmatch(filled[0]):
        numbered = filled[0][-1] in ".)"
        return Element("ListItem", " ".join(filled) if numbered else filled[1])
    return Element("NarrativeText", " ".join(filled))


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    width = max(map(len, rows), default=0)
    padded = [row + [""] * (width - len(row)) for row in rows]
    used = [column for column in range(width) if any(row[column] for row in padded)]
    return padded if len(used) == width else [[row[column] for column in used] for row in padded]


def _joined_columns(rows: list[list[str]]) -> list[list[str]]:
    """Columns joined that never hold different things: spanned copies, signs beside figures, empty cells."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    joined = [columns[0]]
    for column in columns[1:]:
        if all(_fits(left, right) for left, right in zip(joined[-1], column, strict=True)):
            joined[-1] = [_together(left, right) for left, right in zip(joined[-1], column, strict=True)]
        else:
            joined.append(column)
    return [list(row) for row in zip(*joined, strict=True)]


def _fits(left: str, right: str) -> bool:
    return not left or not right or left == right or left in _PREFIXES or right in _SUFFIXES


def _together(left: str, right: str) -> str:
    return left if left == right else left + right

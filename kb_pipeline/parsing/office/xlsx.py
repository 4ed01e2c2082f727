"""XLSX -> elements. Sheets are read as a stream, so that an empty but huge used range costs nothing.

Values are shown as Excel shows them, formulas by the value that was stored with them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lxml import etree

from kb_pipeline.errors import UnsupportedFormat
from kb_pipeline.parsing.cells import check_cells
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.office.built_in_formats import BUILT_IN_FORMATS, GENERAL
from kb_pipeline.parsing.office.drawings import A, chart_element
from kb_pipeline.parsing.office.number_format import format_text
from kb_pipeline.parsing.office.package import Package, mended_warnings
from kb_pipeline.parsing.office.sheets import Sheet, SheetCell, number_cell, workbook_document
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.scripts_notation import subscript, superscript

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_SHEET_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE = re.compile(r"([A-Za-z]{1,3})(\d{1,7})$")
_SHIFTED = {"superscript": superscript, "subscript": subscript}
_MOST_COLUMNS = 16_384


def read_xlsx(data: bytes) -> ParsedDocument:
    """Raises UnsupportedFormat for the binary form, LimitExceeded for too many cells, MalformedDocument."""
    package = Package(data)
    if package.has("xl/workbook.bin"):
        raise UnsupportedFormat("Binary workbooks (XLSB) are not supported; save it as XLSX.")
    reader = _Reader(package)
    document = workbook_document(reader.sheets(), {"title": package.title} if package.title else {})
    return replace(document, warnings=(*mended_warnings(package), *document.warnings))


class _Reader:
    """The workbook's strings and formats, and its sheets one after another."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._workbook = package.xml(package.main_part)
        self._relationships = package.relationships(package.main_part)
        properties = self._workbook.find(f"{S}workbookPr")
        self._epoch_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        self._strings = list(_shared_strings(self._related("sharedStrings")))
        self._formats = _cell_formats(self._related("styles"))
        self._cell_count = 0

    def sheets(self) -> list[Sheet]:
        """All sheets in their order, hidden ones included."""
        found = []
        for node in self._workbook.iterfind(f"{S}sheets/{S}sheet"):
            relationship = self._relationships.get(node.get(f"{R}id", ""))
            if relationship is None or not self._package.has(relationship.target):
                continue
            hidden = node.get("state", "visible") != "visible"
            sheet = Sheet(node.get("name", ""), hidden=hidden)
            if relationship.kind == "worksheet":
                self._fill(sheet, relationship.target)
            sheet.texts = list(self._drawn(relationship.target, with_charts=relationship.kind == "chartsheet"))
            found.append(sheet)
        return found

    def _related(self, kind: str) -> Node | None:
        for relationship in self._relationships.values():
            if relationship.kind == kind:
                return self._package.optional_xml(relationship.target)
        return None

    def _fill(self, sheet: Sheet, part: str) -> None:
        row_number = -1
        stream = etree.iterparse(
            io.BytesIO(self._package.xml_bytes(part)),
            tag=(f"{S}row", f"{S}col", f"{S}mergeCell"),
            resolve_entities=False,
            no_network=True,
            huge_tree=True,
            recover=True,
        )
        for _, node in stream:
            if node.tag == f"{S}row":
                row_number = int(node.get("r") or row_number + 2) - 1
                self._fill_row(sheet, node, row_number)
            elif node.tag == f"{S}col" and _is_hidden(node, "width"):
                last = min(int(node.get("max", "1")), _MOST_COLUMNS)
                sheet.hidden_columns.update(range(int(node.get("min", "1")) - 1, last))
            elif node.tag == f"{S}mergeCell":
                area = _area(node.get("ref", ""))
                if area is not None:
                    sheet.merged.append(area)
            node.clear()
            while node.getprevious() is not None:
                del node.getparent()[0]

    def _fill_row(self, sheet: Sheet, row: Node, row_number: int) -> None:
        if _is_hidden(row, "ht"):
            sheet.hidden_rows.add(row_number)
        column = -1
        cells: dict[int, SheetCell] = {}
        for node in row.iterfind(f"{S}c"):
            place = _place(node.get("r", ""))
            column = column + 1 if place is None else place[1]
            cell = self._cell(node)
            if cell is not None and cell.text:
                cells[column] = cell
            elif node.find(f"{S}f") is not None and node.get("t") in (None, "n"):
                sheet.uncomputed += not (node.findtext(f"{S}v") or "")
        if cells:
            sheet.cells[row_number] = cells
            self._cell_count += len(cells)
            check_cells(self._cell_count)

    def _cell(self, node: Node) -> SheetCell | None:
        kind = node.get("t", "n")
        if kind == "inlineStr":
            inline = node.find(f"{S}is")
            return None if inline is None else SheetCell(_string(inline))
        value = (node.findtext(f"{S}v") or "").strip() if kind != "str" else node.findtext(f"{S}v") or ""
        if not value:
            return None
        code = self._formats.get(node.get("s", "0"), GENERAL)
        match kind:
            case "s":
                index = int(value) if value.isdecimal() else -1
                text = self._strings[index] if 0 <= index < len(self._strings) else ""
                return SheetCell(_shown_text(text, code))
            case "str":
                return SheetCell(_shown_text(_unescaped(value), code))
            case "b":
                return SheetCell("TRUE" if value == "1" else "FALSE", is_number=True)
            case "e":
                return SheetCell(value, is_number=True)
            case "d":
                return SheetCell(value.removesuffix("T00:00:00").replace("T", " "), is_number=True)
            case _:
                return self._number(value, code)

    def _number(self, value: str, code: str) -> SheetCell | None:
        try:
            number = float(value)
        except ValueError:
            return SheetCell(value)
        return number_cell(number, code, epoch_1904=self._epoch_1904)

    def _drawn(self, part: str, *, with_charts: bool) -> Iterator[Element]:
        """What text boxes on a sheet say; on a chart sheet, its chart. Charts on other sheets repeat its cells."""
        for relationship in self._package.relationships(part).values():
            if relationship.kind != "drawing":
                continue
            drawing = self._package.optional_xml(relationship.target)
            if drawing is None:
                continue
            for shape in drawing.iter(f"{_SHEET_DRAWING}sp"):
                for paragraph in shape.iter(f"{A}p"):
                    text = "".join(node.text or "" for node in paragraph.iter(f"{A}t")).strip()
                    if text:
                        yield Element("NarrativeText", text)
            for chart in self._package.relationships(relationship.target).values() if with_charts else ():
                root = self._package.optional_xml(chart.target) if chart.kind == "chart" else None
                element = None if root is None else chart_element(root, page_number=None)
                if element is not None:
                    yield element


def _shown_text(text: str, code: str) -> str:
    return (text if code == GENERAL else format_text(text, code)).strip()


def _shared_strings(root: Node | None) -> Iterator[str]:
    for node in root.iterfind(f"{S}si") if root is not None else ():
        yield _string(node)


def _string(node: Node) -> str:
    """The text of a string without its phonetic hints."""
    parts = [part.text or "" for part in node.iterfind(f"{S}t")]
    for run in node.iterfind(f"{S}r"):
        text = "".join(part.text or "" for part in run.iterfind(f"{S}t"))
        shift = run.find(f"{S}rPr/{S}vertAlign")
        written = None if shift is None else _SHIFTED.get(shift.get("val", ""))
        parts.append(text if written is None else written(text))
    return _unescaped("".join(parts))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _cell_formats(root: Node | None) -> Mapping[str, str]:
    """Style index -> format code."""
    if root is None:
        return {}
    own = {node.get("numFmtId", ""): node.get("formatCode", GENERAL) for node in root.iterfind(f"{S}numFmts/{S}numFmt")}
    found = {}
    for index, node in enumerate(root.iterfind(f"{S}cellXfs/{S}xf")):
        number = node.get("numFmtId", "0")
        built_in = BUILT_IN_FORMATS.get(int(number), GENERAL) if number.isdecimal() else GENERAL
        found[str(index)] = own.get(number, built_in)
    return found


def _is_hidden(node: Node, size: str) -> bool:
    return node.get("hidden") in ("1", "true") or node.get(size) == "0"


def _area(reference: str) -> tuple[int, int, int, int] | None:
    first, _, last = reference.partition(":")
    start, end = _place(first), _place(last or first)
    return None if start is None or end is None else (start[0], end[0], start[1], end[1])


def _place(reference: str) -> tuple[int, int] | None:
    """Row and column, from 0, of a cell's reference such as B7."""
    match = _REFERENCE.match(reference.replace("$", ""))
    if match is None:
        return None
    column = 0
    for letter in match[1].upper():
        column = column * 26 + ord(letter) - 64
    return int(match[2]) - 1, column - 1

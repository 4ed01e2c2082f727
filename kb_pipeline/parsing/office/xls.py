"""XLS (Excel 97 and older) -> elements, through xlrd."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import xlrd

from kb_pipeline.parsing.cells import check_cells
from kb_pipeline.parsing.office.built_in_formats import BUILT_IN_FORMATS, GENERAL
from kb_pipeline.parsing.office.number_format import format_text
from kb_pipeline.parsing.office.sheets import Sheet, SheetCell, number_cell, workbook_document
from kb_pipeline.parsing.parsed import ParsedDocument

if TYPE_CHECKING:
    from xlrd.book import Book
    from xlrd.sheet import Sheet as XlrdSheet

# Formats whose looks the reader's computer decides: xlrd gives them as an American one shows them.
_LOCAL_FORMATS = frozenset({14, 22, *range(27, 37), *range(50, 59)})


def read_xls(data: bytes) -> ParsedDocument:
    """Raises what xlrd raises; LimitExceeded for too many cells."""
    book = xlrd.open_workbook(file_contents=data, formatting_info=True, logfile=io.StringIO())
    sheets = [_sheet(book, sheet) for sheet in book.sheets()]
    check_cells(sum(len(row) for sheet in sheets for row in sheet.cells.values()))
    return workbook_document(sheets, {})


def _sheet(book: Book, source: XlrdSheet) -> Sheet:
    sheet = Sheet(source.name, hidden=bool(source.visibility))
    for row in range(source.nrows):
        cells = {column: cell for column in range(source.row_len(row)) if (cell := _cell(book, source, row, column))}
        if cells:
            sheet.cells[row] = cells
    sheet.merged = [(top, bottom - 1, left, right - 1) for top, bottom, left, right in source.merged_cells]
    sheet.hidden_rows = {row for row, info in source.rowinfo_map.items() if info.hidden}
    sheet.hidden_columns = {column for column, info in source.colinfo_map.items() if info.hidden}
    return sheet


def _cell(book: Book, source: XlrdSheet, row: int, column: int) -> SheetCell | None:
    kind, value = source.cell_type(row, column), source.cell_value(row, column)
    if kind in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return None
    if kind == xlrd.XL_CELL_BOOLEAN:
        return SheetCell("TRUE" if value else "FALSE", is_number=True)
    if kind == xlrd.XL_CELL_ERROR:
        return SheetCell(xlrd.error_text_from_code.get(value, "#ERROR"), is_number=True)
    code = _format_code(book, source.cell_xf_index(row, column))
    if kind == xlrd.XL_CELL_TEXT:
        text = format_text(value, code).strip()
        return SheetCell(text) if text else None
    return number_cell(value, code, epoch_1904=bool(book.datemode))


def _format_code(book: Book, index: int) -> str:
    key = book.xf_list[index].format_key
    if key in _LOCAL_FORMATS:
        return BUILT_IN_FORMATS[key]
    found = book.format_map.get(key)
    return found.format_str if found is not None and found.format_str else GENERAL

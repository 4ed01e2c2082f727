"""Spreadsheets: each heading of level 1 begins a sheet; paragraphs are rows of one cell."""

from __future__ import annotations

import csv
import datetime
import io
import re
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter

from scripts.sample_docs.archive import freeze
from scripts.sample_docs.markup import Document, Heading, Item, Note, Paragraph, Table, plain
from scripts.sample_docs.pdf import display_width

_THIN = Side(style="thin", color="8899AA")


def render_xlsx(document: Document) -> bytes:
    book = Workbook()
    book.remove(book.active)
    book.properties.title = document.meta["title"]
    book.properties.creator = "林江银行" if document.chinese else "Linden River Bank"
    sheet: Any = None
    for block in document.blocks():
        match block:
            case Heading(level, text) if level == 1:
                sheet = book.create_sheet(text)
                sheet.oddFooter.center.text = "&P / &N"
            case Heading(_, text) | Paragraph(text) | Note(text) | Item(text, _):
                if sheet is not None:
                    sheet.append([plain(text)])
            case Table():
                _add_table(sheet, block)
            case _:
                raise ValueError(f"{document.target}: a spreadsheet holds headings, lines and tables only.")
    out = io.BytesIO()
    book.save(out)
    return freeze(out.getvalue(), str(document.meta["date"]))


def render_csv(document: Document) -> bytes:
    """UTF-8 with a byte order mark, as Excel writes it, and CRLF line ends."""
    (table,) = (block for block in document.blocks() if isinstance(block, Table))
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(table.rows)
    return out.getvalue().encode("utf-8-sig")


def _add_table(sheet: Any, table: Table) -> None:
    top = sheet.max_row + 1 if sheet.max_row > 1 or sheet["A1"].value is not None else 1
    for cell in table.cells():
        target = sheet.cell(top + cell.row, 1 + cell.column)
        target.value, target.number_format = _value(cell.text)
        target.border = Border(_THIN, _THIN, _THIN, _THIN)
        target.alignment = Alignment(wrap_text=True, vertical="center")
        if cell.row < table.header_rows:
            target.font = Font(bold=True)
            target.fill = PatternFill("solid", fgColor="E8EEF4")
        if cell.rows > 1 or cell.columns > 1:
            sheet.merge_cells(
                start_row=target.row,
                start_column=target.column,
                end_row=target.row + cell.rows - 1,
                end_column=target.column + cell.columns - 1,
            )
    for column in range(table.width):
        widest = max((display_width(row[column]) for row in table.rows), default=8)
        sheet.column_dimensions[get_column_letter(1 + column)].width = min(48, widest + 3)


def _value(text: str) -> tuple[Any, str]:
    """A cell's value and number format: dates and amounts are typed, long digit strings stay text."""
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return datetime.date.fromisoformat(text), "yyyy-mm-dd"
    if re.fullmatch(r"-?[\d,]{1,13}", text) and any(char.isdigit() for char in text):
        return int(text.replace(",", "")), "#,##0"
    if re.fullmatch(r"-?[\d,]+\.\d+", text):
        return float(text.replace(",", "")), "#,##0.00"
    if re.fullmatch(r"\d+(\.\d+)?%", text):
        return round(float(text[:-1]) / 100, 6), "0.00%"
    return plain(text), "General"

"""Word files: heading styles, lists, tables with repeated header rows, header, footer with page fields.

Front matter read here: `title`, `header`, `date`.
"""

from __future__ import annotations

import io
from typing import Any

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt

from scripts.sample_docs.archive import freeze
from scripts.sample_docs.markup import Block, Document, Heading, Item, Note, PageBreak, Paragraph, Table, spans_of

CHINESE_FACE = "SimSun"
LATIN_FACE = "Calibri"


def render(document: Document) -> bytes:
    file = docx.Document()
    file.core_properties.title = document.meta["title"]
    file.core_properties.author = "林江银行" if document.chinese else "Linden River Bank"
    file.core_properties.comments = ""
    for name in ("Normal", "Title", "Heading 1", "Heading 2", "Heading 3"):
        _set_face(file.styles[name])
    _page_furniture(file, document)
    for block in document.blocks():
        _add(file, block)
    out = io.BytesIO()
    file.save(out)
    return freeze(out.getvalue(), str(document.meta["date"]))


def _set_face(style: Any) -> None:
    style.font.name = LATIN_FACE
    fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
    for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
        fonts.attrib.pop(qn(f"w:{theme}"), None)
    fonts.set(qn("w:eastAsia"), CHINESE_FACE)


def _page_furniture(file: Any, document: Document) -> None:
    section = file.sections[0]
    section.header.paragraphs[0].text = document.meta["header"]
    footer = section.footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    before, between, after = ("第 ", " 页 共 ", " 页") if document.chinese else ("Page ", " of ", "")
    footer.add_run(before)
    _add_field(footer, "PAGE")
    footer.add_run(between)
    _add_field(footer, "NUMPAGES")
    footer.add_run(after)


def _add_field(paragraph: Any, instruction: str) -> None:
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), instruction)
    run = OxmlElement("w:r")
    text = OxmlElement("w:t")
    text.text = "1"
    run.append(text)
    field.append(run)
    paragraph._p.append(field)  # noqa: SLF001 - python-docx has no other way to add a field


def _add(file: Any, block: Block) -> None:
    match block:
        case Heading(level, text):
            file.add_heading(text, level)
        case Paragraph(text):
            _write(file.add_paragraph(), text)
        case Note(text):
            _write(file.add_paragraph(style="Intense Quote"), text)
        case Item(text, None):
            _write(file.add_paragraph(style="List Bullet"), text)
        case Item(text, _):
            # The number is written out: Word would go on counting from one list to the next.
            paragraph = file.add_paragraph(style="List Paragraph")
            _write(paragraph, f"{block.number}. {text}")
        case PageBreak():
            file.add_page_break()
        case Table():
            _add_table(file, block)


def _write(paragraph: Any, text: str) -> None:
    for piece, bold in spans_of(text):
        paragraph.add_run(piece).bold = bold or None


def _add_table(file: Any, table: Table) -> None:
    grid = file.add_table(rows=len(table.rows), cols=table.width, style="Table Grid")
    for cell in table.cells():
        target = grid.cell(cell.row, cell.column)
        if cell.rows > 1 or cell.columns > 1:
            target = target.merge(grid.cell(cell.row + cell.rows - 1, cell.column + cell.columns - 1))
        _write(target.paragraphs[0], f"**{cell.text}**" if cell.row < table.header_rows else cell.text)
        for run in target.paragraphs[0].runs:
            run.font.size = Pt(9.5)
    for row in grid.rows[: table.header_rows]:
        row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))  # noqa: SLF001 - nor to repeat a row
    file.add_paragraph()

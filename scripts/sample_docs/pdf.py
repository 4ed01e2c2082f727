"""PDF with running header and footer, page numbers, one or two columns, and bookmarks where asked for.

Front matter read here: `header`, `date`, `columns` (1 or 2), `bookmarks` (default false), `serif`.
"""

from __future__ import annotations

import io
import unicodedata
from html import escape
from pathlib import Path
from typing import Any

from reportlab.lib import colors, textsplit
from reportlab.lib.enums import TA_CENTER, TA_JUSTIFY
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, TableStyle
from reportlab.platypus import PageBreak as PdfPageBreak
from reportlab.platypus import Paragraph as PdfParagraph
from reportlab.platypus import Table as PdfTable
from reportlab.platypus import paragraph as paragraph_module

from scripts.sample_docs.markup import (
    Block,
    Document,
    Heading,
    Item,
    Note,
    PageBreak,
    Paragraph,
    Table,
    plain,
    spans_of,
)

# reportlab keeps 。 and 、 from the start of a line, but not these.
for _module in (paragraph_module, textsplit):
    _module.ALL_CANNOT_START += "，；：？！”’》"

CHINESE_FONT = "SampleChinese"
MARGIN = 22 * mm
GUTTER = 8 * mm
INK = colors.HexColor("#1b3a57")
SIZES = (19.0, 14.5, 12.5, 11.0)  # points, by heading level
BODY_SIZE = 10.5  # points
LEADING = 1.65  # line height in font sizes


def register_chinese_font(path: Path) -> None:
    """Make a TrueType font (or the first of a collection) known; reportlab embeds the glyphs used."""
    pdfmetrics.registerFont(TTFont(CHINESE_FONT, str(path), subfontIndex=0))


def render(document: Document) -> bytes:
    """Built twice, because "page 1 of 7" needs the number of pages."""
    pages = _build(document, 0)[1]
    return _build(document, pages)[0]


def _build(document: Document, pages: int) -> tuple[bytes, int]:
    out = io.BytesIO()
    template = _Template(out, document, pages)
    fonts = _Fonts(document)
    column = template.column_width
    template.build([flowable for block in document.blocks() for flowable in _flowables(block, fonts, column)])
    return out.getvalue(), template.page


class _Fonts:
    """Font names and paragraph styles of one document."""

    def __init__(self, document: Document) -> None:
        self.chinese = document.chinese
        if self.chinese:
            self.regular = self.bold = CHINESE_FONT
        elif document.meta.get("serif"):
            self.regular, self.bold = "Times-Roman", "Times-Bold"
        else:
            self.regular, self.bold = "Helvetica", "Helvetica-Bold"
        self.body = self.style(BODY_SIZE, self.regular, spaceAfter=5, alignment=TA_JUSTIFY)
        self.note = self.style(9, self.regular, leftIndent=14, spaceAfter=5, textColor=colors.HexColor("#444444"))
        self.item = self.style(BODY_SIZE, self.regular, leftIndent=16, bulletIndent=4, spaceAfter=3)
        self.cell = self.style(9, self.regular)
        self.head = self.style(9, self.bold, textColor=INK)
        self.heading = [
            self.style(size, self.bold, textColor=INK, spaceBefore=6 + size / 2, spaceAfter=4, keepWithNext=1)
            for size in SIZES
        ]
        self.heading[0].alignment = TA_CENTER
        self.heading[0].spaceAfter = 12

    def style(self, size: float, font: str, **more: Any) -> ParagraphStyle:
        wrap = {"wordWrap": "CJK"} if self.chinese else {}
        return ParagraphStyle(
            "style", fontName=font, bulletFontName=self.regular, fontSize=size, leading=size * LEADING, **wrap, **more
        )

    def markup(self, text: str) -> str:
        # The Chinese font has one weight, so emphasis there is a colour.
        opening, closing = (f'<font color="{INK.hexval()}">', "</font>") if self.chinese else ("<b>", "</b>")
        return "".join(
            f"{opening}{escape(piece)}{closing}" if bold else escape(piece) for piece, bold in spans_of(text)
        )


class _Template(BaseDocTemplate):  # type: ignore[misc]
    """Pages with header and footer; a heading becomes a bookmark where the document asks for it."""

    def __init__(self, out: io.BytesIO, document: Document, pages: int) -> None:
        super().__init__(
            out,
            pagesize=A4,
            title=document.meta["title"],
            author="林江银行" if document.chinese else "Linden River Bank",
            lang="zh-CN" if document.chinese else "en-GB",
            invariant=1,
        )
        self._document = document
        self._pages = pages
        self._bookmarks = bool(document.meta.get("bookmarks"))
        columns = document.meta.get("columns", 1)
        self.column_width = (A4[0] - 2 * MARGIN - (columns - 1) * GUTTER) / columns
        frames = [
            Frame(
                MARGIN + i * (self.column_width + GUTTER),
                MARGIN,
                self.column_width,
                A4[1] - 2 * MARGIN,
                leftPadding=0,
                rightPadding=0,
                topPadding=4,
                bottomPadding=4,
            )
            for i in range(columns)
        ]
        self.addPageTemplates(PageTemplate("page", frames, onPage=self._furniture))

    def _furniture(self, canvas: Any, _template: object) -> None:
        chinese = self._document.chinese
        number = f"第 {canvas.getPageNumber()} 页 共 {self._pages} 页"
        if not chinese:
            number = f"Page {canvas.getPageNumber()} of {self._pages}"
        canvas.saveState()
        canvas.setFont(CHINESE_FONT if chinese else "Helvetica", 8)
        canvas.setFillColor(colors.HexColor("#666666"))
        canvas.setStrokeColor(colors.HexColor("#bbbbbb"))
        canvas.drawString(MARGIN, A4[1] - 14 * mm, self._document.meta["header"])
        canvas.line(MARGIN, A4[1] - 16 * mm, A4[0] - MARGIN, A4[1] - 16 * mm)
        canvas.drawString(MARGIN, 12 * mm, "林江银行股份有限公司" if chinese else "Linden River Bank Co., Ltd.")
        canvas.drawRightString(A4[0] - MARGIN, 12 * mm, number)
        canvas.restoreState()

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802 - the name is reportlab's
        level = getattr(flowable, "outline_level", None)
        if self._bookmarks and level is not None:
            key = f"heading-{self.seq.nextf('bookmark')}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.outline_text, key, level, closed=False)


def _flowables(block: Block, fonts: _Fonts, width: float) -> list[Flowable]:
    match block:
        case Heading(level, text):
            heading = PdfParagraph(fonts.markup(text), fonts.heading[level])
            if level > 0:
                heading.outline_level, heading.outline_text = level - 1, plain(text)
            return [heading]
        case Paragraph(text):
            return [PdfParagraph(fonts.markup(text), fonts.body)]
        case Note(text):
            return [PdfParagraph(fonts.markup(text), fonts.note)]
        case Item(text, number):
            return [PdfParagraph(fonts.markup(text), fonts.item, bulletText="•" if number is None else f"{number}.")]
        case PageBreak():
            return [PdfPageBreak()]
        case Table():
            return [_table(block, fonts, width)]


def _table(table: Table, fonts: _Fonts, width: float) -> PdfTable:
    grid: list[list[Any]] = [["" for _ in row] for row in table.rows]
    commands: list[tuple[Any, ...]] = [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.HexColor("#8899aa")),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("BACKGROUND", (0, 0), (-1, table.header_rows - 1), colors.HexColor("#e8eef4")),
    ]
    for cell in table.cells():
        style = fonts.head if cell.row < table.header_rows else fonts.cell
        grid[cell.row][cell.column] = PdfParagraph(fonts.markup(cell.text), style)
        if cell.rows > 1 or cell.columns > 1:
            last = (cell.column + cell.columns - 1, cell.row + cell.rows - 1)
            commands.append(("SPAN", (cell.column, cell.row), last))
    return PdfTable(
        grid,
        colWidths=_column_widths(table, width),
        repeatRows=table.header_rows,
        style=TableStyle(commands),
        spaceBefore=6,
        spaceAfter=10,
    )


def _column_widths(table: Table, width: float) -> list[float]:
    """Shares of `width` by the square root of the longest text, so that a long column leaves room for short ones."""
    longest = [6.0] * table.width
    for cell in table.cells():
        if cell.columns == 1:
            longest[cell.column] = max(longest[cell.column], min(60.0, display_width(cell.text)))
    weights = [length**0.7 for length in longest]
    return [width * weight / sum(weights) for weight in weights]


def display_width(text: str) -> float:
    """Width in Latin letters: a Chinese character counts as two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in plain(text))

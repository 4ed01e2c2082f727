"""PowerPoint files: each heading of level 1 begins a slide; `> ` lines are its speaker notes."""

from __future__ import annotations

import io
from typing import Any

from pptx import Presentation
from pptx.util import Cm, Pt

from scripts.sample_docs.archive import freeze
from scripts.sample_docs.markup import Block, Document, Heading, Item, Note, PageBreak, Paragraph, Table, plain

TITLE_LAYOUT, CONTENT_LAYOUT, TITLE_ONLY_LAYOUT = 0, 1, 5


def render(document: Document) -> bytes:
    deck = Presentation()
    deck.core_properties.title = document.meta["title"]
    deck.core_properties.author = "林江银行" if document.chinese else "Linden River Bank"
    deck.core_properties.last_modified_by = deck.core_properties.author
    for heading, blocks in _slides(document.blocks()):
        _add_slide(deck, heading, blocks)
    out = io.BytesIO()
    deck.save(out)
    return freeze(out.getvalue(), str(document.meta["date"]))


def _slides(blocks: tuple[Block, ...]) -> list[tuple[Heading, list[Block]]]:
    slides: list[tuple[Heading, list[Block]]] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level <= 1:
            slides.append((block, []))
        else:
            slides[-1][1].append(block)
    return slides


def _add_slide(deck: Any, heading: Heading, blocks: list[Block]) -> None:
    table = next((block for block in blocks if isinstance(block, Table)), None)
    layout = TITLE_LAYOUT if heading.level == 0 else TITLE_ONLY_LAYOUT if table else CONTENT_LAYOUT
    slide = deck.slides.add_slide(deck.slide_layouts[layout])
    slide.shapes.title.text = heading.text
    slide.shapes.title.text_frame.paragraphs[0].runs[0].font.size = Pt(30)
    if table:
        _add_table(slide, table)
    else:
        _fill(slide.placeholders[1].text_frame, [line for block in blocks if (line := _line(block))])
    if notes := [block.text for block in blocks if isinstance(block, Note)]:
        slide.notes_slide.notes_text_frame.text = "\n".join(notes)


def _line(block: Block) -> tuple[int, str] | None:
    """Indent and text of a line on the slide."""
    match block:
        case Heading(_, text) | Paragraph(text):
            return 0, plain(text)
        case Item(text, number):
            return (1 if number is None else 0), plain(text) if number is None else f"{number}. {plain(text)}"
        case Note() | PageBreak() | Table():
            return None


def _fill(frame: Any, lines: list[tuple[int, str]]) -> None:
    for i, (indent, text) in enumerate(lines):
        paragraph = frame.paragraphs[0] if i == 0 else frame.add_paragraph()
        paragraph.text = text
        paragraph.level = indent
        paragraph.runs[0].font.size = Pt(20 - 2 * indent)


def _add_table(slide: Any, table: Table) -> None:
    shape = slide.shapes.add_table(len(table.rows), table.width, Cm(1.5), Cm(4.5), Cm(22), Cm(1.1) * len(table.rows))
    for cell in table.cells():
        target = shape.table.cell(cell.row, cell.column)
        if cell.rows > 1 or cell.columns > 1:
            target.merge(shape.table.cell(cell.row + cell.rows - 1, cell.column + cell.columns - 1))
        target.text = plain(cell.text)
        for run in target.text_frame.paragraphs[0].runs:
            run.font.size = Pt(14)

"""Drafts as PPTX: a title slide, then one slide for each heading, with its text, tables and notes."""

from __future__ import annotations

import copy
import io
import random
from typing import Any

from pptx import Presentation
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.util import Emu, Pt

from labelled.draft import Block, Draft
from labelled.labels import Furniture, Heading, Paragraph, Table, Truth
from labelled.wording import Writer

_TITLE_SLIDE, _TITLE_AND_CONTENT, _TITLE_ONLY = 0, 1, 5  # layouts of the default template


def draw_pptx(draft: Draft, rng: random.Random, *, name: str) -> tuple[bytes, Truth]:
    """The draft as a slide show, and its labels."""
    show = _Show(draft, rng)
    data = show.draw()
    truth = Truth(
        name, "pptx", draft.language, show.page, tuple(show.headings), tuple(show.paragraphs),
        tuple(show.furniture), tuple(show.tables), (), tuple(show.flow), {**draft.features, "footer": show.footer},
    )  # fmt: skip
    return data, truth


class _Show:
    def __init__(self, draft: Draft, rng: random.Random) -> None:
        self._draft, self._rng = draft, rng
        self._writer = Writer(draft.language, rng)
        self._show: Any = Presentation()
        self.footer = rng.choice(("", "placeholders", "boxes"))
        self.page = 0
        self.headings: list[Heading] = []
        self.paragraphs: list[Paragraph] = []
        self.tables: list[Table] = []
        self.furniture: list[Furniture] = []
        self.flow: list[str] = []

    def draw(self) -> bytes:
        opening = self._slide(_TITLE_SLIDE, self._draft.title, 0)
        opening.placeholders[1].text = self._draft.company
        self._label(self._draft.company)
        blocks = list(self._draft.blocks)
        while blocks:
            heading = blocks.pop(0)
            own = []
            while blocks and blocks[0].kind != "heading":
                own.append(blocks.pop(0))
            self._section(heading.heading_text, own)
        stream = io.BytesIO()
        self._show.save(stream)
        return stream.getvalue()

    def _section(self, title: str, blocks: list[Block]) -> None:
        texts = [block for block in blocks if block.kind in ("paragraph", "item")]
        if texts:
            slide = self._slide(_TITLE_AND_CONTENT, title, 1)
            frame = slide.placeholders[1].text_frame
            for number, block in enumerate(texts):
                paragraph = frame.paragraphs[0] if number == 0 else frame.add_paragraph()
                paragraph.text = block.text
                paragraph.level = 1 if block.kind == "item" else 0
                self._label(block.text)
            if self._rng.random() < 0.3:
                notes = self._writer.paragraph(2)
                slide.notes_slide.notes_text_frame.text = notes
                self._label(notes)
        for block in blocks:
            if block.kind == "table":
                self._table(block, f"{title} ({self.page})")

    def _slide(self, layout: int, title: str, level: int) -> Any:
        slide = self._show.slides.add_slide(self._show.slide_layouts[layout])
        self.page += 1
        slide.shapes.title.text = title
        self.headings.append(Heading(title, level, self.page))
        self.flow.append(title)
        if self.footer and self.page > 1:
            texts = ((self._draft.company, "footer"), (f"{self.page}", "page number"))
            for box, (text, kind) in zip(self._footers(slide), texts, strict=True):
                box.text_frame.text = text
                self.furniture.append(Furniture(text, kind, self.page))
        return slide

    def _footers(self, slide: Any) -> list[Any]:
        """Two new shapes at the lower edge, for the footer and the number: placeholders of the layout, or boxes."""
        width, height = self._show.slide_width, self._show.slide_height
        if self.footer == "boxes":
            return [
                slide.shapes.add_textbox(Emu(int(width * left)), Emu(int(height * 0.93)), Emu(width // 8), Pt(18))
                for left in (0.05, 0.85)
            ]
        kinds = (PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER)
        models = {shape.placeholder_format.type: shape for shape in slide.slide_layout.placeholders}
        for kind in kinds:
            slide.shapes._spTree.append(copy.deepcopy(models[kind]._element))  # noqa: SLF001 (there is no public way)
        return list(slide.shapes)[-len(kinds) :]

    def _table(self, block: Block, title: str) -> None:
        slide = self._slide(_TITLE_ONLY, title, 1)
        rows, columns = len(block.grid), len(block.grid[0])
        left, width = Pt(40), self._show.slide_width - Pt(80)
        table = slide.shapes.add_table(rows, columns, left, Pt(140), width, Pt(20 * rows)).table
        covered = set(block.covered)
        for r, row in enumerate(block.grid):
            for c, text in enumerate(row):
                if (r, c) in covered:
                    continue
                table.cell(r, c).text = text
                down, across = block.span(r, c)
                if down > 1 or across > 1:
                    table.cell(r, c).merge(table.cell(r + down - 1, c + across - 1))
        self.tables.append(Table(block.grid, True, block.covered))
        self.flow += [" ".join(row) for row in block.grid]

    def _label(self, text: str) -> None:
        self.paragraphs.append(Paragraph(text, self.page))
        self.flow.append(text)

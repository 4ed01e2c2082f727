"""Drafts as PDF: the pages are laid out here, line by line, so that what stands where is known.

A *design* is everything that is drawn at random about the look; drawing with the same design twice gives the
same pages. It is done twice: only then are the number of pages and those in the table of contents known.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reportlab.lib.colors import Color, black
from reportlab.lib.pagesizes import A4, LETTER
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from labelled.draft import Block, Draft
from labelled.fonts import Family, families
from labelled.labels import Furniture, Heading, Paragraph, Table, Truth
from labelled.wording import Writer

_ZH_NUMBERS = ("第 {p} 页 共 {n} 页", "第{p}页", "- {p} -", "{p}", "{p} / {n}", "— {p} —", "第 {p} 页，共 {n} 页")
_EN_NUMBERS = ("Page {p} of {n}", "{p}", "- {p} -", "Page {p}", "{p}/{n}", "| {p}")
_TOKEN = re.compile(r"[A-Za-z0-9.,%$&'()/:;+-]+|\s+|.")
_NO_LINE_START = "，。；：、！？）》」』】”’％%,.;:!?)]"
_VOWELS = "aeiou"
_CELL_PADDING = 3.0  # points


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of text is set. `bold`: "" for the face as it is, "stroke" for an outline drawn around the
    glyphs, "twice" for the text printed again a little to the right, as programs do without a bold face."""

    font: str
    size: float
    bold: str = ""
    center: bool = False
    before: float = 0.0
    after: float = 0.0
    color: Color = black


@dataclass(frozen=True, slots=True)
class Design:
    page: tuple[float, float]
    margin: float
    columns: int
    body: Look
    small: Look
    title: Look
    levels: tuple[Look, ...]
    leading: float
    indent: float
    gap: float
    justify: bool
    hyphenate: bool
    chapters_on_new_pages: bool
    header: str  # "", title, company, chapter, code, numbered
    odd_even: bool
    rule: bool
    number: str
    number_in_header: bool
    footer: str
    bare_first_page: bool
    watermark: str  # "", diagonal, repeated, stamp
    stamp: str
    watermark_last: bool
    cover: bool
    contents: bool
    bookmarks: int  # levels that have them
    right_figures: bool
    table_lines: bool
    pieces: str  # what one text object holds: line, word, character
    shaded: bool  # header rows of tables
    indent_headings: bool
    capitals: bool  # for the headings of the first level


def draw_design(
    language: str, rng: random.Random, *, numbered: bool = True, embedded_only: bool = False, plain: bool = False
) -> Design:
    """A look drawn at random. `numbered`: headings have numbers, so they need not differ in size. `plain`: nothing
    but text on the page, for what is to be recognised from pixels."""
    family = rng.choice(families(language, embedded_only=embedded_only))
    columns = rng.choice((1, 1, 1, 1, 1, 1, 2, 2, 2, 3))
    size = rng.choice((9.0, 9.5, 10.0) if columns > 1 else (10.0, 10.5, 11.0, 12.0))
    body = Look(family.regular, size)
    levels = _heading_looks(family, size, rng, narrow=columns > 1, numbered=numbered)
    writer = Writer(language, rng)
    page = A4 if language == "zh" else rng.choice((A4, LETTER))
    page = (page[1], page[0]) if columns == 2 and rng.random() < 0.3 else page
    decorated = not plain or rng.random() < 0.5
    header = rng.choice(("", "title", "company", "chapter", "code", "numbered")) if decorated else ""
    footer = rng.choice(("", "", "company", "code")) if decorated else ""
    return Design(
        page=page,
        margin=rng.choice((54.0, 64.0, 72.0)),
        columns=columns,
        body=body,
        small=Look(family.regular, size - 2),
        title=_bold(family, size + rng.choice((8, 10, 12)), rng, center=rng.random() < 0.75, before=10, after=14),
        levels=levels,
        leading=rng.choice((1.25, 1.35, 1.5, 1.6)),
        indent=2.0 if language == "zh" else rng.choice((0.0, 0.0, 1.5)),
        gap=rng.choice((0.0, 2.0, 4.0)) if language == "zh" else rng.choice((4.0, 6.0, 8.0)),
        justify=rng.random() < 0.5,
        hyphenate=language == "en" and rng.random() < 0.5,
        chapters_on_new_pages=columns == 1 and rng.random() < 0.3,
        header=header,
        odd_even=rng.random() < 0.3,
        rule=rng.random() < 0.5,
        number=rng.choice(_ZH_NUMBERS if language == "zh" else _EN_NUMBERS) if decorated else "",
        number_in_header=header != "" and rng.random() < 0.2,
        footer=footer,
        bare_first_page=rng.random() < 0.3,
        watermark="" if plain else rng.choice(("", "", "", "diagonal", "diagonal", "repeated", "stamp")),
        stamp=writer.text("stamp"),
        watermark_last=rng.random() < 0.4,
        cover=not plain and columns == 1 and rng.random() < 0.2,
        contents=not plain and columns == 1 and rng.random() < 0.3,
        bookmarks=0 if plain else rng.choice((0, 0, 0, 3, 3, 1)),
        right_figures=rng.random() < 0.5,
        table_lines=rng.random() < 0.5,
        pieces=rng.choice(("line", "line", "line", "word", "character")),
        shaded=rng.random() < 0.3,
        indent_headings=language == "zh" and rng.random() < 0.25,
        capitals=language == "en" and rng.random() < 0.2,
    )


def _heading_looks(
    family: Family, size: float, rng: random.Random, *, narrow: bool, numbered: bool
) -> tuple[Look, ...]:
    """Three levels, each smaller than the one above it; those with numbers may all have the size of the text."""
    tint = Color(0.1, 0.2, rng.choice((0.1, 0.5)))
    steps: tuple[float, ...] = rng.choice(((6, 3, 1), (5, 3, 1.5), (4, 2, 0), (8, 4, 2), (3, 1.5, 0), (2, 1, 0)))
    if numbered and rng.random() < 0.15:
        steps = (0, 0, 0)
    elif narrow:
        steps = tuple(min(step, 4 - level) for level, step in enumerate(steps))
    colored = rng.random() < 0.3
    return tuple(
        _bold(
            family, size + step, rng,
            center=level == 0 and rng.random() < 0.35,
            before=size * (1.1 - 0.25 * level), after=size * (0.6 - 0.1 * level),
            color=tint if colored else black,
        )
        for level, step in enumerate(steps)
    )  # fmt: skip


def _bold(
    family: Family, size: float, rng: random.Random, *,
    center: bool = False, before: float = 0.0, after: float = 0.0, color: Color = black,
) -> Look:  # fmt: skip
    bold = "" if family.bold else rng.choice(("stroke", "stroke", "stroke", "twice"))
    return Look(family.bold or family.regular, size, bold, center, before, after, color)


@dataclass(frozen=True, slots=True)
class Drawn:
    data: bytes
    truth: Truth


def draw_pdf(draft: Draft, design: Design, *, name: str, seed: int) -> Drawn:
    """The draft in this design, and its labels."""
    rehearsal = _Drawing(draft, design, seed, total=99, pages_of_headings={})
    rehearsal.draw()
    final = _Drawing(draft, design, seed, total=rehearsal.page, pages_of_headings=dict(rehearsal.heading_pages))
    data = final.draw()
    return Drawn(data, final.truth(name))


@dataclass
class _Labels:
    headings: list[Heading] = field(default_factory=list)
    paragraphs: list[Paragraph] = field(default_factory=list)
    furniture: list[Furniture] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    neutral: list[str] = field(default_factory=list)
    flow: list[str] = field(default_factory=list)


class _Drawing:
    """One pass over the draft. `page` counts from 1; `y` is the top of the next line."""

    def __init__(
        self, draft: Draft, design: Design, seed: int, *, total: int, pages_of_headings: dict[int, int]
    ) -> None:
        self._draft, self._design = draft, design
        self._rng = random.Random(seed)
        self._total, self._known_pages = total, pages_of_headings
        self._stream = io.BytesIO()
        self._canvas = Canvas(self._stream, pagesize=design.page, pageCompression=1)
        self._canvas.setTitle(draft.title if seed % 2 else "")
        self._labels = _Labels()
        self._chapter = ""
        self._code = f"{'编号：' if draft.language == 'zh' else 'Ref. '}QM-{2019 + seed % 7}-{seed % 997:03d}"
        width, height = design.page
        self._top, self._base = height - design.margin, design.margin
        gutter = 20.0
        self._width = (width - 2 * design.margin - gutter * (design.columns - 1)) / design.columns
        self._lefts = [design.margin + column * (self._width + gutter) for column in range(design.columns)]
        self.heading_pages: dict[int, int] = {}
        self.page = 0
        self._column = 0
        self._column_top = self._top
        self.y = 0.0
        self._notes: list[tuple[str, list[str]]] = []
        self._bookmark_level = -1

    def draw(self) -> bytes:
        self._new_page()
        self._opening()
        for number, block in enumerate(self._draft.blocks):
            match block.kind:
                case "heading":
                    self._heading(block, number)
                case "paragraph":
                    self._paragraph(block)
                case "item":
                    self._item(block)
                case "caption":
                    self._caption(block)
                case "table":
                    self._table(block)
                case "figure":
                    self._figure(block)
        self._end_page()
        self._canvas.save()
        return self._stream.getvalue()

    def truth(self, name: str) -> Truth:
        design, labels = self._design, self._labels
        features = {
            **self._draft.features,
            "columns": design.columns, "font": design.body.font, "bold": design.levels[0].bold,
            "sizes": [design.body.size, *(look.size for look in design.levels)], "header": design.header,
            "number": design.number, "watermark": design.watermark, "bookmarks": design.bookmarks,
            "contents": design.contents, "cover": design.cover, "hyphenate": design.hyphenate,
            "odd_even": design.odd_even, "pieces": design.pieces, "landscape": design.page[0] > design.page[1],
        }  # fmt: skip
        return Truth(
            name, "pdf", self._draft.language, self.page, tuple(labels.headings), tuple(labels.paragraphs),
            tuple(labels.furniture), tuple(labels.tables), tuple(labels.neutral), tuple(labels.flow), features,
        )  # fmt: skip

    # --- pages -------------------------------------------------------------------------------------------

    def _new_page(self) -> None:
        if self.page:
            self._end_page()
        self.page += 1
        self._column, self._column_top = 0, self._top
        self.y = self._top
        self._notes = []
        if not self._design.watermark_last:
            self._watermark()

    def _end_page(self) -> None:
        self._end_column()
        self._bands()
        if self._design.watermark_last:
            self._watermark()
        self._canvas.showPage()

    def _end_column(self) -> None:
        """Print the footnotes of the column above its lower end."""
        if not self._notes:
            return
        step = self._design.small.size * 1.25
        y = self._bottom
        left = self._lefts[self._column]
        self._canvas.setLineWidth(0.4)
        self._canvas.line(left, y, left + self._width / 3, y)
        y -= 2
        for text, lines in self._notes:
            self._labels.paragraphs.append(Paragraph(text, self.page))
            self._labels.flow.append(text)
            for line in lines:
                self._print(line, left, y, self._design.small)
                y -= step
        self._notes = []

    @property
    def _bottom(self) -> float:
        lines = sum(len(lines) for _, lines in self._notes)
        return self._base + (lines * self._design.small.size * 1.25 + 6 if lines else 0)

    def _next_column(self) -> None:
        if self._column + 1 < self._design.columns:
            self._end_column()
            self._column += 1
            self.y = self._column_top
        else:
            self._new_page()

    def _room(self, height: float) -> None:
        """Go on in the next column where less than `height` is left in this one."""
        if self.y - height < self._bottom and self.y < self._column_top:
            self._next_column()

    def _bands(self) -> None:
        design = self._design
        if self.page == 1 and (design.bare_first_page or design.cover):
            return
        width, height = design.page
        top, bottom = height - design.margin * 0.55, design.margin * 0.55
        even = design.odd_even and self.page % 2 == 0
        headers = {"title": self._draft.title, "company": self._draft.company, "code": self._code}
        header = headers.get(design.header, "")
        if design.header == "numbered":
            header = f"{self._draft.company} | {self.page}"
        elif design.header == "chapter":
            header = self._chapter or self._draft.title
        if design.odd_even and not even and design.header:
            header = self._draft.company if design.header != "company" else self._draft.title
        side = "right" if design.odd_even and not even else "left" if design.odd_even else "center"
        if header:
            self._band(header, "header", side, top)
            if design.rule:
                self._canvas.setLineWidth(0.5)
                self._canvas.line(design.margin, top - 4, width - design.margin, top - 4)
        if design.footer:
            self._band(self._draft.company if design.footer == "company" else self._code, "footer", "left", bottom)
        if design.number:
            number = design.number.format(p=self.page, n=self._total)
            other = "right" if side != "right" else "left"
            place = "right" if design.footer else ("right" if side == "right" else side)
            self._band(number, "page number", other if design.number_in_header else place,
                       top if design.number_in_header else bottom)  # fmt: skip

    def _band(self, text: str, kind: str, side: str, y: float) -> None:
        look = self._design.small
        width = pdfmetrics.stringWidth(text, look.font, look.size)
        page_width, margin = self._design.page[0], self._design.margin
        x = {"left": margin, "center": (page_width - width) / 2, "right": page_width - margin - width}[side]
        self._print(text, x, y + look.size, look)
        self._labels.furniture.append(Furniture(text, kind, self.page))

    def _watermark(self) -> None:
        design, canvas = self._design, self._canvas
        if not design.watermark:
            return
        width, height = design.page
        if design.watermark == "repeated":
            places = [(width * (c + 0.5) / 3, height * (r + 0.5) / 4) for r in range(4) for c in range(3)]
            size, angle = 16.0, 30.0
        elif design.watermark == "diagonal":
            places, size, angle = [(width / 2, height / 2)], min(60.0, 560 / len(design.stamp)), 45.0
        else:
            places, size, angle = [(width / 2, height * 0.45)], min(44.0, 420 / len(design.stamp)), 0.0
        for x, y in places:
            canvas.saveState()
            canvas.setFillColor(Color(0.8, 0.1, 0.1) if design.watermark == "stamp" else Color(0.5, 0.5, 0.5))
            canvas.setFillAlpha(0.25)
            canvas.setFont(design.body.font, size)
            canvas.translate(x, y)
            canvas.rotate(angle)
            canvas.drawCentredString(0, 0, design.stamp)
            canvas.restoreState()
            self._labels.furniture.append(Furniture(design.stamp, "watermark", self.page))

    # --- blocks ------------------------------------------------------------------------------------------

    def _opening(self) -> None:
        design = self._design
        if design.cover:
            self.y -= 150
        self._full_width(self._draft.title, design.title)
        self._labels.headings.append(Heading(self._draft.title, 0, self.page))
        self._labels.flow.append(self._draft.title)
        if design.cover:
            self.y -= 60
            self._full_width(self._draft.company, Look(design.body.font, design.body.size + 3, center=True))
            self._labels.headings.append(Heading(self._draft.company, 1, self.page, optional=True))
            self._labels.neutral.append(self._draft.company)
            self._new_page()
        if design.contents:
            self._contents()
        self._column_top = self.y

    def _full_width(self, text: str, look: Look) -> None:
        width = self._design.page[0] - 2 * self._design.margin
        self.y -= look.before
        for line, _ in wrap(text, look, [width], hyphenate=False):
            x = self._design.margin
            if look.center:
                x += (width - pdfmetrics.stringWidth(line, look.font, look.size)) / 2
            self._print(line, x, self.y, look)
            self.y -= look.size * 1.3
        self.y -= look.after

    def _contents(self) -> None:
        design = self._design
        title = Writer(self._draft.language, self._rng).text("contents")
        self._full_width(title, design.levels[0])
        self._labels.headings.append(Heading(title, 1, self.page, optional=True))
        self._labels.neutral.append(title)
        for number, block in enumerate(self._draft.blocks):
            if block.kind != "heading" or block.level > 2:
                continue
            page = str(self._known_pages.get(number, 0))
            if self.y - design.body.size * 1.5 < self._base:
                self._new_page()
            left = self._lefts[0] + (block.level - 1) * 2 * design.body.size
            room = self._lefts[0] + self._width - left
            text = self._heading_text(block)
            while pdfmetrics.stringWidth(text, design.body.font, design.body.size) > room - 60:
                text = text[:-1]
            taken = pdfmetrics.stringWidth(text + page, design.body.font, design.body.size)
            dots = "." * max(
                3, int((room - taken - 8) / pdfmetrics.stringWidth(".", design.body.font, design.body.size))
            )
            self._print(f"{text} {dots}", left, self.y, design.body)
            end = self._lefts[0] + self._width - pdfmetrics.stringWidth(page, design.body.font, design.body.size)
            self._print(page, end, self.y, design.body)
            self._labels.neutral += [text, page]
            self.y -= design.body.size * 1.6
        self._new_page()

    def _heading(self, block: Block, number: int) -> None:
        design = self._design
        look = design.levels[block.level - 1]
        if block.level == 1 and design.chapters_on_new_pages and self.y < self._top - 100:
            self._new_page()
        text = self._heading_text(block)
        indent = design.indent * look.size if design.indent_headings and not look.center else 0.0
        lines = [line for line, _ in wrap(text, look, [self._width - indent], hyphenate=False)]
        self._room(look.before + len(lines) * look.size * 1.3 + look.after + 2.5 * design.body.size * design.leading)
        if self.y < self._column_top:
            self.y -= look.before
        if block.level == 1:
            self._chapter = text
        self._bookmark(text, block.level, number)
        self.heading_pages[number] = self.page
        self._labels.headings.append(Heading(text, block.level, self.page))
        self._labels.flow.append(text)
        for line in lines:
            x = self._lefts[self._column] + indent
            if look.center:
                x += (self._width - pdfmetrics.stringWidth(line, look.font, look.size)) / 2
            self._print(line, x, self.y, look)
            self.y -= look.size * 1.3
        self.y -= look.after

    def _heading_text(self, block: Block) -> str:
        return block.heading_text.upper() if self._design.capitals and block.level == 1 else block.heading_text

    def _bookmark(self, text: str, level: int, number: int) -> None:
        if level > self._design.bookmarks:
            return
        level = min(level - 1, self._bookmark_level + 1)
        self._bookmark_level = level
        key = f"h{number}"
        self._canvas.bookmarkHorizontal(key, 0, self.y)
        self._canvas.addOutlineEntry(text, key, level)

    def _paragraph(self, block: Block) -> None:
        design = self._design
        lines = wrap(block.text, design.body, [self._width - design.indent * design.body.size, self._width],
                     hyphenate=design.hyphenate)  # fmt: skip
        self._text(block.text, lines, first=design.indent * design.body.size, emphasis=block.emphasis)
        self._note(block.note)
        self.y -= design.gap

    def _item(self, block: Block) -> None:
        design = self._design
        left = design.indent * design.body.size or design.body.size
        hang = pdfmetrics.stringWidth(block.marker + "  ", design.body.font, design.body.size)
        lines = wrap(block.text, design.body, [self._width - left - hang], hyphenate=False)
        self._text(block.text, lines, first=left + hang, rest=left + hang, marker=(block.marker, left))
        self.y -= design.gap * 0.5

    def _caption(self, block: Block) -> None:
        design = self._design
        if design.columns == 3:
            return  # its table or figure is left out there
        self._room(design.body.size * design.leading * 6)
        self.y -= design.gap
        lines = wrap(block.text, design.small, [self._width], hyphenate=False)
        page = self.page
        for line, _ in lines:
            width = pdfmetrics.stringWidth(line, design.small.font, design.small.size)
            self._print(line, self._lefts[self._column] + (self._width - width) / 2, self.y, design.small)
            self.y -= design.small.size * 1.4
        self._labels.paragraphs.append(Paragraph(block.text, page))
        self._labels.flow.append(block.text)

    def _text(
        self, text: str, lines: Sequence[tuple[str, float]], *,
        first: float = 0.0, rest: float = 0.0, marker: tuple[str, float] | None = None, emphasis: int = 0,
    ) -> None:  # fmt: skip
        """Print lines into the columns, from page to page; the paragraph belongs to the page of its first line."""
        look, step = self._design.body, self._design.body.size * self._design.leading
        begun = None
        for number, (line, slack) in enumerate(lines):
            if self.y - step < self._bottom:
                self._next_column()
            if begun is None:
                begun = self.page
                self._labels.paragraphs.append(Paragraph(text, begun))
                self._labels.flow.append(text)
                if marker:
                    self._print(marker[0], self._lefts[self._column] + marker[1], self.y, look)
            x = self._lefts[self._column] + (first if number == 0 else rest)
            if number == 0 and 0 < emphasis < len(line):
                self._print_emphasised(line, emphasis, x)
                self.y -= step
                continue
            fill = slack if self._design.justify and number + 1 < len(lines) and slack < 60 else 0.0
            self._print(line, x, self.y, look, fill=fill)
            self.y -= step

    def _print_emphasised(self, line: str, emphasis: int, x: float) -> None:
        """The first characters of a line in bold, the others as usual."""
        body, heading = self._design.body, self._design.levels[2]
        bold = Look(heading.font, body.size, heading.bold)
        self._print(line[:emphasis], x, self.y, bold)
        self._print(line[emphasis:], x + pdfmetrics.stringWidth(line[:emphasis], bold.font, bold.size), self.y, body)

    def _note(self, text: str) -> None:
        """A footnote to the paragraph just printed, where there is room for it."""
        design = self._design
        if not text:
            return
        lines = [line for line, _ in wrap(text, design.small, [self._width - 12], hyphenate=False)]
        needed = (len(lines) + 1) * design.small.size * 1.25 + 8
        if self.y - needed < self._bottom:
            return
        lines[0] = f"{len(self._notes) + 1} {lines[0]}"
        self._notes.append((text, lines))

    # --- tables ------------------------------------------------------------------------------------------

    def _table(self, block: Block) -> None:
        design = self._design
        if design.columns == 3:
            return
        block = _first_columns(block, 3) if design.columns == 2 else block
        columns = len(block.grid[0])
        width = self._width / columns
        look = design.small
        step = look.size * 1.3
        cells = [
            [_cell_lines(text, look, block.span(r, c)[1] * width) for c, text in enumerate(row)]
            for r, row in enumerate(block.grid)
        ]
        heights = [max(1, *(len(lines) for lines in row)) * step + 2 * _CELL_PADDING for row in cells]
        header = 1 + max((r for r, _ in block.covered if r < 2), default=0)
        self._room(sum(heights[: header + 2]))
        self._rule_above(block)
        for r in range(len(block.grid)):
            together = heights[r] + (heights[r + 1] if (r + 1, 0) in block.covered else 0)
            if self.y - together < self._bottom and self.y < self._column_top:
                self._rule_below(block)
                self._next_column()
                self._rule_above(block)
                for repeated in range(header):
                    self._row(block, repeated, cells, heights, header=True)
            self._row(block, r, cells, heights, header=r < header)
        self._rule_below(block)
        self.y -= design.body.size
        self._labels.tables.append(Table(block.grid, block.ruled, block.covered))
        self._labels.flow += [" ".join(row) for row in block.grid]

    def _row(self, block: Block, r: int, cells: list[list[list[str]]], heights: list[float], *, header: bool) -> None:
        design = self._design
        width = self._width / len(block.grid[0])
        look = Look(design.levels[2].font, design.small.size, design.levels[2].bold) if header else design.small
        look = look if look.bold != "twice" else design.small
        for c, lines in enumerate(cells[r]):
            if (r, c) in block.covered:
                continue
            down, across = block.span(r, c)
            x = self._lefts[self._column] + c * width
            height = sum(heights[r : r + down])
            if header and design.shaded:
                self._canvas.setFillColor(Color(0.85, 0.88, 0.92))
                self._canvas.rect(x, self.y - height, across * width, height, stroke=0, fill=1)
            if block.ruled:
                self._canvas.setLineWidth(0.5)
                self._canvas.rect(x, self.y - height, across * width, height)
            y = self.y - _CELL_PADDING
            for line in lines:
                free = across * width - 2 * _CELL_PADDING - pdfmetrics.stringWidth(line, look.font, look.size)
                right = design.right_figures and not header and line[:1].isdigit()
                self._print(line, x + _CELL_PADDING + (free if right else 0), y, look)
                y -= look.size * 1.3
        self.y -= heights[r]
        if header and design.table_lines and not block.ruled:
            self._line()

    def _rule_above(self, block: Block) -> None:
        if self._design.table_lines and not block.ruled:
            self._line()

    _rule_below = _rule_above

    def _line(self) -> None:
        left = self._lefts[self._column]
        self._canvas.setLineWidth(0.7)
        self._canvas.line(left, self.y, left + self._width, self.y)

    def _figure(self, block: Block) -> None:
        """A bar chart with the name and the figure of each bar."""
        design, look = self._design, self._design.small
        height = 90.0
        if design.columns == 3:
            return
        self._room(height + 5 * design.body.size * design.leading)
        left, base = self._lefts[self._column] + 10, self.y - height
        width = (self._width - 20) / len(block.grid)
        self._canvas.setLineWidth(0.6)
        self._canvas.line(left, base, left + self._width - 20, base)
        self._canvas.line(left, base, left, self.y - 4)
        self._canvas.setFillColor(Color(0.4, 0.55, 0.75))
        for number, (_, value) in enumerate(block.grid):
            self._canvas.rect(left + width * (number + 0.2), base, width * 0.6, int(value) * 0.7, stroke=0, fill=1)
        for number, (name, value) in enumerate(block.grid):
            self._print(name, left + width * (number + 0.2), base - 2, look)
            self._print(value, left + width * (number + 0.35), base + int(value) * 0.7 + look.size + 2, look)
            self._labels.neutral += [name, value]
        self.y = base - look.size * 2

    # --- glyphs ------------------------------------------------------------------------------------------

    def _print(self, line: str, x: float, top: float, look: Look, *, fill: float = 0.0) -> None:
        """One line whose top is at `top`, spread over `fill` points more than it needs."""
        canvas, y = self._canvas, top - look.size
        canvas.setFillColor(look.color)
        words = line.split(" ")
        if look.bold == "" and fill == 0 and self._design.pieces == "character":
            for number, character in enumerate(line):
                before = pdfmetrics.stringWidth(line[:number], look.font, look.size)
                if character != " ":
                    canvas.setFont(look.font, look.size)
                    canvas.drawString(x + before, y, character)
            return
        spread = fill and self._draft.language == "en"
        if look.bold == "" and len(words) > 1 and (spread or (fill == 0 and self._design.pieces == "word")):
            step = fill / (len(words) - 1)
            for number, word in enumerate(words):
                before = pdfmetrics.stringWidth(" ".join(words[:number]) + " " if number else "", look.font, look.size)
                canvas.setFont(look.font, look.size)
                canvas.drawString(x + before + number * step, y, word)
            return
        text = canvas.beginText(x, y)
        text.setFont(look.font, look.size)
        if fill and len(line) > 1:
            text.setCharSpace(fill / (len(line) - 1))
        if look.bold == "stroke":
            canvas.setStrokeColor(look.color)
            canvas.setLineWidth(look.size / 30)
            text.setTextRenderMode(2)
        text.textOut(line)
        if look.bold == "stroke":
            text.setTextRenderMode(0)
        if fill:
            text.setCharSpace(0)
        canvas.drawText(text)
        if look.bold == "twice":
            canvas.setFont(look.font, look.size)
            canvas.drawString(x + look.size / 40, y, line)
        canvas.setStrokeColor(black)


def _cell_lines(text: str, look: Look, width: float) -> list[str]:
    return [line for line, _ in wrap(text, look, [width - 2 * _CELL_PADDING], hyphenate=False)]


def _first_columns(block: Block, columns: int) -> Block:
    grid = tuple(row[:columns] for row in block.grid)
    covered = tuple((r, c) for r, c in block.covered if c < columns)
    return Block("table", grid=grid, ruled=block.ruled, covered=covered)


def wrap(text: str, look: Look, widths: Sequence[float], *, hyphenate: bool) -> list[tuple[str, float]]:
    """The lines of a text and the points that each falls short of its width: the first of `widths` is that of
    the first line, and so on; the last is that of all others."""
    lines: list[tuple[str, float]] = []
    line = ""

    def width() -> float:
        return widths[min(len(lines), len(widths) - 1)]

    def length(part: str) -> float:
        return float(pdfmetrics.stringWidth(part, look.font, look.size))

    for token in _TOKEN.findall(text):
        if length(line + token) <= width() or not line.strip() or token.isspace() or token in _NO_LINE_START:
            line += token if line or not token.isspace() else ""
            continue
        head = next((h for h in _hyphenations(token) if length(line + h + "-") <= width()), "") if hyphenate else ""
        full = line + head + "-" if head else line.rstrip()
        lines.append((full, max(0.0, width() - length(full))))
        line = token[len(head) :]
    return [*lines, (line.rstrip(), 0.0)] if line.strip() else lines


def _hyphenations(word: str) -> Iterator[str]:
    """The beginnings of a word after which it may be divided, longest first."""
    if not re.fullmatch(r"[a-z]{7,}[.,;]?", word):
        return
    for end in range(len(word) - 3, 2, -1):
        if word[end - 1] in _VOWELS and word[end] not in _VOWELS and word[end + 1] in _VOWELS:
            yield word[:end]

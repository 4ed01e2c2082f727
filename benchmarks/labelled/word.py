"""Drafts as DOCX, in the ways in which people make headings: built-in styles under English and Chinese names,
styles of their own with an outline level, outline levels on paragraphs, automatic numbering, and by look alone."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING, Any

import docx
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_BREAK
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt

from labelled.draft import Block, Draft
from labelled.labels import Furniture, Heading, Paragraph, Table, Truth
from labelled.wording import Writer

if TYPE_CHECKING:
    from docx.text.paragraph import Paragraph as DocxParagraph

WAYS = ("builtin", "builtin", "chinese names", "own styles", "outline", "numbered", "look")
_TOP_TEXT_BOX = (
    '<w:r xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    ' xmlns:v="urn:schemas-microsoft-com:vml"><w:pict><v:shape style="width:200pt;height:40pt"><v:textbox>'
    "<w:txbxContent><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict></w:r>"
)


def draw_docx(draft: Draft, rng: random.Random, *, name: str) -> tuple[bytes, Truth]:
    """The draft as a Word document, and its labels."""
    return _Document(draft, rng).draw(name)


class _Document:
    def __init__(self, draft: Draft, rng: random.Random) -> None:
        self._draft, self._rng = draft, rng
        ways = [way for way in WAYS if draft.language == "zh" or way != "chinese names"]
        if draft.scheme == "plain":
            ways.remove("numbered")
        self._way = rng.choice(ways)
        self._breaks = rng.random() < 0.5
        self._page: int | None = 1 if self._breaks else None
        self._tracked = rng.random() < 0.3
        self._docx = docx.Document()
        self._writer = Writer(draft.language, rng)
        self._headings: list[Heading] = []
        self._paragraphs: list[Paragraph] = []
        self._tables: list[Table] = []
        self._flow: list[str] = []
        self._furniture: list[Furniture] = []
        self._styles = self._make_styles()

    def draw(self, name: str) -> tuple[bytes, Truth]:
        self._bands()
        self._title()
        for block in self._draft.blocks:
            match block.kind:
                case "heading":
                    self._heading(block)
                case "table":
                    self._table(block)
                case "figure":
                    pass  # its texts would be in a picture
                case _:
                    self._paragraph(block)
        if self._rng.random() < 0.3:
            self._text_box()
        stream = io.BytesIO()
        self._docx.save(stream)
        features = {**self._draft.features, "headings by": self._way, "breaks": self._breaks, "tracked": self._tracked}
        truth = Truth(
            name, "docx", self._draft.language, self._page, tuple(self._headings), tuple(self._paragraphs),
            tuple(self._furniture), tuple(self._tables), (), tuple(self._flow), features,
        )  # fmt: skip
        return stream.getvalue(), truth

    # --- styles ------------------------------------------------------------------------------------------

    def _make_styles(self) -> list[Any]:
        """The paragraph style of each heading level; None for those that are made by hand."""
        if self._way in ("outline", "look"):
            return [None] * 3
        if self._way in ("builtin", "numbered"):
            styles = [self._docx.styles[f"Heading {level}"] for level in (1, 2, 3)]
            if self._way == "numbered":
                self._number(styles)
            return styles
        if self._way == "chinese names":
            return [self._own_style(f"标题 {level}", level, outline=self._rng.random() < 0.5) for level in (1, 2, 3)]
        names = (
            ("章标题", "节标题", "条标题")
            if self._draft.language == "zh"
            else ("Chapter Head", "Section Head", "Clause Head")
        )
        return [self._own_style(name, level, outline=True) for level, name in enumerate(names, 1)]

    def _own_style(self, name: str, level: int, *, outline: bool) -> Any:
        style: Any = self._docx.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = self._docx.styles["Normal"]
        style.font.bold = True
        style.font.size = Pt(17 - 2 * level)
        if outline:
            style.element.get_or_add_pPr().append(_value("w:outlineLvl", level - 1))
        return style

    def _number(self, styles: list[Any]) -> None:
        """Let Word number the headings as the draft's scheme does."""
        scheme, chinese = self._draft.scheme, self._draft.language == "zh"
        formats = {
            ("chapter", True): (
                ("chineseCounting", "第%1章"),
                ("chineseCounting", "第%2节"),
                ("chineseCounting", "%3、"),
            ),
            ("ordinal", True): (("chineseCounting", "%1、"), ("chineseCounting", "（%2）"), ("decimal", "%3.")),
            ("digits", True): (("decimal", "第%1章"), ("decimal", "%1.%2"), ("decimal", "%1.%2.%3")),
            ("mixed", True): (("chineseCounting", "%1、"), ("decimal", "%2、"), ("decimal", "（%3）")),
            ("outline", False): (("upperRoman", "%1."), ("upperLetter", "%2."), ("decimal", "%3.")),
            ("article", False): (("upperRoman", "Article %1"), ("decimal", "Section %1.%2"), ("lowerLetter", "(%3)")),
            ("chapter", False): (("decimal", "Chapter %1"), ("decimal", "%1.%2"), ("decimal", "%1.%2.%3")),
        }.get((scheme, chinese), (("decimal", "%1"), ("decimal", "%1.%2"), ("decimal", "%1.%2.%3")))
        numbering = self._docx.part.numbering_part.element
        abstract = OxmlElement("w:abstractNum")
        abstract.set(qn("w:abstractNumId"), "77")
        for level, (kind, text) in enumerate(formats):
            entry = OxmlElement("w:lvl")
            entry.set(qn("w:ilvl"), str(level))
            entry.append(_value("w:start", 1))
            entry.append(_value("w:numFmt", kind))
            entry.append(_value("w:pStyle", styles[level].style_id))
            entry.append(_value("w:lvlText", text))
            abstract.append(entry)
        numbering.insert(0, abstract)
        number = OxmlElement("w:num")
        number.set(qn("w:numId"), "77")
        number.append(_value("w:abstractNumId", 77))
        numbering.append(number)
        for level, style in enumerate(styles):
            properties = style.element.get_or_add_pPr().get_or_add_numPr()
            properties.get_or_add_ilvl().val = level
            properties.get_or_add_numId().val = 77

    # --- blocks ------------------------------------------------------------------------------------------

    def _bands(self) -> None:
        """A header and a footer with a page number field; half of the documents have other ones on even pages."""
        if self._rng.random() < 0.25:
            return
        section = self._docx.sections[0]
        texts = [(section.header, self._draft.company, "header"), (section.footer, self._writer.text("note"), "footer")]
        if self._rng.random() < 0.5:
            self._docx.settings.odd_and_even_pages_header_footer = True
            code = f"QM-{self._rng.randint(100, 999)}"
            texts += [(section.even_page_header, code, "header")]
        for band, text, kind in texts:
            paragraph = band.paragraphs[0]
            paragraph.text = text
            if kind == "footer":
                paragraph.add_run(" ")
                _field(paragraph, "PAGE")
            self._furniture.append(Furniture(text, kind))

    def _title(self) -> None:
        text = self._draft.title
        if self._way == "look":
            paragraph = self._docx.add_paragraph()
            run = paragraph.add_run(text)
            run.bold, run.font.size = True, Pt(22)
        else:
            paragraph = self._docx.add_paragraph(text, style="Title")
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        self._headings.append(Heading(text, 0, self._page))
        self._flow.append(text)

    def _heading(self, block: Block) -> None:
        if self._breaks and block.level == 1 and self._page and len(self._paragraphs) > 2 and self._rng.random() < 0.7:
            self._docx.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
            self._page += 1
        automatic = self._way == "numbered" and block.number[:2] not in ("附录", "Ap")
        text = block.text if automatic else block.heading_text
        style = self._styles[block.level - 1]
        paragraph = self._docx.add_paragraph(style=style)
        cut = self._rng.randint(0, len(text))
        for part in (text[:cut], text[cut:]):  # Word splits a text into runs where it likes
            run = paragraph.add_run(part)
            if style is None:
                run.bold, run.font.size = True, Pt(17 - 2 * block.level)
        if self._way == "outline":
            paragraph._p.get_or_add_pPr().append(_value("w:outlineLvl", block.level - 1))  # noqa: SLF001
        numbered = block.heading_text if automatic else None
        self._headings.append(Heading(text, block.level, self._page, numbered))
        self._flow.append(text)

    def _paragraph(self, block: Block) -> None:
        if block.kind == "item" and block.marker in ("•", "-", "–"):
            paragraph = self._docx.add_paragraph(style="List Bullet")
        elif block.kind == "item":
            paragraph = self._docx.add_paragraph(block.marker)
        else:
            paragraph = self._docx.add_paragraph()
        middle = len(block.text) // 2
        paragraph.add_run(block.text[: block.emphasis]).bold = True
        paragraph.add_run(block.text[block.emphasis : middle])
        if self._tracked and self._rng.random() < 0.2:
            _tracked_change(paragraph, deleted=self._writer.text("thing"), inserted=block.text[middle:])
        else:
            paragraph.add_run(block.text[middle:])
        self._label(block.text)

    def _label(self, text: str) -> None:
        self._paragraphs.append(Paragraph(text, self._page))
        self._flow.append(text)

    def _table(self, block: Block) -> None:
        rows, columns = len(block.grid), len(block.grid[0])
        table = self._docx.add_table(rows, columns)
        table.style = "Table Grid"
        covered = set(block.covered)
        for r, row in enumerate(block.grid):
            for c, text in enumerate(row):
                if (r, c) not in covered:
                    table.cell(r, c).text = text
        for r in range(rows):
            for c in range(columns):
                if (r, c) in covered:
                    continue
                down, across = block.span(r, c)
                if across > 1 or down > 1:
                    text = table.cell(r, c).text
                    table.cell(r, c).merge(table.cell(r + down - 1, c + across - 1)).text = text
        self._tables.append(Table(block.grid, True, block.covered))
        self._flow += [" ".join(row) for row in block.grid]

    def _text_box(self) -> None:
        from docx.oxml import parse_xml

        text = self._writer.paragraph(1)
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        self._docx.add_paragraph()._p.append(parse_xml(_TOP_TEXT_BOX.format(text=escaped)))  # noqa: SLF001
        self._label(text)


def _value(tag: str, value: str | int) -> Any:
    element = OxmlElement(tag)
    element.set(qn("w:val"), str(value))
    return element


def _field(paragraph: DocxParagraph, code: str) -> None:
    for kind, text in (("begin", ""), ("", code), ("separate", ""), ("shown", "1"), ("end", "")):
        run = paragraph.add_run()._r  # noqa: SLF001
        if kind == "shown":
            run.text = text
        elif kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
            run.append(mark)
        else:
            instruction = OxmlElement("w:instrText")
            instruction.text = text
            run.append(instruction)


def _tracked_change(paragraph: DocxParagraph, *, deleted: str, inserted: str) -> None:
    for tag, text_tag, text in (("w:del", "w:delText", deleted), ("w:ins", "w:t", inserted)):
        change = OxmlElement(tag)
        change.set(qn("w:id"), "1")
        change.set(qn("w:author"), "Reviewer")
        run, content = OxmlElement("w:r"), OxmlElement(text_tag)
        content.text = text
        content.set(qn("xml:space"), "preserve")
        run.append(content)
        change.append(run)
        paragraph._p.append(change)  # noqa: SLF001

"""DOCX -> elements, read from its own XML as Word shows it.

Tracked changes count as accepted; what they took out is listed, as comments are, and is no text. Hidden text,
placeholders, tables of contents and watermarks are dropped and listed; page headers and footers are left to
cleaning. Text boxes and notes follow the paragraph or table that they are anchored in; a nested table follows the
table around it.

Terms
  block    a paragraph or a table, in the body, a cell, a text box or a note.
  label    what Word computes in front of a numbered paragraph.

The reader is one class, and the longest of this package: pages, fields, sections and carried text are the state of
one walk through the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.office.drawings import chart_element, diagram_texts
from kb_pipeline.parsing.office.equations import M, equation_text
from kb_pipeline.parsing.office.lists import Lists, W, labelled
from kb_pipeline.parsing.office.package import Package, Relationship, mended_warnings
from kb_pipeline.parsing.office.pages import PageCounter
from kb_pipeline.parsing.office.word_headings import Look, with_plain_headings
from kb_pipeline.parsing.office.word_left_out import changes_left_out, comments_left_out
from kb_pipeline.parsing.office.word_nodes import (
    DIAGRAM,
    MC,
    TRANSPARENT,
    anchored_nodes,
    children_of,
    chosen_alternative,
    flattened,
    integer_of,
    is_carried_on,
    is_deleted_row,
    symbol_of,
    visible_characters,
)
from kb_pipeline.parsing.office.word_styles import Style, Styles, is_on, paragraph_changes
from kb_pipeline.parsing.office.word_tables import GridCell, count_header_rows, merged_rows
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.scripts_notation import subscript, superscript
from kb_pipeline.parsing.tables import element_characters, plain_text, spanned_table_element
from kb_pipeline.parsing.text import join_lines

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_VML = "{urn:schemas-microsoft-com:vml}"
_SHIFTED = {"superscript": superscript, "subscript": subscript}
_LONGEST_HEADING = 240  # columns; a longer paragraph in a heading style is text
_LIST_STYLES = ("list ", "列表", "列出段落")
_TYPED_ITEM = re.compile(
    r"[•●▪■◆◇○□·‣⁃①-⑳⑴-⒇]|[（(](?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[)）]|(?:\d{1,2}|[a-z])[)）]|(?:\d{1,2}|[a-z])[.、．][\s]*(?=\D)"
)  # the mark of a list item that the author typed


def read_docx(data: bytes) -> ParsedDocument:
    """Raises MalformedDocument where the parts that make a document are not there."""
    package = Package(data)
    reader = _Reader(package)
    reader.read()
    elements = reader.elements if reader.headings else with_plain_headings(reader.elements, reader.looks)
    has_pages = reader.pages.are_known
    return ParsedDocument(
        tuple(elements if has_pages else map(_without_page, elements)),
        tuple(reader.dropped if has_pages else (replace(item, page_number=None) for item in reader.dropped)),
        page_count=reader.pages.page if has_pages else None,
        metadata={"title": package.title} if package.title else {},
        warnings=(*mended_warnings(package), *reader.warnings()),
        source_characters=reader.source_characters,
    )


@dataclass(slots=True)
class _Paragraph:
    """A paragraph while it is read. `anchored`: text boxes, diagrams, charts; `notes`: their elements."""

    style: Style
    label: str | None = None
    parts: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    placeholder: list[str] = field(default_factory=list)
    anchored: list[Node] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    page: int | None = None
    page_end: int | None = None
    in_contents: bool = False
    only_equations: bool = True
    bold_characters: int = 0
    half_points: int = 0

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass(slots=True)
class _Field:
    """A complex field: its instruction, and whether its result has begun."""

    instruction: str = ""
    in_result: bool = False

    @property
    def is_contents(self) -> bool:
        return self.instruction.split(maxsplit=1)[:1] == ["TOC"]


class _Reader:
    """Walks the document once; `elements` and `dropped` grow as it goes."""

    def __init__(self, package: Package) -> None:
        self.elements: list[Element] = []
        self.dropped: list[DroppedText] = []
        self.looks: dict[int, Look] = {}
        self.headings = 0  # by style, without the title of the document
        self.source_characters = 0
        self._package = package
        self._part = package.main_part
        self._root = package.xml(self._part)
        self._relationships = package.relationships(self._part)
        self.pages = PageCounter(laid_out=next(self._root.iter(f"{W}lastRenderedPageBreak"), None) is not None)
        self._styles = Styles(self._related_xml("styles"))
        self._lists = Lists(self._related_xml("numbering"))
        self._notes = {kind: self._note_nodes(kind) for kind in ("footnotes", "endnotes")}
        self._fields: list[_Field] = []
        self._carried_text = ""  # of a paragraph whose end was deleted, or of a drop cap
        self._embedded = 0
        self._section_starts = self._starts_of_sections()
        self._section = 0

    def read(self) -> None:
        body = self._root.find(f"{W}body")
        if body is None:
            body = self._root
        self._page_furniture("header")
        self._blocks(body)
        self._page_furniture("footer")
        self.source_characters += visible_characters(body)
        for item in (*changes_left_out(body), *comments_left_out(self._related_xml("comments"))):
            self.dropped.append(item)
            self.source_characters += len("".join(item.text.split()))

    def warnings(self) -> Iterator[str]:
        if self._embedded:
            yield (
                f"{self._embedded} embedded documents were not read; open the file in Word and save it again to "
                "make them part of it."
            )

    # --- parts --------------------------------------------------------------------------------------

    def _related_xml(self, kind: str) -> Node | None:
        for relationship in self._relationships.values():
            if relationship.kind == kind:
                return self._package.optional_xml(relationship.target)
        return self._package.optional_xml(f"word/{kind}.xml")

    def _note_nodes(self, kind: str) -> dict[str, Node]:
        root = self._related_xml(kind)
        if root is None:
            return {}
        return {node.get(f"{W}id", ""): node for node in root if node.get(f"{W}type", "normal") == "normal"}

    def _starts_of_sections(self) -> list[str]:
        """How each section begins: nextPage, continuous, …"""
        starts = []
        for section in self._sections():
            kind = section.find(f"{W}type")
            starts.append("nextPage" if kind is None else kind.get(f"{W}val", "nextPage"))
        return starts

    def _sections(self) -> list[Node]:
        found = self._root.iter(f"{W}sectPr")
        return [node for node in found if (parent := node.getparent()) is not None and parent.tag != f"{W}sectPrChange"]

    def _page_furniture(self, kind: str) -> None:
        """The headers or footers that pages show, each part once."""
        settings = self._related_xml("settings")
        shown = {"default", *(["even"] if is_on(settings, "evenAndOddHeaders") else [])}
        seen: set[str] = set()
        for section in self._sections():
            kinds = shown | ({"first"} if is_on(section, "titlePg") else set())
            for reference in section.iterfind(f"{W}{kind}Reference"):
                relationship = self._relationships.get(reference.get(f"{R}id", ""))
                if reference.get(f"{W}type", "default") in kinds and relationship and relationship.target not in seen:
                    seen.add(relationship.target)
                    self._furniture_part(relationship, kind)

    def _furniture_part(self, relationship: Relationship, kind: str) -> None:
        root = self._package.optional_xml(relationship.target)
        if root is None:
            return
        for mark in root.iter(f"{_VML}textpath"):
            text = mark.get("string", "").strip()
            if text:
                self.dropped.append(DroppedText("watermark", text))
                self.source_characters += len("".join(text.split()))
        text = "\n".join(self._texts_within(root))
        if text:
            self.elements.append(Element(kind.capitalize(), text))
        self.source_characters += visible_characters(root)

    def _texts_within(self, container: Node) -> list[str]:
        """The texts of a container's blocks, as lines, apart from the flow of the document."""
        outside = (self.elements, self.dropped, self._carried_text, self._fields)
        self.elements, self.dropped, self._carried_text, self._fields = [], [], "", []
        looks, headings = self.looks, self.headings
        self.looks = {}
        try:
            self._blocks(container)
            texts = [plain_text(element) for element in self.elements] + [item.text for item in self.dropped]
        finally:
            self.elements, self.dropped, self._carried_text, self._fields = outside
            self.looks, self.headings = looks, headings
        return [line for line in (" ".join(text.split()) for text in texts) if line]

    # --- blocks -------------------------------------------------------------------------------------

    def _blocks(self, container: Node) -> None:
        for node in container:
            tag = node.tag
            if tag == f"{W}p":
                self._emit(self._paragraph(node))
            elif tag == f"{W}tbl":
                self._table(node)
            elif tag == f"{W}sdt":
                self._content_control(node)
            elif tag in TRANSPARENT:
                self._blocks(node)
            elif tag == f"{MC}AlternateContent":
                alternative = chosen_alternative(node)
                if alternative is not None:
                    self._blocks(alternative)
            elif tag in (f"{M}oMathPara", f"{M}oMath"):
                self._add("Formula", equation_text(node), self.pages.page, self.pages.page)
            elif tag == f"{W}altChunk":
                self._embedded += 1

    def _content_control(self, node: Node) -> None:
        content = node.find(f"{W}sdtContent")
        if content is None:
            return
        gallery = node.find(f"{W}sdtPr/{W}docPartObj/{W}docPartGallery")
        if gallery is not None and gallery.get(f"{W}val") == "Table of Contents":
            page = self.pages.page
            texts = self._texts_within(content)
            self.dropped += [DroppedText("table of contents", text, page) for text in texts]
            return
        self._blocks(content)

    def _emit(self, paragraph: _Paragraph | None) -> None:
        """The elements of a paragraph and of what is anchored in it."""
        if paragraph is None:
            return
        text = paragraph.text.strip("\n\t ") if not paragraph.text.isspace() else ""  # ideographic spaces, too
        page = paragraph.page or self.pages.page
        page_end = paragraph.page_end or page
        style = paragraph.style
        level = style.heading_level
        if paragraph.in_contents or style.is_contents:
            if text:
                self.dropped.append(DroppedText("table of contents", text, page))
        elif level is not None and display_width(text) <= _LONGEST_HEADING:
            if text:
                self.headings += not style.is_title
                heading = " ".join(labelled(paragraph.label or "", text).split())
                self.elements.append(Element("Title", heading, page, level, metadata=_ends(page, page_end)))
        elif text:
            self._add(_category(paragraph, text), labelled(paragraph.label or "", text), page, page_end)
            bold = paragraph.bold_characters >= 0.9 * len("".join(text.split()))
            self.looks[len(self.elements) - 1] = Look(bold, paragraph.half_points)
        self._emit_aside(paragraph, page)

    def _emit_aside(self, paragraph: _Paragraph, page: int) -> None:
        for text in paragraph.hidden:
            self.dropped.append(DroppedText("hidden text", text, page))
        for text in paragraph.placeholder:
            self.dropped.append(DroppedText("placeholder of an empty field", text, page))
        for node in paragraph.anchored:
            self._anchored(node, page)
        for text in paragraph.notes:
            self._add("Footnote", text, page, page)

    def _add(self, category: str, text: str, page: int, page_end: int) -> None:
        text = text.strip()
        if not text:
            return
        if category == "CodeSnippet" and self.elements and self.elements[-1].category == "CodeSnippet":
            before = self.elements[-1]
            self.elements[-1] = replace(before, text=f"{before.text}\n{text}")
            return
        self.elements.append(Element(category, text, page, metadata=_ends(page, page_end)))

    def _anchored(self, node: Node, page: int) -> None:
        """A text box, diagram or chart."""
        if node.tag == f"{W}txbxContent":
            self._blocks(node)
            return
        name = "dm" if node.tag.startswith(DIAGRAM) else "id"
        relationship = self._relationships.get(node.get(f"{R}{name}", ""))
        root = None if relationship is None else self._package.optional_xml(relationship.target)
        if root is None:
            return
        if name == "dm":
            texts = list(diagram_texts(root))
            for text in texts:
                self._add("ListItem", text, page, page)
            self.source_characters += sum(len("".join(text.split())) for text in texts)
        else:
            chart = chart_element(root, page_number=page)
            if chart is not None:
                self.elements.append(chart)
                self.source_characters += element_characters(chart)

    # --- paragraphs ---------------------------------------------------------------------------------

    def _paragraph(self, node: Node) -> _Paragraph | None:
        """The paragraph, or None where it goes on in the next one."""
        properties = node.find(f"{W}pPr")
        style_node = None if properties is None else properties.find(f"{W}pStyle")
        style_id = None if style_node is None else style_node.get(f"{W}val")
        named = self._styles.get(style_id)
        style = replace(named, **paragraph_changes(properties))  # type: ignore[arg-type]
        paragraph = _Paragraph(style)
        if style.page_break_before and (self.elements or self.dropped):
            self.pages.hard_break()
        paragraph.in_contents = any(found.is_contents for found in self._fields)
        self._inline(node, paragraph)
        paragraph.in_contents |= any(found.is_contents for found in self._fields)
        if self._carried_text:
            paragraph.parts.insert(0, self._carried_text)
            self._carried_text = ""
        if is_carried_on(properties) and not (paragraph.anchored or paragraph.notes or paragraph.hidden):
            self._carried_text = paragraph.text
            return None
        if not (is_on(None if properties is None else properties.find(f"{W}rPr"), "vanish") and not paragraph.text):
            paragraph.label = self._label(style, named, style_id)
        if properties is not None and properties.find(f"{W}sectPr") is not None:
            self._section += 1
            following = self._section_starts[self._section : self._section + 1]
            if following and following[0] not in ("continuous", "nextColumn"):
                self.pages.hard_break()
                if (following[0], self.pages.page % 2) in (("oddPage", 0), ("evenPage", 1)):
                    self.pages.hard_break()
        return paragraph

    def _label(self, style: Style, named: Style, style_id: str | None) -> str | None:
        list_id, level = style.list_id, style.list_level
        if list_id is None or list_id == "0":
            return None
        if list_id == named.list_id and style_id is not None:
            level_of_style = self._lists.level_of_style(list_id, style_id)
            if level_of_style is not None and level == named.list_level:
                level = level_of_style
        label = self._lists.next_label(list_id, level or 0)
        if label:
            self.source_characters += len("".join(label.split()))
        return label

    def _inline(self, container: Node, paragraph: _Paragraph, *, placeholder: bool = False) -> None:
        for node in container:
            tag = node.tag
            if tag == f"{W}r":
                self._run(node, paragraph, placeholder)
            elif tag in TRANSPARENT or tag in (f"{W}rubyBase", f"{W}ruby"):
                self._inline(node, paragraph, placeholder=placeholder)
            elif tag == f"{W}sdt":
                shows_placeholder = is_on(node.find(f"{W}sdtPr"), "showingPlcHdr") or False
                content = node.find(f"{W}sdtContent")
                if content is not None:
                    self._inline(content, paragraph, placeholder=placeholder or shows_placeholder)
            elif tag in (f"{M}oMath", f"{M}oMathPara"):
                self._write(equation_text(node), paragraph, equation=True)
            elif tag == f"{MC}AlternateContent":
                alternative = chosen_alternative(node)
                if alternative is not None:
                    self._inline(alternative, paragraph, placeholder=placeholder)

    def _run(self, run: Node, paragraph: _Paragraph, placeholder: bool) -> None:
        properties = run.find(f"{W}rPr")
        hidden = self._is_hidden(properties, paragraph.style)
        before = len(paragraph.parts)
        for node in run:
            self._run_content(node, paragraph)
        written = paragraph.parts[before:]
        if not written:
            return
        if hidden or placeholder:
            del paragraph.parts[before:]
            (paragraph.hidden if hidden else paragraph.placeholder).append("".join(written))
            return
        characters = len("".join("".join(written).split()))
        shift = None if properties is None else properties.find(f"{W}vertAlign")
        if shift is not None and shift.get(f"{W}val") in _SHIFTED:
            paragraph.parts[before:] = [_SHIFTED[shift.get(f"{W}val", "")]("".join(written))]
        bold = is_on(properties, "b")
        paragraph.bold_characters += characters if (paragraph.style.bold if bold is None else bold) else 0
        size = None if properties is None else properties.find(f"{W}sz")
        half_points = paragraph.style.half_points if size is None else int(float(size.get(f"{W}val") or 0))
        if characters:
            paragraph.half_points = max(paragraph.half_points, half_points)

    def _is_hidden(self, properties: Node | None, style: Style) -> bool:
        switch = is_on(properties, "vanish")
        if switch is not None:
            return switch
        character_style = None if properties is None else properties.find(f"{W}rStyle")
        return style.hidden or (character_style is not None and self._styles.hides(character_style.get(f"{W}val", "")))

    def _run_content(self, node: Node, paragraph: _Paragraph) -> None:  # noqa: C901 (one case per kind of content)
        name = node.tag.removeprefix(W) if isinstance(node.tag, str) else ""
        match name:
            case "t":
                self._write(node.text or "", paragraph)
            case "tab" | "ptab":
                self._write("\t", paragraph)
            case "br" | "cr":
                if node.get(f"{W}type") == "page":
                    self.pages.hard_break()
                elif node.get(f"{W}type") != "column":
                    self._write("\n", paragraph)
            case "lastRenderedPageBreak":
                self.pages.laid_out_break()
            case "noBreakHyphen":
                self._write("-", paragraph)
            case "sym":
                self._write(symbol_of(node), paragraph)
            case "fldChar":
                self._field_character(node.get(f"{W}fldCharType"))
            case "instrText":
                if self._fields:
                    self._fields[-1].instruction += node.text or ""
            case "footnoteReference" | "endnoteReference":
                self._note(node, paragraph)
            case "ruby":
                for base in node.iterfind(f"{W}rubyBase"):
                    self._inline(base, paragraph)
            case "rPr" | "delText" | "annotationRef" | "footnoteRef" | "endnoteRef" | "separator":
                pass
            case _:
                paragraph.anchored += anchored_nodes(node)

    def _field_character(self, kind: str | None) -> None:
        if kind == "begin":
            self._fields.append(_Field())
        elif kind == "separate" and self._fields:
            self._fields[-1].in_result = True
        elif kind == "end" and self._fields:
            self._fields.pop()

    def _write(self, text: str, paragraph: _Paragraph, *, equation: bool = False) -> None:
        if not text or any(not found.in_result for found in self._fields):
            return
        paragraph.parts.append(text)
        if not text.isspace():
            paragraph.page = paragraph.page or self.pages.page
            paragraph.page_end = self.pages.page
            paragraph.only_equations &= equation
            self.pages.wrote(text)

    def _note(self, reference: Node, paragraph: _Paragraph) -> None:
        kind = "footnotes" if reference.tag == f"{W}footnoteReference" else "endnotes"
        node = self._notes[kind].pop(reference.get(f"{W}id", ""), None)
        if node is not None:
            paragraph.notes.append("\n".join(self._texts_within(node)))
            self.source_characters += visible_characters(node)

    # --- tables -------------------------------------------------------------------------------------

    def _table(self, table: Node) -> None:
        rows = list(children_of(table, f"{W}tr"))
        rows = [row for row in rows if not is_deleted_row(row)]
        if all(len(list(children_of(row, f"{W}tc"))) <= 1 for row in rows):
            # A box around text rather than a table.
            for row in rows:
                for cell in children_of(row, f"{W}tc"):
                    self._blocks(cell)
            return
        first_page = self.pages.page
        asides: list[_Paragraph] = []
        nested: list[Node] = []
        grid = [self._row(row, asides, nested) for row in rows]
        cells, covered = merged_rows(grid)
        self.dropped += [DroppedText("covered by a merged cell", text, first_page) for text in covered]
        headers = count_header_rows(table, rows)
        element = spanned_table_element(cells, header_rows=headers, page_number=first_page)
        if element is not None:
            self.elements.append(replace(element, metadata=_ends(first_page, self.pages.page)))
        for inner in nested:
            self._table(inner)
        for paragraph in asides:
            self._emit_aside(paragraph, paragraph.page or first_page)

    def _row(self, row: Node, asides: list[_Paragraph], nested: list[Node]) -> list[GridCell]:
        """The cells of a row with the columns that they stand in. The cells of a row share its pages."""
        column = integer_of(row.find(f"{W}trPr/{W}gridBefore"), 0)
        cells = []
        start, furthest = self.pages.page, self.pages.page
        for node in children_of(row, f"{W}tc"):
            properties = node.find(f"{W}tcPr")
            width = max(1, integer_of(None if properties is None else properties.find(f"{W}gridSpan"), 1))
            merge = None if properties is None else properties.find(f"{W}vMerge")
            continues = merge is not None and merge.get(f"{W}val", "continue") == "continue"
            self.pages.page = start
            text = self._cell_text(node, asides, nested)
            furthest = max(furthest, self.pages.page)
            cells.append(GridCell(text, column, width, starts=merge is not None and not continues, continues=continues))
            column += width
        self.pages.page = furthest
        return cells

    def _cell_text(self, cell: Node, asides: list[_Paragraph], nested: list[Node]) -> str:
        lines = []
        for node in flattened(cell):
            if node.tag == f"{W}tbl":
                nested.append(node)
                continue
            paragraph = self._paragraph(node)
            if paragraph is None:
                continue
            lines.append(labelled(paragraph.label or "", paragraph.text))
            if paragraph.anchored or paragraph.notes or paragraph.hidden or paragraph.placeholder:
                asides.append(paragraph)
        return join_lines([part for line in lines for part in line.splitlines()])


def _category(paragraph: _Paragraph, text: str) -> str:
    style = paragraph.style
    if style.is_code:
        return "CodeSnippet"
    if style.is_caption:
        return "FigureCaption"
    if paragraph.label is not None or style.name.lower().startswith(_LIST_STYLES) or _TYPED_ITEM.match(text):
        return "ListItem"
    if paragraph.only_equations and text:
        return "Formula"
    return "NarrativeText"


def _ends(page: int, page_end: int) -> dict[str, int]:
    return {"page_end": page_end} if page_end > page else {}


def _without_page(element: Element) -> Element:
    metadata = {name: value for name, value in element.metadata.items() if name != "page_end"}
    return replace(element, page_number=None, metadata=metadata)

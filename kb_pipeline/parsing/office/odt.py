"""ODT (OpenDocument text) -> elements, read from its own XML as a word processor shows it.

Tracked deletions and comments are not text. Hidden text and tables of contents are dropped and listed; page
headers and footers are left to cleaning. Text boxes and notes follow the paragraph that they are anchored in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kb_pipeline.errors import EncryptedDocument
from kb_pipeline.parsing.cells import check_cells
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.office.odt_nodes import (
    DRAW,
    FO,
    OFFICE,
    STYLE,
    TABLE,
    TEXT,
    UNSEEN,
    begins_with_text,
    cell_content,
    levels_of,
    next_label,
    number_of,
    rows_of,
    visible_characters,
)
from kb_pipeline.parsing.office.package import Package, mended_warnings
from kb_pipeline.parsing.office.pages import PageCounter
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.scripts_notation import subscript, superscript
from kb_pipeline.parsing.tables import Cell, spanned_table_element

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

_CONTENTS = frozenset(
    f"{TEXT}{name}" for name in ("table-of-content", "illustration-index", "table-index", "alphabetical-index")
)
_HEADING_NAME = re.compile(r"(?:heading|标题)(?:_20_|\s)*([1-9])$", re.IGNORECASE)
_MOST_REPEATED = 1000  # columns or rows that one cell or row stands for; more is an empty used range


@dataclass(frozen=True, slots=True)
class _Style:
    """What a paragraph or character style says, with what it inherits. `shift`: above 0 for raised text."""

    heading_level: int | None = None
    hidden: bool = False
    break_before: bool = False
    break_after: bool = False
    shift: int = 0


@dataclass(slots=True)
class _Paragraph:
    parts: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    anchored: list[Node] = field(default_factory=list)
    notes: list[Node] = field(default_factory=list)
    page: int | None = None

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()


def read_odt(data: bytes) -> ParsedDocument:
    """Raises EncryptedDocument, LimitExceeded for too many cells, MalformedDocument where the content is not there."""
    package = Package(data)
    manifest = package.read("META-INF/manifest.xml") if package.has("META-INF/manifest.xml") else b""
    if b"encryption-data" in manifest:
        raise EncryptedDocument("The file is protected by a password; save it without one.")
    reader = _Reader(package)
    reader.read()
    known = reader.pages.are_known
    return ParsedDocument(
        tuple(element if known else replace(element, page_number=None) for element in reader.elements),
        tuple(item if known else replace(item, page_number=None) for item in reader.dropped),
        page_count=reader.pages.page if known else None,
        metadata=_metadata(package),
        warnings=tuple(mended_warnings(package)),
        source_characters=reader.source_characters,
    )


class _Reader:
    """Walks the document once; `elements` and `dropped` grow as it goes."""

    def __init__(self, package: Package) -> None:
        self.elements: list[Element] = []
        self.dropped: list[DroppedText] = []
        self.source_characters = 0
        self._cell_count = 0
        self._content = package.xml("content.xml")
        self._styles_root = package.optional_xml("styles.xml")
        self.pages = PageCounter(laid_out=next(self._content.iter(f"{TEXT}soft-page-break"), None) is not None)
        roots = [root for root in (self._styles_root, self._content) if root is not None]
        self._style_nodes = {
            (node.get(f"{STYLE}family", ""), node.get(f"{STYLE}name", "")): node
            for root in roots
            for node in root.iter(f"{STYLE}style")
        }
        self._resolved: dict[tuple[str, str], _Style] = {}
        self._list_levels = {
            node.get(f"{STYLE}name", ""): levels_of(node) for root in roots for node in root.iter(f"{TEXT}list-style")
        }
        outline = None if self._styles_root is None else next(self._styles_root.iter(f"{TEXT}outline-style"), None)
        self._outline = {} if outline is None else levels_of(outline)
        self._outline_counters: dict[int, int] = {}
        self._list_counters: dict[str, dict[int, int]] = {}

    def read(self) -> None:
        body = self._content.find(f"{OFFICE}body/{OFFICE}text")
        self._page_furniture("header")
        if body is not None:
            self._blocks(body)
            self.source_characters += visible_characters(body)
        self._page_furniture("footer")

    def _page_furniture(self, kind: str) -> None:
        """The headers or footers of all master pages, each text once."""
        seen: set[str] = set()
        for master in self._styles_root.iter(f"{STYLE}master-page") if self._styles_root is not None else ():
            for name in (kind, f"{kind}-left", f"{kind}-first"):
                node = master.find(f"{STYLE}{name}")
                lines = [] if node is None else [self._paragraph(p).text for p in node.iter(f"{TEXT}p", f"{TEXT}h")]
                text = "\n".join(line for line in lines if line)
                if node is not None and text and text not in seen:
                    seen.add(text)
                    self.elements.append(Element(kind.capitalize(), text))
                    self.source_characters += visible_characters(node)

    # --- blocks -------------------------------------------------------------------------------------

    def _blocks(self, container: Node) -> None:
        for node in container:
            tag = node.tag
            if tag in (f"{TEXT}p", f"{TEXT}h"):
                self._emit(node)
            elif tag == f"{TEXT}list":
                self._list(node, "", 1)
            elif tag == f"{TABLE}table":
                self._table(node)
            elif tag in _CONTENTS:
                page = self.pages.page
                for line in node.iter(f"{TEXT}p", f"{TEXT}h"):
                    text = self._paragraph(line).text
                    if text:
                        self.dropped.append(DroppedText("table of contents", text, page))
            elif tag == f"{TEXT}soft-page-break":
                self.pages.laid_out_break()
            elif tag == f"{DRAW}frame":
                self._anchored(node)
            elif isinstance(tag, str) and tag not in UNSEEN:
                self._blocks(node)

    def _emit(self, node: Node, label: str | None = None) -> None:
        """The elements of a paragraph and of what is anchored in it; `label`: of the list item that it begins."""
        style = self._style("paragraph", node.get(f"{TEXT}style-name"))
        if style.break_before and (self.elements or self.dropped):
            self.pages.hard_break()
        paragraph = self._paragraph(node, hidden=style.hidden)
        text, page = paragraph.text, paragraph.page or self.pages.page
        level = style.heading_level
        if node.tag == f"{TEXT}h":
            level = number_of(node, f"{TEXT}outline-level", level or 1)
            if label is None and text:
                label = self._outline_label(node, level)
        if text and level is not None:
            heading = " ".join(f"{label or ''}{text}".split())
            self.elements.append(Element("Title", heading, page, level))
        elif text:
            category = "ListItem" if label is not None else "NarrativeText"
            self.elements.append(Element(category, f"{label or ''}{text}", page))
        self.source_characters += len("".join((label or "").split())) if text else 0
        self._emit_aside(paragraph, page)
        if style.break_after:
            self.pages.hard_break()

    def _emit_aside(self, paragraph: _Paragraph, page: int) -> None:
        self.dropped += [DroppedText("hidden text", text, page) for text in paragraph.hidden if text.strip()]
        for frame in paragraph.anchored:
            self._anchored(frame)
        for note in paragraph.notes:
            lines = [self._paragraph(p).text for p in note.iterfind(f"{TEXT}note-body//{TEXT}p")]
            text = "\n".join(line for line in lines if line)
            if text:
                self.elements.append(Element("Footnote", text, page))

    def _anchored(self, frame: Node) -> None:
        for box in frame.iterfind(f"{DRAW}text-box"):
            self._blocks(box)

    # --- lists --------------------------------------------------------------------------------------

    def _list(self, node: Node, inherited: str, level: int) -> None:
        name = node.get(f"{TEXT}style-name") or inherited
        counters = self._list_counters.setdefault(name, {})
        goes_on = node.get(f"{TEXT}continue-numbering") == "true" or node.get(f"{TEXT}continue-list") is not None
        if not goes_on:
            for index in [index for index in counters if index >= level]:
                del counters[index]
        for item in node:
            if item.tag not in (f"{TEXT}list-item", f"{TEXT}list-header"):
                continue
            label: str | None = None
            if item.tag == f"{TEXT}list-item" and begins_with_text(item):
                start = number_of(item, f"{TEXT}start-value", 0)
                label = next_label(self._list_levels.get(name, {}), counters, level, start)
            for child in item:
                if child.tag in (f"{TEXT}p", f"{TEXT}h"):
                    self._emit(child, label)
                    label = None
                elif child.tag == f"{TEXT}list":
                    self._list(child, name, level + 1)
                elif child.tag == f"{TEXT}soft-page-break":
                    self.pages.laid_out_break()

    def _outline_label(self, node: Node, level: int) -> str:
        if node.get(f"{TEXT}is-list-header") == "true":
            return ""
        start = number_of(node, f"{TEXT}start-value", 0) if node.get(f"{TEXT}restart-numbering") == "true" else 0
        return next_label(self._outline, self._outline_counters, level, start)

    # --- text ---------------------------------------------------------------------------------------

    def _paragraph(self, node: Node, *, hidden: bool = False) -> _Paragraph:
        paragraph = _Paragraph()
        self._inline(node, paragraph, hidden)
        return paragraph

    def _inline(self, node: Node, paragraph: _Paragraph, hidden: bool) -> None:
        self._write(node.text, paragraph, hidden)
        for child in node:
            match child.tag:
                case tag if tag in UNSEEN or not isinstance(tag, str):
                    pass
                case tag if tag == f"{TEXT}s":
                    self._write(" " * min(number_of(child, f"{TEXT}c", 1), _MOST_REPEATED), paragraph, hidden, raw=True)
                case tag if tag == f"{TEXT}tab":
                    self._write("\t", paragraph, hidden, raw=True)
                case tag if tag == f"{TEXT}line-break":
                    self._write("\n", paragraph, hidden, raw=True)
                case tag if tag == f"{TEXT}soft-page-break":
                    self.pages.laid_out_break()
                case tag if tag == f"{TEXT}note":
                    paragraph.notes.append(child)
                case tag if tag == f"{DRAW}frame":
                    paragraph.anchored.append(child)
                case _:
                    style = self._style("text", child.get(f"{TEXT}style-name"))
                    before = len(paragraph.parts)
                    self._inline(child, paragraph, hidden or style.hidden)
                    if style.shift:
                        written = "".join(paragraph.parts[before:])
                        paragraph.parts[before:] = [superscript(written) if style.shift > 0 else subscript(written)]
            self._write(child.tail, paragraph, hidden)

    def _write(self, text: str | None, paragraph: _Paragraph, hidden: bool, *, raw: bool = False) -> None:
        if not text:
            return
        shown = text if raw else re.sub(r"[ \t\r\n]+", " ", text)
        if hidden:
            paragraph.hidden.append(shown)
            return
        paragraph.parts.append(shown)
        if not shown.isspace():
            paragraph.page = paragraph.page or self.pages.page
            self.pages.wrote(shown)

    # --- tables -------------------------------------------------------------------------------------

    def _table(self, table: Node) -> None:
        page = self.pages.page
        asides: list[_Paragraph] = []
        nested: list[Node] = []
        grid: list[list[Cell]] = []
        for row in rows_of(table):
            if row.tag == f"{TEXT}soft-page-break":
                self.pages.laid_out_break()
                continue
            cells = [cell for node in row for cell in self._cells(node, asides, nested)]
            repeated = min(number_of(row, f"{TABLE}number-rows-repeated", 1), _MOST_REPEATED)
            self._cell_count += len(cells) * repeated
            check_cells(self._cell_count)
            grid += [cells] * repeated
        headers = sum(len(group) for group in table.iterfind(f"{TABLE}table-header-rows"))
        element = spanned_table_element(grid, header_rows=headers, page_number=page)
        if element is not None:
            metadata = {"page_end": self.pages.page} if self.pages.page > page else {}
            self.elements.append(replace(element, metadata=metadata))
        for inner in nested:
            self._table(inner)
        for paragraph in asides:
            self._emit_aside(paragraph, paragraph.page or page)

    def _cells(self, node: Node, asides: list[_Paragraph], nested: list[Node]) -> Iterator[Cell]:
        if node.tag != f"{TABLE}table-cell":
            return
        lines = []
        for child in cell_content(node):
            if child.tag == f"{TABLE}table":
                nested.append(child)
                continue
            paragraph = self._paragraph(child)
            lines.append(paragraph.text)
            if paragraph.anchored or paragraph.notes or paragraph.hidden:
                asides.append(paragraph)
        cell = Cell(
            " ".join(lines),
            max(1, number_of(node, f"{TABLE}number-rows-spanned", 1)),
            max(1, number_of(node, f"{TABLE}number-columns-spanned", 1)),
        )
        repeated = min(number_of(node, f"{TABLE}number-columns-repeated", 1), _MOST_REPEATED)
        yield from [cell] * repeated

    # --- styles -------------------------------------------------------------------------------------

    def _style(self, family: str, name: str | None) -> _Style:
        if name is None:
            return _Style()
        key = (family, name)
        if key not in self._resolved:
            self._resolved[key] = _Style()  # for styles that inherit from themselves
            self._resolved[key] = self._read_style(key)
        return self._resolved[key]

    def _read_style(self, key: tuple[str, str]) -> _Style:
        family, name = key
        node = self._style_nodes.get(key)
        if node is None:
            return _Style(_level_by_name(name))
        base = self._style(family, node.get(f"{STYLE}parent-style-name"))
        level = _level_by_name(name)
        outline = node.get(f"{STYLE}default-outline-level")
        if outline is not None:
            level = int(outline) if outline.isdecimal() else None
        elif level is None:
            level = base.heading_level
        text = node.find(f"{STYLE}text-properties")
        layout = node.find(f"{STYLE}paragraph-properties")
        display = None if text is None else text.get(f"{TEXT}display")
        position = "" if text is None else text.get(f"{STYLE}text-position", "")
        return _Style(
            level,
            hidden=base.hidden if display is None else display == "none",
            break_before=bool(node.get(f"{STYLE}master-page-name"))
            or (layout is not None and layout.get(f"{FO}break-before") == "page"),
            break_after=layout is not None and layout.get(f"{FO}break-after") == "page",
            shift=_shift(position) if position else base.shift,
        )


def _shift(position: str) -> int:
    """Of a text position such as `super 58%`, `-33% 58%` or `0% 100%`."""
    place = position.split(maxsplit=1)[0]
    if place in ("super", "sub"):
        return 1 if place == "super" else -1
    return (place[0] != "-") * 2 - 1 if place.strip("-+%0.") else 0


def _level_by_name(name: str) -> int | None:
    if name in ("Title", "标题"):
        return 1
    match = _HEADING_NAME.match(name)
    return int(match[1]) if match else None


def _metadata(package: Package) -> dict[str, str]:
    root = package.optional_xml("meta.xml")
    title = "" if root is None else root.findtext(".//{http://purl.org/dc/elements/1.1/}title") or ""
    return {"title": " ".join(title.split())} if title.strip() else {}

"""PPTX -> elements: a slide is a page, its title a heading of level 1, its notes follow it.

Shapes are read in the order in which a person would: `reading_order` cuts the slide along its widest gaps.
Hidden slides, and the dates, footers and numbers of slides, are dropped and listed. Running text need not be
in a footer: a text box that says the same at the same place at the edge of most slides is running text, too.

Terms (ECMA-376 part 1, 19.3)
  placeholder   a shape that takes its place and its looks from the shape of the same type or index in the
                slide's layout, and that one from the master.
  frame         (left, top, right, bottom) of a shape on the slide, in EMU.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kb_pipeline.errors import LimitExceeded
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.office.counting import number_text
from kb_pipeline.parsing.office.drawings import A, C, chart_element, diagram_texts
from kb_pipeline.parsing.office.equations import M, equation_text
from kb_pipeline.parsing.office.package import Package, Relationship, mended_warnings
from kb_pipeline.parsing.office.placeholders import (
    TITLES,
    inherited_type,
    placeholder_of,
    placeholder_type,
    shapes_above,
)
from kb_pipeline.parsing.office.reading_order import Frame, reading_order, under_heads
from kb_pipeline.parsing.office.slide_frames import P, Transform, frame_of, group_transform
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.scripts_notation import subscript, superscript
from kb_pipeline.parsing.tables import Cell, element_characters, plain_text, spanned_table_element

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_FURNITURE = {"ftr": "Footer", "dt": "Footer", "hdr": "Header", "sldNum": "PageNumber"}
_TITLE_WITHIN = 3  # texts from the top that can stand for a title which is missing
_LONGEST_TITLE = 80  # columns of such a text
_EDGE = 0.15  # of the height of a slide, at the top and at the bottom
_LONGEST_RUNNING = 80  # columns
_FEWEST_REPEATS = 3  # slides
_SAME_PLACE = 360_000  # EMU, 1 cm
_NOTES = {"notes": True}
_AUTO_NUMBER_FORMATS = {
    "arabic": "decimal",
    "alphaLc": "lowerLetter",
    "alphaUc": "upperLetter",
    "romanLc": "lowerRoman",
    "romanUc": "upperRoman",
    "circleNumDb": "decimalEnclosedCircle",
    "ea1Chs": "chineseCounting",
    "ea1Cht": "chineseCounting",
    "ea1JpnChsDb": "chineseCounting",
    "arabicDb": "decimalFullWidth",
    "ea1JpnKor": "chineseCounting",
    "circleNumWd": "decimalEnclosedCircle",
}
_AUTO_NUMBER_MARKS = {"Period": "{}.", "ParenR": "{})", "ParenBoth": "({})", "Minus": "{}-", "Plain": "{}"}

_Running = tuple[str, int, int]  # a text, and where it stands in units of _SAME_PLACE
_NOWHERE: Frame = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A shape with its frame; `kind` is its placeholder type, '' for one without a type, None for other shapes."""

    node: Node
    frame: Frame
    kind: str | None
    inherited: tuple[Node, ...] = ()  # the shapes of layout and master that it follows


def read_pptx(data: bytes, *, limits: ParseLimits) -> ParsedDocument:
    """Raises LimitExceeded for more slides than pages may be, MalformedDocument where the slides are not there."""
    package = Package(data)
    presentation = package.xml(package.main_part)
    relationships = package.relationships(package.main_part)
    slides = [
        relationships[slide_id]
        for node in presentation.iterfind(f"{P}sldIdLst/{P}sldId")
        if (slide_id := node.get(f"{R}id", "")) in relationships
    ]
    if len(slides) > limits.pages:
        raise LimitExceeded(
            f"The file has {len(slides)} slides, more than the limit of {limits.pages}; "
            "raise limits.pages or split the file."
        )
    size = presentation.find(f"{P}sldSz")
    reader = _Reader(package, height=float(size.get("cy") or 0) if size is not None else 0.0)
    reader.learn_running_text(slides)
    for number, slide in enumerate(slides, start=1):
        reader.read_slide(slide, number)
    return ParsedDocument(
        tuple(reader.elements),
        tuple(reader.dropped),
        page_count=len(slides),
        metadata={"title": package.title} if package.title else {},
        warnings=(*mended_warnings(package), *reader.warnings()),
        source_characters=reader.source_characters,
    )


class _Reader:
    """Reads slide after slide; `elements` and `dropped` grow as it goes."""

    def __init__(self, package: Package, *, height: float) -> None:
        self.elements: list[Element] = []
        self.dropped: list[DroppedText] = []
        self.source_characters = 0
        self._package = package
        self._height = height
        self._running: set[_Running] = set()
        self._hidden = 0
        self._missing = 0
        self._placeholders: dict[str, list[Node]] = {}
        self._relationships: Mapping[str, Relationship] = {}

    def warnings(self) -> Iterator[str]:
        if self._hidden:
            yield f"{self._hidden} hidden slides were left out; show them in PowerPoint to have them read."
        if self._missing:
            yield f"{self._missing} slides are missing in the file; open it and save it again."

    def learn_running_text(self, slides: Sequence[Relationship]) -> None:
        """Find what stands at the same place at the edge of most slides."""
        seen: Counter[_Running] = Counter()
        for number, slide in enumerate(slides, start=1):
            root = self._package.optional_xml(slide.target)
            if root is not None:
                self._relationships = self._package.relationships(slide.target)
                shapes = (shape for shape in self._shapes(root) if shape.kind is None)
                seen.update({key for shape in shapes for key in self._running_keys(shape, number)})
        self._running = {key for key, count in seen.items() if count >= max(_FEWEST_REPEATS, len(slides) / 2)}

    def _running_keys(self, shape: _Shape, number: int) -> Iterator[_Running]:
        """What tells a short text at the edge of a slide from others: as it is, and with # for the slide's number."""
        left, top, _, bottom = shape.frame
        at_edge = bottom <= _EDGE * self._height or top >= (1 - _EDGE) * self._height
        text = _one_line(shape.node) if at_edge and shape.frame != _NOWHERE else ""
        if not text or display_width(text) > _LONGEST_RUNNING:
            return
        place = round(left / _SAME_PLACE), round(top / _SAME_PLACE)
        yield text, *place
        for found in re.finditer(rf"(?<!\d){number}(?!\d)", text):
            yield f"{text[: found.start()]}#{text[found.end() :]}", *place

    def read_slide(self, relationship: Relationship, number: int) -> None:
        root = self._package.optional_xml(relationship.target)
        if root is None:
            self._missing += 1
            return
        self._relationships = self._package.relationships(relationship.target)
        elements = list(self._slide_elements(root, number))
        self.source_characters += _visible_characters(root)
        notes = next((found for found in self._relationships.values() if found.kind == "notesSlide"), None)
        notes_root = None if notes is None else self._package.optional_xml(notes.target)
        if notes_root is not None:
            elements += list(self._notes_elements(notes_root, number))
        if any(element.category not in _FURNITURE.values() for element in elements) and elements[0].category != "Title":
            # PowerPoint's own name for it, so that its text does not go under the title of the slide before.
            elements.insert(0, Element("Title", f"Slide {number}", number, 1))
            self.source_characters += _count(elements[0].text)
        if root.get("show") in ("0", "false"):
            self._hidden += 1
            self.dropped += [DroppedText("hidden slide", plain_text(element), number) for element in elements]
        else:
            self.elements += elements

    # --- slides -------------------------------------------------------------------------------------

    def _slide_elements(self, root: Node, number: int) -> Iterator[Element]:
        shapes = list(self._shapes(root))
        titles = [shape for shape in shapes if shape.kind in TITLES and _plain_text(shape.node)]
        content = [shape for shape in shapes if shape not in titles and _holds_something(shape.node)]
        furniture = {id(shape): category for shape in content if (category := self._furniture(shape, number))}
        stacks = under_heads(
            [(shape, shape.frame, _lines(shape.node)) for shape in content if id(shape) not in furniture]
        )
        ordered = [shape for stack in reading_order(stacks) for shape in stack]
        title = titles[0] if titles else _stand_in_title(ordered)
        if title is not None:
            yield Element("Title", _one_line(title.node), number, 1)
        # Further title shapes, as some layouts have, are text.
        for shape in (*titles[1:], *(shape for shape in ordered if shape is not title)):
            yield from self._shape_elements(shape, number)
        for shape in content:
            if id(shape) in furniture:
                yield Element(furniture[id(shape)], _one_line(shape.node), number)

    def _furniture(self, shape: _Shape, number: int) -> str | None:
        """The category of a shape that is no content of its slide."""
        if shape.kind is not None:
            return _FURNITURE.get(shape.kind)
        keys = self._running.intersection(self._running_keys(shape, number))
        if not keys:
            return None
        if not any(letter.isalpha() for text, _, _ in keys for letter in text):
            return "PageNumber"
        return "Header" if shape.frame[1] < self._height / 2 else "Footer"

    def _notes_elements(self, root: Node, number: int) -> Iterator[Element]:
        for node in root.iter(f"{P}sp"):
            if placeholder_type(node) != "body":
                continue
            for paragraph in node.iter(f"{A}p"):
                text = _paragraph_text(paragraph).strip()
                if text:
                    yield Element("NarrativeText", text, number, metadata=_NOTES)
                    self.source_characters += _count(text)

    def _shapes(self, root: Node) -> Iterator[_Shape]:
        layout = self._related("slideLayout", self._relationships)
        master = None
        if layout is not None:
            master = self._related("slideMaster", self._package.relationships(layout))
        tree = root.find(f"{P}cSld/{P}spTree")
        if tree is not None:
            yield from self._tree_shapes(tree, [self._placeholders_of(part) for part in (layout, master) if part], None)

    def _related(self, kind: str, relationships: Mapping[str, Relationship]) -> str | None:
        return next((found.target for found in relationships.values() if found.kind == kind), None)

    def _placeholders_of(self, part: str) -> list[Node]:
        """The placeholder shapes of a layout or master."""
        if part not in self._placeholders:
            root = self._package.optional_xml(part)
            nodes = [] if root is None else list(root.iter(f"{P}sp"))
            self._placeholders[part] = [node for node in nodes if placeholder_of(node) is not None]
        return self._placeholders[part]

    def _tree_shapes(self, tree: Node, above: Sequence[Sequence[Node]], group: Transform | None) -> Iterator[_Shape]:
        for node in tree:
            if node.tag == f"{P}grpSp":
                yield from self._tree_shapes(node, above, group_transform(node, group))
            elif node.tag == f"{MC}AlternateContent":
                choice = node.find(f"{MC}Choice")
                chosen = choice if choice is not None and _holds_something(choice) else node.find(f"{MC}Fallback")
                if chosen is not None:
                    yield from self._tree_shapes(chosen, above, group)
            elif node.tag in (f"{P}sp", f"{P}graphicFrame", f"{P}cxnSp"):
                placeholder = placeholder_of(node)
                inherited = tuple(shapes_above(placeholder, above)) if placeholder is not None else ()
                kind = inherited_type(node, inherited) if placeholder is not None else None
                frame = next((found for source in (node, *inherited) if (found := frame_of(source))), _NOWHERE)
                yield _Shape(node, frame if group is None else group.applied(frame), kind, inherited)

    # --- shapes -------------------------------------------------------------------------------------

    def _shape_elements(self, shape: _Shape, number: int) -> Iterator[Element]:
        node = shape.node
        table = node.find(f".//{A}tbl")
        chart = node.find(f".//{C}chart")
        diagram = node.find(f".//{_DIAGRAM}relIds")
        if table is not None:
            element = _table_element(table, number)
            if element is not None:
                yield element
        elif chart is not None:
            root = self._part_of(chart.get(f"{R}id", ""))
            element = None if root is None else chart_element(root, page_number=number)
            if element is not None:
                self.source_characters += element_characters(element)  # which the slide itself does not hold
                yield element
        elif diagram is not None:
            root = self._part_of(diagram.get(f"{R}dm", ""))
            for text in diagram_texts(root) if root is not None else ():
                self.source_characters += _count(text)
                yield Element("ListItem", text, number)
        else:
            yield from _text_elements(shape, number)

    def _part_of(self, relationship_id: str) -> Node | None:
        relationship = self._relationships.get(relationship_id)
        return None if relationship is None else self._package.optional_xml(relationship.target)


# --- text --------------------------------------------------------------------------------------------


def _text_elements(shape: _Shape, number: int) -> Iterator[Element]:
    counter: dict[int, int] = {}
    for paragraph in shape.node.iterfind(f"{P}txBody/{A}p"):
        text = _paragraph_text(paragraph).strip()
        if not text:
            continue
        properties = paragraph.find(f"{A}pPr")
        level = int(properties.get("lvl") or 0) if properties is not None else 0
        label = _auto_number(properties, level, counter)
        category = "ListItem" if label or _has_bullet(properties, level, shape) else "NarrativeText"
        if any(child.tag == f"{MC}AlternateContent" or child.tag.startswith(M) for child in paragraph):
            category = "Formula" if not any(paragraph.iter(f"{A}t")) else category
        yield Element(category, f"{label} {text}" if label else text, number)


def _paragraph_text(paragraph: Node) -> str:
    parts = []
    for node in paragraph:
        if node.tag in (f"{A}r", f"{A}fld"):
            text = node.findtext(f"{A}t") or ""
            properties = node.find(f"{A}rPr")
            baseline = "" if properties is None else properties.get("baseline", "")
            if baseline.strip("-0%"):
                text = subscript(text) if baseline.startswith("-") else superscript(text)
            parts.append(text)
        elif node.tag == f"{A}br":
            parts.append("\n")
        elif isinstance(node.tag, str) and next(node.iter(f"{M}oMath"), None) is not None:
            parts.append(equation_text(next(node.iter(f"{M}oMath"))))
    return "".join(parts).replace("\v", "\n").replace("_x000B_", "\n")


def _auto_number(properties: Node | None, level: int, counter: dict[int, int]) -> str:
    """The number of an automatically numbered paragraph; the counters of deeper levels start anew."""
    for deeper in [other for other in counter if other > level]:
        del counter[deeper]
    scheme = None if properties is None else properties.find(f"{A}buAutoNum")
    if scheme is None:
        counter.pop(level, None)
        return ""
    start = scheme.get("startAt", "1")
    counter[level] = counter[level] + 1 if level in counter else int(start) if start.isdecimal() else 1
    name = scheme.get("type", "arabicPeriod")
    mark = next((mark for mark in _AUTO_NUMBER_MARKS if name.endswith(mark)), "Period")
    number_format = _AUTO_NUMBER_FORMATS.get(name.removesuffix(mark), "decimal")
    return _AUTO_NUMBER_MARKS[mark].format(number_text(counter[level], number_format))


def _has_bullet(properties: Node | None, level: int, shape: _Shape) -> bool:
    """Whether a bullet is shown; the text of a body placeholder has one unless its layout says otherwise."""
    styles = [f"{P}txBody/{A}lstStyle/{A}lvl{level + 1}pPr"]
    sources = [properties, *(source.find(path) for source in (shape.node, *shape.inherited) for path in styles)]
    for source in sources:
        if source is None:
            continue
        if source.find(f"{A}buNone") is not None:
            return False
        if any(source.find(f"{A}{name}") is not None for name in ("buChar", "buBlip", "buAutoNum")):
            return True
    return shape.kind in ("body", "obj", "")


def _table_element(table: Node, number: int) -> Element | None:
    rows = []
    for row in table.iterfind(f"{A}tr"):
        cells = []
        for cell in row.iterfind(f"{A}tc"):
            if cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true"):
                continue
            lines = [_paragraph_text(paragraph) for paragraph in cell.iter(f"{A}p")]
            cells.append(Cell(" ".join(lines), _span(cell, "rowSpan"), _span(cell, "gridSpan")))
        rows.append(cells)
    properties = table.find(f"{A}tblPr")
    header = properties is not None and properties.get("firstRow") in ("1", "true")
    return spanned_table_element(rows, header_rows=int(header), page_number=number)


def _span(cell: Node, name: str) -> int:
    value = cell.get(name, "1")
    return max(1, min(int(value), 1000)) if value.isdecimal() else 1


def _stand_in_title(ordered: Sequence[_Shape]) -> _Shape | None:
    """What serves as the title of a slide without one: its largest text, if that is short and among the first."""
    sizes = [_largest_font(shape.node) for shape in ordered]
    for shape, size in zip(ordered[:_TITLE_WITHIN], sizes, strict=False):
        if _lines(shape.node) == 1 and display_width(_one_line(shape.node)) <= _LONGEST_TITLE and size >= max(sizes):
            return shape
    return None


def _largest_font(node: Node) -> int:
    """In hundredths of a point; 0 where the shape says nothing."""
    sizes = (properties.get("sz", "") for properties in node.iter(f"{A}rPr"))
    return max((int(size) for size in sizes if size.isdecimal()), default=0)


def _lines(node: Node) -> int:
    return sum(bool(_paragraph_text(paragraph).strip()) for paragraph in node.iterfind(f"{P}txBody/{A}p"))


def _one_line(node: Node) -> str:
    return " ".join(" ".join(_paragraph_text(p) for p in node.iterfind(f"{P}txBody/{A}p")).split())


def _plain_text(node: Node) -> str:
    return "".join(text.text or "" for text in node.iter(f"{A}t", f"{M}t")).strip()


def _holds_something(node: Node) -> bool:
    marks = (f"{A}tbl", f"{C}chart", f"{_DIAGRAM}relIds")
    return bool(_plain_text(node)) or any(next(node.iter(mark), None) is not None for mark in marks)


def _visible_characters(root: Node) -> int:
    """The visible characters of a slide, without the fallbacks of newer objects."""
    return sum(
        _count(node.text or "")
        for node in root.iter(f"{A}t", f"{M}t")
        if not any(ancestor.tag == f"{MC}Fallback" for ancestor in node.iterancestors())
    )


def _count(text: str) -> int:
    return len("".join(text.split()))

"""The blocks of an HTML page in reading order: headings, paragraphs, list items, code, tables.

A *block* is what a browser would show as lines of its own. A table that only lays out the page is read as
the blocks in its cells. Beside its text, a block knows how it looks where style attributes and tags tell, for
pages whose headings are bold paragraphs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import DroppedText
from kb_pipeline.parsing.html.boilerplate import DROPPED_BECAUSE
from kb_pipeline.parsing.html.tables import SHIFTED, is_layout, shifted, stray_text, table_elements
from kb_pipeline.parsing.text import CHINESE

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCK_TAGS = frozenset(
    {"html", "body", "div", "p", "section", "article", "header", "footer", "main", "aside", "nav", "ul"}
    | {"ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"}
    | {"blockquote", "figure", "figcaption", "address", "fieldset", "legend", "form", "details"}
    | {"summary", "center", "hgroup", "dialog", "menu", "dir", "noframes", "title", "option"}
) | frozenset(HEADINGS)
_CODE_TAGS = frozenset({"pre", "listing", "xmp", "plaintext", "textarea"})
_BOLD_TAGS = frozenset({"b", "strong", "th"})
_ITALIC_TAGS = frozenset({"i", "em"})
_BOLD_STYLE = re.compile(r"font-weight\s*:\s*(bold|[6-9]00|normal|[1-5]00)|font\s*:[^;]*\b(bold)\b", re.IGNORECASE)
_ITALIC_STYLE = re.compile(r"font-style\s*:\s*italic|font\s*:[^;]*\bitalic\b", re.IGNORECASE)
_BOLD_WEIGHTS = frozenset({"bold", "600", "700", "800", "900"})
_CENTER_STYLE = re.compile(r"text-align\s*:\s*center", re.IGNORECASE)
_SIZE_STYLE = re.compile(r"font(?:-size)?\s*:[^;]*?(\d{1,3}(?:\.\d+)?)\s*(pt|px|em|rem|%)", re.IGNORECASE)
_POINTS = {"pt": 1.0, "px": 0.75, "em": 12.0, "rem": 12.0, "%": 0.12}
_FONT_SIZES = {"1": 8.0, "2": 10.0, "3": 12.0, "4": 14.0, "5": 18.0, "6": 24.0, "7": 36.0}
_PAGE_BREAK_STYLE = re.compile(
    r"page-break-(?:before|after)\s*:\s*always|break-(?:before|after)\s*:\s*page", re.IGNORECASE
)
_SOURCE_BREAK = re.compile(r"[ \t\r\f]*\n[ \t\r\n\f]*")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_PARAGRAPHS_IN_BREAKS = re.compile(r"\n[ \u00a0]*\n\s*|\n(?=[\u3000\u00a0]{2})")
_FILE_NAME = re.compile(r"\S+\.(?:png|jpe?g|gif|svg|webp|bmp)", re.IGNORECASE)
_MEANINGLESS_ALTS = frozenset({"image", "img", "logo", "icon", "photo", "picture", "图片", "图像"})
_LINE_NUMBERS = re.compile(r"\s*(?:\d+\s+)*\d+\s*")


@dataclass(frozen=True, slots=True)
class Look:
    """How text is shown, as far as tags and style attributes tell. `size`: points, None where unsaid."""

    bold: bool = False
    italic: bool = False
    centered: bool = False
    size: float | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """`category`: as of an element. `level`: of a heading tag. `depth`: of the list that an item is in, from 1."""

    category: str
    text: str
    level: int | None = None
    depth: int = 0
    html: str | None = None
    look: Look = field(default_factory=Look)
    is_page_break: bool = False


@dataclass(frozen=True, slots=True)
class _Open:
    """What the text in an open element is: of a heading, an item, a term, a caption; and how it looks."""

    look: Look
    category: str
    level: int | None = None


@dataclass(slots=True)
class _List:
    """An open list: the number of its last item, None for bullets; a marker waits for the item's first text."""

    number: int | None
    marker: str = ""


class BlockReader:
    """Walks a tree once and collects its blocks, and the text of what was marked as boilerplate."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.dropped: list[DroppedText] = []
        self._pieces: list[tuple[str, Look]] = []
        self._open: list[_Open] = [_Open(Look(), "NarrativeText")]  # the last entry holds
        self._opened: list[bool] = []  # for each open node, whether it added to the list above
        self._lists: list[_List] = []
        self._shifts: list[int] = []  # where the pieces of raised and lowered text that is open begin
        self._term = ""

    def read(self, root: Node) -> None:
        """Append the blocks below `root`."""
        from lxml import etree

        walk = etree.iterwalk(root, events=("start", "end"))
        skipped: Node | None = None
        for event, node in walk:
            if event == "start":
                if self._is_taken_whole(node):
                    walk.skip_subtree()
                    skipped = node
                else:
                    self._start(node)
            else:
                if node is skipped:
                    skipped = None
                else:
                    self._end(node)
                if node is not root:
                    self._add_text(node.tail)
        self._flush()
        self._flush_term()

    def _is_taken_whole(self, node: Node) -> bool:
        """Boilerplate, code and data tables, which are not walked into."""
        reason = node.get(DROPPED_BECAUSE)
        if reason:
            self._flush()
            self._drop(node, reason)
            return True
        if node.tag in _CODE_TAGS:
            self._flush()
            code = _code_text(node)
            if _LINE_NUMBERS.fullmatch(code) and "\n" in code:
                self.dropped.append(DroppedText("line numbers", code))
            elif code.strip():
                self.blocks.append(Block("CodeSnippet", code))
            return True
        if node.tag == "table" and not is_layout(node):
            self._flush()
            self._table(node)
            return True
        return False

    def _drop(self, node: Node, reason: str) -> None:
        heading = node.find(".//h1") if reason == "HTML header" else None
        if heading is not None:
            # The title of the page; the rest of the header is listed.
            title = _BLANKS.sub(" ", "".join(heading.itertext())).strip()
            if title:
                self.blocks.append(Block("Title", title, level=1))
            for child in list(heading):
                heading.remove(child)
            heading.text = None
        text = plain_text(node)
        if text:
            self.dropped.append(DroppedText(reason, text))

    def _table(self, node: Node) -> None:
        for caption in node.findall("caption"):
            text = plain_text(caption)
            if text:
                self.blocks.append(Block("FigureCaption", text))
            node.remove(caption)
        stray = stray_text(node)
        if stray:
            self.blocks.append(Block("NarrativeText", stray))
        look = _look_of_all(node, self._open[-1].look) if sum(1 for _ in node.iter("tr")) == 1 else Look()
        self.blocks += [
            Block(element.category, element.text, html=element.html, look=look)
            for element in table_elements(node, self.dropped)
        ]

    def _start(self, node: Node) -> None:
        tag = node.tag
        if tag == "br":
            self._pieces.append(("\n", self._open[-1].look))
            return
        if tag == "hr":
            self._flush()
            self.blocks.append(Block("PageBreak", "", is_page_break=True))
            return
        if tag == "img":
            self._image(node)
            return
        if tag in SHIFTED:
            self._shifts.append(len(self._pieces))
        look = _look(node, self._open[-1].look)
        if tag in _BLOCK_TAGS:
            self._flush()
            if _PAGE_BREAK_STYLE.search(node.get("style") or ""):
                self.blocks.append(Block("PageBreak", "", is_page_break=True))
        self._open_lists(node)
        category, level = _category(tag)
        above = self._open[-1]
        self._opened.append(category is not None or look is not above.look)
        if category is not None:
            self._open.append(_Open(look, category, level))
        elif look is not above.look:
            self._open.append(_Open(look, above.category, above.level))
        self._add_text(node.text)

    def _open_lists(self, node: Node) -> None:
        if node.tag in ("ul", "menu", "dir", "dl"):
            self._lists.append(_List(None))
        elif node.tag == "ol":
            start = node.get("start") or ""
            self._lists.append(_List(int(start) - 1 if start.isdecimal() and len(start) < 10 else 0))
        elif node.tag == "li" and self._lists:
            current = self._lists[-1]
            if current.number is not None:
                value = node.get("value") or ""
                current.number = int(value) if value.isdecimal() and len(value) < 10 else current.number + 1
                current.marker = f"{current.number}. "

    def _end(self, node: Node) -> None:
        tag = node.tag
        if tag in ("br", "hr", "img"):
            return
        if tag in SHIFTED:
            start = min(self._shifts.pop(), len(self._pieces))
            text = "".join(piece for piece, _ in self._pieces[start:])
            self._pieces[start:] = [(shifted(node, text), self._open[-1].look)] if text else []
        if tag in _BLOCK_TAGS:
            self._flush()
            if tag in ("dl", "dd"):
                self._flush_term()
            if tag in ("ul", "ol", "menu", "dir", "dl") and self._lists:
                self._lists.pop()
            elif tag == "li" and self._lists:
                self._lists[-1].marker = ""
        if self._opened.pop():
            self._open.pop()

    def _image(self, node: Node) -> None:
        alt = " ".join((node.get("alt") or "").split())
        if alt and alt.lower() not in _MEANINGLESS_ALTS and not _FILE_NAME.fullmatch(alt):
            self._pieces.append((f" {alt} ", Look()))

    def _add_text(self, text: str | None) -> None:
        if text:
            self._pieces.append((_collapsed(text), self._open[-1].look))

    def _flush(self) -> None:
        """The text since the last block border becomes one or more blocks."""
        if not self._pieces:
            return
        pieces, self._pieces = self._pieces, []
        text = "".join(piece for piece, _ in pieces)
        if not text.strip():
            return
        look = _prevailing(pieces)
        opened = self._open[-1]
        if opened.category == "Term":
            self._flush_term()
            self._term = _tidy(text)
            return
        for part in _PARAGRAPHS_IN_BREAKS.split(text):
            tidy = _tidy(part)
            if tidy:
                self.blocks.append(self._block(tidy, opened, look))

    def _block(self, text: str, opened: _Open, look: Look) -> Block:
        category = opened.category
        if category == "ListItem":
            if self._lists and self._lists[-1].marker:
                text, self._lists[-1].marker = self._lists[-1].marker + text, ""
            if self._term:
                colon = "：" if CHINESE.match(self._term[-1]) else ": "
                text, self._term = self._term.rstrip(":：") + colon + text, ""
            return Block(category, text, depth=max(len(self._lists), 1), look=look)
        self._flush_term()
        if category == "Title":
            return Block(category, " ".join(text.split()), level=opened.level)
        return Block(category, text, look=look)

    def _flush_term(self) -> None:
        """A term without a definition."""
        if self._term:
            self.blocks.append(Block("ListItem", self._term, depth=max(len(self._lists), 1)))
            self._term = ""


def _category(tag: str) -> tuple[str | None, int | None]:
    """The category and heading level that a tag gives its text, if any."""
    if tag in HEADINGS:
        return "Title", HEADINGS[tag]
    if tag in ("li", "dd"):
        return "ListItem", None
    if tag == "dt":
        return "Term", None
    return ("FigureCaption", None) if tag == "figcaption" else (None, None)


def plain_text(node: Node) -> str:
    """All text of a node, its pieces apart."""
    return " ".join(" ".join(node.itertext()).split())


def _collapsed(text: str) -> str:
    """White space as a browser shows it; a line end between Chinese characters is none."""
    if "\n" in text:
        text = _SOURCE_BREAK.sub(_break_in_source, text)
    return _BLANKS.sub(" ", text)


def _break_in_source(match: re.Match[str]) -> str:
    before, after = match.string[max(match.start() - 1, 0) : match.start()], match.string[match.end() : match.end() + 1]
    return "" if before and after and CHINESE.match(before) and CHINESE.match(after) else " "


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _code_text(node: Node) -> str:
    """The text of preformatted code, its lines as they are; `<br>` ends a line."""
    for br in node.iter("br"):
        br.tail = "\n" + (br.tail or "")
    return "".join(node.itertext()).strip("\r\n").rstrip()


def _look(node: Node, above: Look) -> Look:
    """The look of a node's text; the same object where nothing changes."""
    tag, attributes = node.tag, node.attrib
    if not attributes and tag not in _BOLD_TAGS and tag not in _ITALIC_TAGS and tag != "center":
        return above
    bold, italic, centered, size = _styled(attributes.get("style", ""))
    look = Look(
        above.bold or tag in _BOLD_TAGS if bold is None else bold,
        above.italic or tag in _ITALIC_TAGS or italic,
        above.centered or tag == "center" or centered or attributes.get("align", "").lower() == "center",
        size or (_FONT_SIZES.get(attributes.get("size", "")) if tag == "font" else None) or above.size,
    )
    return above if look == above else look


@lru_cache(maxsize=4096)
def _styled(style: str) -> tuple[bool | None, bool, bool, float | None]:
    """Bold (None where unsaid), italic, centered and points of a style attribute."""
    if not style:
        return None, False, False, None
    weight = _BOLD_STYLE.search(style)
    size = _SIZE_STYLE.search(style)
    return (
        (weight.group(1) or weight.group(2)).lower() in _BOLD_WEIGHTS if weight else None,
        bool(_ITALIC_STYLE.search(style)),
        bool(_CENTER_STYLE.search(style)),
        round(float(size.group(1)) * _POINTS[size.group(2).lower()], 1) if size else None,
    )


def _look_of_all(node: Node, above: Look) -> Look:
    """The look of the text in a small tree."""
    pieces: list[tuple[str, Look]] = []
    pending: list[tuple[Node, Look]] = [(node, above)]
    while pending:
        current, look = pending.pop()
        inner = _look(current, look)
        pieces.append((current.text or "", inner))
        for child in current:
            pieces.append((child.tail or "", inner))
            pending.append((child, inner))
    return _prevailing(pieces)


def _prevailing(pieces: list[tuple[str, Look]]) -> Look:
    """Bold and italic only where all text is; the size of most of it."""
    weights: dict[Look, int] = {}
    for text, look in pieces:
        letters = sum(character.isalnum() for character in text)
        if letters:
            weights[look] = weights.get(look, 0) + letters
    if not weights:
        return Look()
    main = max(weights, key=weights.__getitem__)
    return Look(all(w.bold for w in weights), all(w.italic for w in weights), main.centered, main.size)

"""Paragraph and character styles of a Word file, each with what it inherits from the styles it is based on.

A style makes headings by its outline level, or by its name where it has none: Word's own names are
"heading 1" in every language, other programs and templates write "标题 1", "一级标题" or "Überschrift 1".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kb_pipeline.parsing.office.lists import W

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

BODY_OUTLINE = 9  # the outline level of text that is no heading; those of headings count from 0
_DEFAULT_HALF_POINTS = 20  # font size where no style says one
_HEADING_NAME = re.compile(
    r"(?:\bheading|标题|標題|überschrift|titre|título|titolo|kop|rubrik|overskrift|заголовок|見出し|제목)\s*([1-9])\b",
    re.IGNORECASE,
)
_RANKED_NAME = re.compile(r"([一二三四五六1-6])级标题")
_TITLE_NAMES = frozenset({"title", "标题", "標題", "文档标题", "titel", "document title"})
_CONTENTS_NAME = re.compile(r"(?:toc|目录|目錄)\s*(?:\d|heading|标题)|contents (?:\d|heading)", re.IGNORECASE)
_CAPTION_NAMES = frozenset({"caption", "题注", "題注", "图表标题", "figure caption", "table caption"})
_CODE_NAMES = frozenset(
    {
        "html preformatted",
        "html 预设格式",
        "source code",
        "code",
        "code block",
        "代码",
        "preformatted text",
        "macro text",
    }
)
_OFF = ("0", "false", "off", "none")


@dataclass(frozen=True, slots=True)
class Style:
    """`outline`: 0 to 8 for headings, 9 for text, None where nothing says. `half_points`: font size."""

    name: str = ""
    outline: int | None = None
    list_id: str | None = None
    list_level: int | None = None
    hidden: bool = False
    bold: bool = False
    half_points: int = _DEFAULT_HALF_POINTS
    page_break_before: bool = False

    @property
    def heading_level(self) -> int | None:
        """1 for the top; None for text."""
        if self.outline is not None:
            return self.outline + 1 if self.outline < BODY_OUTLINE else None
        return None

    @property
    def is_title(self) -> bool:
        """Of the document rather than of a part of it."""
        return self.name.lower() in _TITLE_NAMES

    @property
    def is_contents(self) -> bool:
        return _CONTENTS_NAME.match(self.name) is not None

    @property
    def is_caption(self) -> bool:
        return self.name.lower() in _CAPTION_NAMES

    @property
    def is_code(self) -> bool:
        return self.name.lower() in _CODE_NAMES


class Styles:
    """The styles of a document, by their ids."""

    def __init__(self, root: Node | None) -> None:
        self._nodes: dict[str, Node] = {}
        self._resolved: dict[str, Style] = {}
        self._default = Style()
        self._default_paragraph: str | None = None
        if root is None:
            return
        defaults = root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr")
        self._default = replace(self._default, **_run_changes(defaults))  # type: ignore[arg-type]
        for node in root.iterfind(f"{W}style"):
            style_id = node.get(f"{W}styleId", "")
            self._nodes[style_id] = node
            if node.get(f"{W}type") == "paragraph" and node.get(f"{W}default") in ("1", "true", "on"):
                self._default_paragraph = style_id

    def get(self, style_id: str | None) -> Style:
        """The style; that of plain paragraphs for None or an unknown id."""
        if style_id is None or style_id not in self._nodes:
            style_id = self._default_paragraph
        if style_id is None:
            return self._default
        if style_id not in self._resolved:
            chain = self._chain(style_id)
            style = self._default
            for node in reversed(chain):
                style = _inherit(style, node)
            self._resolved[style_id] = style
        return self._resolved[style_id]

    def hides(self, character_style: str) -> bool:
        """Whether text in a character style is hidden."""
        return character_style in self._nodes and self.get(character_style).hidden

    def _chain(self, style_id: str) -> list[Node]:
        """The style and those it is based on, nearest first."""
        chain: list[Node] = []
        following: str | None = style_id
        while following in self._nodes and self._nodes[following] not in chain:
            node = self._nodes[following]
            chain.append(node)
            based_on = node.find(f"{W}basedOn")
            following = None if based_on is None else based_on.get(f"{W}val")
        return chain


def is_on(parent: Node | None, name: str) -> bool | None:
    """Whether a switch such as `w:b` is on among the properties; None where it is not there."""
    node = None if parent is None else parent.find(f"{W}{name}")
    return None if node is None else node.get(f"{W}val") not in _OFF


def paragraph_changes(properties: Node | None) -> dict[str, object]:
    """What paragraph properties say about outline, list and layout, as fields of a Style."""
    if properties is None:
        return {}
    found: dict[str, object] = {}
    outline = _number(properties.find(f"{W}outlineLvl"))
    if outline is not None:
        found["outline"] = outline
    list_level = _number(properties.find(f"{W}numPr/{W}ilvl"))
    if list_level is not None:
        found["list_level"] = list_level
    list_id = properties.find(f"{W}numPr/{W}numId")
    if list_id is not None:
        found["list_id"] = list_id.get(f"{W}val")
    page_break = is_on(properties, "pageBreakBefore")
    if page_break is not None:
        found["page_break_before"] = page_break
    return found


def _inherit(base: Style, node: Node) -> Style:
    name_node = node.find(f"{W}name")
    name = name_node.get(f"{W}val", "") if name_node is not None else ""
    changes = {**paragraph_changes(node.find(f"{W}pPr")), **_run_changes(node.find(f"{W}rPr"))}
    if "outline" not in changes and node.get(f"{W}type") == "paragraph":
        by_name = _outline_by_name(name)
        if by_name is not None:
            changes["outline"] = by_name
    return replace(base, name=name, **changes)  # type: ignore[arg-type]


def _outline_by_name(name: str) -> int | None:
    if _CONTENTS_NAME.match(name):
        return BODY_OUTLINE
    numbered = _HEADING_NAME.search(name)
    if numbered:
        return int(numbered[1]) - 1
    ranked = _RANKED_NAME.search(name)
    if ranked:
        return "一二三四五六".find(ranked[1]) if ranked[1] in "一二三四五六" else int(ranked[1]) - 1
    return 0 if name.lower() in _TITLE_NAMES else None


def _run_changes(properties: Node | None) -> dict[str, object]:
    """What run properties say about looks, as fields of a Style."""
    found: dict[str, object] = {}
    for field_name, switch in (("hidden", "vanish"), ("bold", "b")):
        value = is_on(properties, switch)
        if value is not None:
            found[field_name] = value
    size = None if properties is None else _number(properties.find(f"{W}sz"))
    if size is not None:
        found["half_points"] = size
    return found


def _number(node: Node | None) -> int | None:
    value = None if node is None else node.get(f"{W}val")
    try:
        return None if value is None else int(float(value))
    except ValueError:
        return None

"""What stands where in the XML of a Word file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lxml import etree

from kb_pipeline.parsing.office.equations import M
from kb_pipeline.parsing.office.lists import W

if TYPE_CHECKING:
    from lxml.etree import _Element as Node


MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
# What stands around paragraphs, tables, runs or cells without changing them.
TRANSPARENT = frozenset(
    f"{W}{name}"
    for name in ("ins", "moveTo", "smartTag", "customXml", "hyperlink", "dir", "bdo", "fldSimple", "sdtContent")
)
REMOVED = frozenset({f"{W}del", f"{W}moveFrom"})
SYMBOLS = {
    **dict.fromkeys(("F0FE", "F052", "F053", "F054"), "☑"),
    **dict.fromkeys(("F0A8", "F06F", "F0A3"), "☐"),
    "F0FD": "☒",
    "F0E0": "→",
    "F0DF": "←",
    "F0D8": "➢",
    "F0FC": "✓",
    "F0FB": "✗",
}


def chosen_alternative(node: Node) -> Node | None:
    """The part of an `mc:AlternateContent` that a current program shows."""
    choice = node.find(f"{MC}Choice")
    return choice if choice is not None else node.find(f"{MC}Fallback")


def is_carried_on(properties: Node | None) -> bool:
    """The end of the paragraph was deleted, or it is the drop cap of the next one."""
    if properties is None:
        return False
    if properties.find(f"{W}rPr/{W}del") is not None:
        return True
    frame = properties.find(f"{W}framePr")
    return frame is not None and frame.get(f"{W}dropCap") in ("drop", "margin")


def anchored_nodes(node: Node) -> list[Node]:
    """The text boxes, diagrams and charts in a drawing, the outermost ones, alternatives resolved."""
    if not isinstance(node.tag, str):
        return []
    if node.tag in (f"{W}txbxContent", f"{DIAGRAM}relIds", f"{CHART}chart"):
        return [node]
    if node.tag == f"{MC}AlternateContent":
        alternative = chosen_alternative(node)
        return [] if alternative is None else anchored_nodes(alternative)
    return [found for child in node for found in anchored_nodes(child)]


def children_of(node: Node, tag: str) -> Iterator[Node]:
    """The children of a kind, also inside content controls and accepted changes."""
    for child in node:
        if child.tag == tag:
            yield child
        elif child.tag in TRANSPARENT or child.tag == f"{W}sdt":
            yield from children_of(child, tag)


def flattened(container: Node) -> Iterator[Node]:
    """The paragraphs and tables of a cell."""
    for child in container:
        if child.tag in (f"{W}p", f"{W}tbl"):
            yield child
        elif child.tag in TRANSPARENT or child.tag == f"{W}sdt":
            yield from flattened(child)


def symbol_of(node: Node) -> str:
    code = node.get(f"{W}char", "").upper()
    if code in SYMBOLS:
        return SYMBOLS[code]
    try:
        character = chr(int(code, 16))
    except (ValueError, OverflowError):
        return ""
    return "" if "\ue000" <= character <= "\uf8ff" else character


def is_deleted_row(row: Node) -> bool:
    return row.find(f"{W}trPr/{W}del") is not None


def visible_characters(root: Node) -> int:
    """The visible characters of the text in a part: inserted text counts, deleted text and fallbacks do not."""
    count = 0
    skipped = {*REMOVED, f"{MC}Fallback", f"{W}rt"}
    walk = etree.iterwalk(root, events=("start",))
    for _, node in walk:
        tag = node.tag
        if tag in (f"{W}t", f"{M}t"):
            count += len("".join((node.text or "").split()))
        elif tag in skipped or (tag == f"{W}tr" and is_deleted_row(node)):
            walk.skip_subtree()
    return count


def integer_of(node: Node | None, default: int) -> int:
    value = None if node is None else node.get(f"{W}val")
    return int(value) if value is not None and value.isdecimal() else default

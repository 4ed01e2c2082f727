"""What stands where in the XML of an OpenDocument text, and the numbers of its lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lxml import etree

from kb_pipeline.parsing.office.counting import number_text
from kb_pipeline.parsing.office.lists import with_space

if TYPE_CHECKING:
    from lxml.etree import _Element as Node


NS = "{urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, STYLE, TEXT, TABLE, DRAW = (f"{NS}{name}:1.0}}" for name in ("office", "style", "text", "table", "drawing"))
FO = f"{NS}xsl-fo-compatible:1.0}}"
UNSEEN = frozenset(
    {f"{TEXT}tracked-changes", f"{OFFICE}annotation", f"{OFFICE}forms", f"{TEXT}ruby-text", f"{TEXT}note-citation"}
)
NUMBER_FORMATS = {
    "1": "decimal",
    "a": "lowerLetter",
    "A": "upperLetter",
    "i": "lowerRoman",
    "I": "upperRoman",
    "一": "chineseCounting",
    "壹": "chineseLegalSimplified",
    "甲": "ideographTraditional",
    "①": "decimalEnclosedCircle",
    "子": "ideographZodiac",
    "１": "decimalFullWidth",
}


def levels_of(style: Node) -> dict[int, Node]:
    return {number_of(node, f"{TEXT}level", 0): node for node in style}


def next_label(levels: Mapping[int, Node], counters: dict[int, int], level: int, start: int) -> str:
    """Count one item and give its label with the space after it; '' for a bullet or no number."""
    definition = levels.get(level)
    first = 1 if definition is None else number_of(definition, f"{TEXT}start-value", 1)
    counters[level] = start or (counters[level] + 1 if level in counters else first)
    for below in [index for index in counters if index > level]:
        del counters[below]
    if definition is None or not definition.get(f"{STYLE}num-format"):
        return ""
    shown = range(max(1, level + 1 - number_of(definition, f"{TEXT}display-levels", 1)), level + 1)
    numbers = []
    for index in shown:
        node = levels.get(index)
        code = "" if node is None else node.get(f"{STYLE}num-format") or ""
        if code:
            numbers.append(number_text(counters.get(index, 1), NUMBER_FORMATS.get(code[0], "decimal")))
    label = definition.get(f"{STYLE}num-prefix", "") + ".".join(numbers) + definition.get(f"{STYLE}num-suffix", "")
    return with_space(label.strip(), "tab")


def begins_with_text(item: Node) -> bool:
    first = next((child for child in item if isinstance(child.tag, str)), None)
    return first is not None and first.tag in (f"{TEXT}p", f"{TEXT}h")


def rows_of(node: Node) -> Iterator[Node]:
    """The rows of a table, and the page breaks between them."""
    for child in node:
        if child.tag in (f"{TABLE}table-row", f"{TEXT}soft-page-break"):
            yield child
        elif child.tag in (f"{TABLE}table-header-rows", f"{TABLE}table-rows", f"{TABLE}table-row-group"):
            yield from rows_of(child)


def cell_content(cell: Node) -> Iterator[Node]:
    """The paragraphs and tables in a cell, those of lists included."""
    for child in cell:
        if child.tag in (f"{TEXT}p", f"{TEXT}h", f"{TABLE}table"):
            yield child
        elif isinstance(child.tag, str) and child.tag not in UNSEEN:
            yield from cell_content(child)


def visible_characters(root: Node) -> int:
    """The visible characters of the text in a part of the document, without deleted text and comments."""
    count = 0
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, node in walk:
        if event == "end":
            count += len("".join((node.tail or "").split())) if node is not root else 0
        elif node.tag in UNSEEN:
            walk.skip_subtree()
        else:
            count += len("".join((node.text or "").split()))
    return count


def number_of(node: Node, attribute: str, default: int) -> int:
    value = node.get(attribute, "")
    return int(value) if value.isdecimal() else default

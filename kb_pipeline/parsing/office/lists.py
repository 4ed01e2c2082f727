"""The labels that a word processor computes for numbered paragraphs: 第一章, 1.1, (a).

Terms (ECMA-376 part 1, 17.9)
  abstract list   how each of nine levels counts and looks; the counters belong to it.
  list            what paragraphs refer to; an abstract list, with levels of its own where it overrides some.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kb_pipeline.parsing.office.counting import number_text

if TYPE_CHECKING:
    from lxml.etree import _Element as Node

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
LEVELS = 9
_NO_SPACE_AFTER = "、）】」．。：〕》"
_PLACE = re.compile(r"%([1-9])")


@dataclass(frozen=True, slots=True)
class ListLevel:
    """`pattern`: the label, %1 to %9 standing for the numbers of the levels. `suffix`: tab, space or nothing.

    `restart`: the level counts anew after one of this number (from 1) or above; 0: never; None: any above.
    """

    number_format: str = "decimal"
    pattern: str = ""
    start: int = 1
    suffix: str = "tab"
    legal: bool = False
    restart: int | None = None
    style: str | None = None


@dataclass(slots=True)
class _List:
    abstract: str
    levels: Mapping[int, ListLevel]
    starts: dict[int, int] = field(default_factory=dict)  # level -> where its first use sets the counter


class Lists:
    """The lists of a document, counting as its paragraphs go by."""

    def __init__(self, root: Node | None) -> None:
        self._lists: dict[str, _List] = {}
        self._counters: dict[str, dict[int, int]] = {}
        if root is not None:
            self._read(root)

    def level_of_style(self, list_id: str, style: str) -> int | None:
        """The level that the list reserves for paragraphs of a style."""
        found = self._lists.get(list_id)
        if found is None:
            return None
        return next((index for index, level in found.levels.items() if level.style == style), None)

    def next_label(self, list_id: str, level: int) -> str | None:
        """Count one paragraph and give its label with the space after it; '' for a bullet; None for no such list."""
        found = self._lists.get(list_id)
        if found is None or level not in found.levels:
            return None
        definition = found.levels[level]
        counters = self._counters.setdefault(found.abstract, {})
        if level in found.starts:
            counters[level] = found.starts.pop(level)
        else:
            counters[level] = counters[level] + 1 if level in counters else definition.start
        for below in [index for index in counters if index > level]:
            restart = found.levels[below].restart if below in found.levels else None
            if restart is None or level < restart:
                del counters[below]
        if definition.number_format == "bullet":
            return ""
        for above in range(level):
            if above not in counters and above in found.levels and f"%{above + 1}" in definition.pattern:
                counters[above] = found.levels[above].start
        return with_space(_label(definition, found.levels, counters), definition.suffix)

    def _read(self, root: Node) -> None:
        abstracts = {node.get(f"{W}abstractNumId", ""): node for node in root.iterfind(f"{W}abstractNum")}
        list_nodes = {node.get(f"{W}numId", ""): node for node in root.iterfind(f"{W}num")}
        by_style = {
            _value(node, "styleLink"): node for node in abstracts.values() if node.find(f"{W}styleLink") is not None
        }
        for list_id, node in list_nodes.items():
            abstract_id = _value(node, "abstractNumId") or ""
            abstract = abstracts.get(abstract_id)
            if abstract is None:
                continue
            linked = by_style.get(_value(abstract, "numStyleLink"))
            if linked is not None:
                abstract, abstract_id = linked, linked.get(f"{W}abstractNumId", "")
            levels = _levels(abstract)
            found = _List(abstract_id, levels)
            for override in node.iterfind(f"{W}lvlOverride"):
                index = _integer(override.get(f"{W}ilvl"), -1)
                own = override.find(f"{W}lvl")
                if own is not None:
                    levels[index] = _level(own)
                start = _value(override, "startOverride")
                if start is not None and index in levels:
                    found.starts[index] = _integer(start, 1)
                    levels[index] = replace(levels[index], start=found.starts[index])
            self._lists[list_id] = found


def labelled(label: str, text: str) -> str:
    """The paragraph's text behind its label."""
    return label + text if text else text


def with_space(label: str, suffix: str) -> str:
    """The label and what stands between it and the text; nothing after Chinese marks, as people type it."""
    if not label or suffix == "nothing" or label[-1] in _NO_SPACE_AFTER:
        return label
    return label + " "


def _label(definition: ListLevel, levels: Mapping[int, ListLevel], counters: Mapping[int, int]) -> str:
    def number(place: re.Match[str]) -> str:
        index = int(place[1]) - 1
        if index not in counters or index not in levels:
            return ""
        number_format = levels[index].number_format
        return number_text(counters[index], "decimal" if definition.legal else number_format)

    return _PLACE.sub(number, definition.pattern).strip()


def _levels(abstract: Node) -> dict[int, ListLevel]:
    found = {_integer(node.get(f"{W}ilvl"), -1): _level(node) for node in abstract.iterfind(f"{W}lvl")}
    return {index: level for index, level in found.items() if 0 <= index < LEVELS}


def _level(node: Node) -> ListLevel:
    number_format = node.find(f"{W}numFmt")
    if number_format is None:
        # Formats newer than the standard stand behind a choice of alternatives.
        number_format = node.find(f".//{W}numFmt")
    restart = _value(node, "lvlRestart")
    legal = node.find(f"{W}isLgl")
    return ListLevel(
        number_format=number_format.get(f"{W}val", "decimal") if number_format is not None else "decimal",
        pattern=_value(node, "lvlText") or "",
        start=_integer(_value(node, "start"), 0),
        suffix=_value(node, "suff") or "tab",
        legal=legal is not None and legal.get(f"{W}val") not in ("0", "false", "off"),
        restart=None if restart is None else _integer(restart, 0),
        style=_value(node, "pStyle"),
    )


def _value(node: Node, name: str) -> str | None:
    child = node.find(f"{W}{name}")
    return None if child is None else child.get(f"{W}val")


def _integer(value: str | None, default: int) -> int:
    try:
        return int(value) if value is not None else default
    except ValueError:
        return default

"""Org files of Emacs -> elements: headings, paragraphs, lists, tables, blocks of source; drawers and comments are left
out and listed. https://orgmode.org/worg/org-syntax.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import table_element
from kb_pipeline.parsing.text import join_lines

_HEADING = re.compile(r"(\*+)[ \t]+(\S.*)")
_TODO = re.compile(r"(?:TODO|DONE|NEXT|WAITING)[ \t]+(?=\S)|\[#[A-Z0-9]\][ \t]*")
_TAGS = re.compile(r"[ \t]+:[\w@#%:]+:$")
_KEYWORD = re.compile(r"#\+(\w+):[ \t]*(.*)")
_BLOCK = re.compile(r"#\+begin_(\w+)(?:[ \t]+(\S+))?.*", re.IGNORECASE)
_DRAWER = re.compile(r":[\w-]+:")
_PLANNING = re.compile(r"(?:SCHEDULED|DEADLINE|CLOSED):[ \t]*[<\[].*")
_ITEM = re.compile(r"[ \t]*(?:[-+]|[ \t]\*|\d+[.)])[ \t]+(?:\[[ Xx-]\][ \t]+)?(\S.*)")
_TERM = re.compile(r"(.*?)[ \t]+::(?=[ \t]|$)")
_RULE = re.compile(r"\|[-+|: ]*|-{5,}")
_LINK = re.compile(r"\[\[([^\[\]]*)\](?:\[([^\[\]]*)\])?\]")
_MARKS = re.compile(r"(?<![\w\\])([*/_=~+])(?=\S)((?:(?!\1).)+?)(?<=\S)\1(?!\w)")
_CODE_BLOCKS = frozenset({"src", "example", "export"})


@dataclass(slots=True)
class _Reading:
    """What was found so far, and the paragraph or table that is still open."""

    elements: list[Element] = field(default_factory=list)
    dropped: list[DroppedText] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    paragraph: list[str] = field(default_factory=list)
    category: str = "NarrativeText"
    rows: list[list[str]] = field(default_factory=list)
    has_header: bool = False

    def close(self) -> None:
        if text := _plain(join_lines(self.paragraph)):
            self.elements.append(Element(self.category, text))
        table = table_element(self.rows, header=self.has_header)
        if table is not None:
            self.elements.append(table)
        self.paragraph, self.rows = [], []
        self.category, self.has_header = "NarrativeText", False


def read_org(data: bytes) -> ParsedDocument:
    text, encoding = decode_text(data)
    reading = _Reading()
    lines = iter(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    for line in lines:
        _read_line(line.rstrip(), lines, reading)
    reading.close()
    return ParsedDocument(
        tuple(reading.elements), tuple(reading.dropped), metadata={**reading.metadata, "encoding": encoding}
    )


def _read_line(line: str, lines: Iterator[str], reading: _Reading) -> None:
    stripped = line.strip()
    if heading := _HEADING.fullmatch(line):
        reading.close()
        title = _plain(_TAGS.sub("", _TODO.sub("", heading.group(2))))
        reading.elements.append(Element("Title", title, heading_level=len(heading.group(1))))
    elif block := _BLOCK.fullmatch(stripped):
        reading.close()
        _block(block.group(1).lower(), block.group(2) or "", lines, reading)
    elif keyword := _KEYWORD.fullmatch(stripped):
        reading.close()
        _keyword(keyword.group(1).lower(), keyword.group(2), reading)
    elif _DRAWER.fullmatch(stripped) and not reading.paragraph:
        inside = "\n".join(_until(":end:", lines))
        reading.dropped.append(DroppedText("drawer", inside))
    elif stripped.startswith("# ") or stripped == "#":
        reading.dropped.append(DroppedText("comment", stripped.lstrip("# ")))
    elif stripped.startswith("|"):
        _row(stripped, reading)
    elif not stripped or _PLANNING.fullmatch(stripped) or _RULE.fullmatch(stripped):
        reading.close()
    elif item := _ITEM.fullmatch(line):
        reading.close()
        reading.category = "ListItem"
        reading.paragraph.append(_TERM.sub(r"\1:", item.group(1), count=1))
    else:
        if reading.rows:
            reading.close()
        reading.paragraph.append(stripped)


def _block(name: str, language: str, lines: Iterator[str], reading: _Reading) -> None:
    content = list(_until(f"#+end_{name}", lines))
    if name == "comment":
        reading.dropped.append(DroppedText("comment", "\n".join(content)))
    elif name in _CODE_BLOCKS:
        text = "\n".join(content).strip("\n")
        told = {"programming_language": language} if name == "src" and language else {}
        reading.elements += [Element("CodeSnippet", text, metadata=told)] if text.strip() else []
    else:  # a quotation or a verse
        inner = iter(content)
        for line in inner:
            _read_line(line, inner, reading)
        reading.close()


def _keyword(name: str, value: str, reading: _Reading) -> None:
    if name == "title" and value:
        reading.elements.append(Element("Title", _plain(value), heading_level=1))
    if name == "caption" and value:
        reading.elements.append(Element("NarrativeText", _plain(value)))
    elif value and name in ("title", "author", "date", "language", "keywords", "filetags"):
        reading.metadata[name] = value


def _row(line: str, reading: _Reading) -> None:
    if reading.paragraph:
        reading.close()
    if _RULE.fullmatch(line):
        reading.has_header |= len(reading.rows) == 1
    else:
        reading.rows.append([_plain(cell) for cell in line.strip("|").split("|")])


def _until(end: str, lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.strip().lower() == end:
            return
        yield line.rstrip()


def _plain(text: str) -> str:
    """A text without the marks of links and emphasis."""
    text = _LINK.sub(lambda link: link.group(2) or link.group(1), text)
    return _MARKS.sub(r"\2", _MARKS.sub(r"\2", text)).strip()

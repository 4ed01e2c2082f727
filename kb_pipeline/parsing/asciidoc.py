"""AsciiDoc -> elements: headings, paragraphs, lists, tables, listings; comments are left out and listed.

Nothing is included or computed: `include::`, macros of pictures and attributes in braces stay out of the text or stand
as they are. https://docs.asciidoctor.org/asciidoc/latest/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import table_element
from kb_pipeline.parsing.text import join_lines

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)")
_ATTRIBUTE = re.compile(r":(!?[\w-]+!?):(?:[ \t]+(.*))?")
_FENCE = re.compile(r"(-{4,}|\.{4,}|\+{4,}|/{4,}|={4,}|\*{4,}|_{4,}|--|```\w*)")
_COMMENT_FENCE, _CODE_FENCES = "/", "-.+`"
_TABLE_FENCE = re.compile(r"[|,:!]={3,}")
_COLUMNS = re.compile(r'cols="?([^"\]]+)"?')
_ITEM = re.compile(r"[ \t]*(?:(\*{1,5}|-)|(\.{1,5}|\d+\.))[ \t]+(\S.*)")
_TERM = re.compile(r"[ \t]*(\S.*?)(?:::{1,3}|;;)(?:[ \t]+(\S.*))?")
_MACRO = re.compile(r"(?:include|image|video|audio|ifdef|ifndef|ifeval|endif|toc)::.*")
_LANGUAGE = re.compile(r"\[source,\s*([\w+#-]+)")
_CELL = re.compile(r"(?:^|(?<=\s))(?:\d*(?:\.\d+)?[+*])?[<^>.]*[a-z]?\|")
_LINK = re.compile(r"(?:link:|https?://|mailto:|xref:)[^\s\[\]]{1,500}\[([^\[\]^]*)\^?\]|<<[^<>,]*(?:,\s*([^<>]*))?>>")
_MARKS = re.compile(r"(?<![\w\\])([*_`#+^~])\1?(?=\S)((?:(?!\1).)+?)(?<=\S)\1{1,2}(?!\w)")
_ROLE = re.compile(r"\[[.#][\w.#-]*\](?=[#*_`])")


@dataclass(slots=True)
class _Reading:
    """What was found so far, and the paragraph that is still open."""

    elements: list[Element] = field(default_factory=list)
    dropped: list[DroppedText] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    paragraph: list[str] = field(default_factory=list)
    category: str = "NarrativeText"
    language: str = ""
    columns: int = 0
    has_header: bool = False

    def close(self) -> None:
        if text := _plain(join_lines(self.paragraph)):
            self.elements.append(Element(self.category, text))
        self.paragraph = []
        self.category = "NarrativeText"

    def forget_block(self) -> None:
        self.language, self.columns, self.has_header = "", 0, False


def read_asciidoc(data: bytes) -> ParsedDocument:
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
    if _TABLE_FENCE.fullmatch(line):
        reading.close()
        _table(list(_until(line.__eq__, lines)), reading)
    elif _FENCE.fullmatch(line):
        _fenced(line, lines, reading)
    elif line.startswith("//"):
        reading.dropped.append(DroppedText("comment", line.lstrip("/ ")))
    elif heading := _HEADING.fullmatch(line):
        reading.close()
        reading.elements.append(Element("Title", _plain(heading.group(2)), heading_level=len(heading.group(1))))
    elif attribute := _ATTRIBUTE.fullmatch(line):
        reading.close()
        if attribute.group(2):
            reading.metadata[attribute.group(1)] = attribute.group(2)
    elif line.startswith("[") and line.endswith("]") and not line.startswith("[["):
        _attributes(line, reading)
    elif line in ("", "+") or line.startswith("[[") or _MACRO.fullmatch(line) or line in ("'''", "<<<"):
        reading.close()
    elif item := _ITEM.fullmatch(line):
        reading.close()
        reading.category = "ListItem"
        reading.paragraph.append(item.group(3))
    elif not reading.paragraph and (term := _TERM.fullmatch(line)):
        reading.category = "ListItem"
        reading.paragraph.append(f"{term.group(1)}: {term.group(2) or ''}".rstrip())
    elif re.match(r"\.[^\s.]", line) and not reading.paragraph:  # the title of a block
        reading.paragraph.append(line[1:])
        reading.close()
    else:
        reading.paragraph.append(line)


def _attributes(line: str, reading: _Reading) -> None:
    reading.close()
    language, columns = _LANGUAGE.match(line), _COLUMNS.search(line)
    reading.language = language.group(1) if language else reading.language
    reading.has_header |= "header" in line
    if columns:
        counts = (re.match(r"(\d+)\*", part.strip()) for part in re.split(r"[,;]", columns.group(1)))
        reading.columns = sum(int(count.group(1)) if count else 1 for count in counts)


def _fenced(fence: str, lines: Iterator[str], reading: _Reading) -> None:
    """A block between two equal lines: a comment, a listing, or text of a kind of its own."""
    if fence[0] not in _CODE_FENCES + _COMMENT_FENCE or fence == "--":
        reading.close()
        return
    reading.close()
    end = "```" if fence[0] == "`" else fence
    content = "\n".join(_until(end.__eq__, lines)).strip("\n")
    if fence[0] == _COMMENT_FENCE:
        reading.dropped.append(DroppedText("comment", content))
    elif content.strip():
        language = reading.language or fence.lstrip("`-.+")
        reading.elements.append(
            Element("CodeSnippet", content, metadata={"programming_language": language} if language else {})
        )
    reading.forget_block()


def _until(is_end: Callable[[str], bool], lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if is_end(line.rstrip()):
            return
        yield line.rstrip()


def _table(lines: list[str], reading: _Reading) -> None:
    """Cells begin with `|`; where the columns are not counted, the first line of cells tells how many there are."""
    cells: list[str] = []
    width = reading.columns
    for line in lines:
        before, *found = _CELL.split(line)
        if cells and before.strip():
            cells[-1] = f"{cells[-1]} {before}"
        cells += found
        width = width or len(found)
    blank = next((number for number, line in enumerate(lines) if not line), 0)
    has_header = reading.has_header or (blank == 1 and bool(lines[0]))
    reading.forget_block()
    rows = [[_plain(cell) for cell in cells[start : start + width]] for start in range(0, len(cells), width or 1)]
    table = table_element(rows, header=has_header)
    if table is not None:
        reading.elements.append(table)


def _plain(text: str) -> str:
    """A text without the marks of links and emphasis."""
    text = _ROLE.sub("", _LINK.sub(lambda link: link.group(1) or link.group(2) or link.group(0), text))
    text = _MARKS.sub(r"\2", _MARKS.sub(r"\2", text))
    return text.removesuffix(" +").strip()

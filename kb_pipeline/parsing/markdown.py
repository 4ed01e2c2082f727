"""Markdown (CommonMark with tables) -> elements.

Front matter (`---`, `key: value` lines, `---`) becomes metadata. A thematic break inside the text is kept
as `after_separator` in the metadata of the element that follows it. Fenced code stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import table_element
from kb_pipeline.parsing.text import join_lines

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_FRONT_MATTER_LINE = re.compile(r"([A-Za-z_][\w-]*):[ \t]+(\S.*)")
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^>]*>", re.DOTALL)


def read_markdown(data: bytes) -> ParsedDocument:
    text, encoding = decode_text(data)
    metadata: dict[str, str] = {"encoding": encoding}
    front = _FRONT_MATTER.match(text)
    if front:
        metadata |= _front_matter(front.group(1))
        text = text[front.end() :]
    elements: list[Element] = []
    dropped: list[DroppedText] = []
    separated = False
    for item in _elements(_parser().parse(text)):
        if item is None:
            separated = True
        elif isinstance(item, DroppedText):
            dropped.append(item)
        else:
            marked = separated and bool(elements)
            elements.append(replace(item, metadata={"after_separator": True}) if marked else item)
            separated = False
    return ParsedDocument(tuple(elements), tuple(dropped), metadata=metadata)


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _front_matter(block: str) -> dict[str, str]:
    pairs = (_FRONT_MATTER_LINE.fullmatch(line.rstrip()) for line in block.splitlines())
    return {pair.group(1): pair.group(2).strip("\"'") for pair in pairs if pair}


def _elements(tokens: list[Token]) -> Iterator[Element | DroppedText | None]:
    """Elements in order; None for a thematic break."""
    markers: list[str] = []  # of each open list item that has not shown its text yet
    for index, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                yield Element("Title", _inline_text(tokens[index + 1]), heading_level=int(token.tag[1]))
            case "list_item_open":
                markers.append(f"{token.info}{token.markup} " if token.info else "")
            case "list_item_close":
                markers.pop()
            case "paragraph_open":
                marker = markers[-1] if markers else ""
                category = "ListItem" if markers else "NarrativeText"
                yield Element(category, marker + _inline_text(tokens[index + 1]))
                markers[-1:] = [""] if markers else []
            case "fence" | "code_block":
                yield Element("CodeSnippet", token.content.rstrip("\n"))
            case "table_open":
                end = next(i for i in range(index, len(tokens)) if tokens[i].type == "table_close")
                table = table_element(_table_rows(tokens[index:end]), header=True)
                if table:
                    yield table
            case "html_block":
                yield from _html_block(token.content)
            case "hr":
                yield None


def _inline_text(token: Token) -> str:
    parts: list[str] = []
    lines: list[str] = []
    for child in token.children or ():
        if child.type in ("softbreak", "hardbreak"):
            lines.append("".join(parts))
            parts = []
        elif child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
    return join_lines([*lines, "".join(parts)])


def _table_rows(tokens: list[Token]) -> list[list[str]]:
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_inline_text(token))
    return rows


def _html_block(content: str) -> Iterator[Element | DroppedText]:
    comments = content.lstrip().startswith("<!--")
    text = join_lines(_TAG.sub(" ", content).splitlines())
    if text:
        yield Element("NarrativeText", " ".join(text.split()))
    elif comments:
        yield DroppedText("HTML comment", " ".join(content.split()))

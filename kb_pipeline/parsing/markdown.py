"""Markdown (CommonMark with tables) -> elements.

Front matter (YAML between `---`, TOML between `+++`) becomes metadata. A thematic break inside the text is kept
as `after_separator` in the metadata of the element that follows it. Fenced code stays whole. Notes stay where
they stand, with their marks. HTML inside is read as HTML.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.tables import table_element
from kb_pipeline.parsing.text import join_lines

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# After a rule that is followed by a blank line comes text, as in pandoc.
_FRONT_MATTER = re.compile(
    r"(---(?![ \t]*\n[ \t]*\n)|\+\+\+)[ \t]*\n(.{0,65536}?)^(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE
)
_FRONT_MATTER_LINE = re.compile(r"([A-Za-z_][\w-]*):[ \t]+(\S.*)")
_DEEPEST = 100  # blocks in blocks; the text of deeper ones would be lost
_PART_CHARACTERS = 200_000
_HEADING_OR_FENCE = re.compile(r"^ {0,3}(?:(```|~~~)|#{1,6}\s)", re.MULTILINE)
_NOTE = re.compile(r"^([ \t]{0,3})(?=\[\^[^\]\s]+\]:)", re.MULTILINE)
_ESCAPED_NOTE = re.compile(r"^(\s{0,3})\\(?=\[\^[^\]\s]+\]:)", re.MULTILINE)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
# What is no text: link targets, reference definitions, tags, rules, the marks of headings, lists, emphasis and tables.
_MARKUP = re.compile(
    r"<!--|-->|\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\]\[[^\]\n]*\]"
    r"|^ {0,3}\[[^\]^\n][^\]\n]*\]:.*$|</?[A-Za-z][^<>]*>|&\w{1,32};"
    r"|^[ \t>]*(?:```|~~~).*$|^[ \t>|:+=_*-]+$"
    r"|^[ \t>]*(?:#{1,6}|[-*+])(?=\s)|[*_`~|>\\\[\]!]",
    re.MULTILINE,
)


def read_markdown(data: bytes) -> ParsedDocument:
    text, encoding = decode_text(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    front = _FRONT_MATTER.match(text)
    found = _front_matter(front.group(2), is_toml=front.group(1) == "+++") if front else None
    document = markdown_document(text if front is None or found is None else text[front.end() :])
    return replace(document, metadata={**(found or {}), "encoding": encoding})


def markdown_document(text: str) -> ParsedDocument:
    """The elements of a Markdown text without front matter; its lines end with a line feed."""
    elements: list[Element] = []
    dropped: list[DroppedText] = []
    separated = False
    source = _NOTE.sub(r"\1\\", text)
    for item in (item for part in _parts(source) for item in _elements(_parser().parse(part))):
        if item is None:
            separated = True
        elif isinstance(item, DroppedText):
            dropped.append(item)
        else:
            marked = separated and bool(elements)
            elements.append(replace(item, metadata={**item.metadata, "after_separator": True}) if marked else item)
            separated = False
    return ParsedDocument(
        tuple(elements),
        tuple(dropped),
        source_characters=len("".join(_MARKUP.sub("", text).split())),
    )


def _parts(text: str) -> Iterator[str]:
    """A long text in parts that begin at headings, since the parser takes two hundred times a text's memory."""
    start = 0
    fence = ""
    for heading in _HEADING_OR_FENCE.finditer(text) if len(text) > _PART_CHARACTERS else ():
        mark = heading.group(1)
        if mark:
            fence = "" if fence == mark else fence or mark
        elif not fence and heading.start() - start >= _PART_CHARACTERS:
            yield text[start : heading.start()]
            start = heading.start()
    yield text[start:]


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": _DEEPEST}).enable(["table", "strikethrough"])


def _front_matter(block: str, *, is_toml: bool) -> dict[str, Any] | None:
    """The values that are plain: texts, numbers, dates and lists of them; None where text stands between two rules.

    Damaged YAML is read line by line.
    """
    import yaml

    try:
        values = tomllib.loads(block) if is_toml else yaml.safe_load(block)
    except (yaml.YAMLError, tomllib.TOMLDecodeError, ValueError, RecursionError):
        pairs = (_FRONT_MATTER_LINE.fullmatch(line.rstrip()) for line in block.splitlines())
        return {pair.group(1): pair.group(2).strip("\"'") for pair in pairs if pair} or None
    if not isinstance(values, Mapping):
        return {} if isinstance(values, list) or not block.strip() else None
    plain = ((str(name), _plain(value)) for name, value in values.items())
    return {name: value for name, value in plain if value is not None}


def _plain(value: Any) -> Any:
    """A value of the front matter as JSON can hold it; None for what is nested."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, list) and all(isinstance(item, str | int | float | datetime.date) for item in value):
        return [_plain(item) for item in value]
    return None


def _elements(tokens: list[Token]) -> Iterator[Element | DroppedText | None]:
    """Elements in order; None for a thematic break."""
    markers: list[str] = []  # of each open list item that has not shown its text yet
    for index, token in enumerate(tokens):
        match token.type:
            case "heading_open":
                yield Element(
                    "Title", " ".join(_inline_text(tokens[index + 1]).split()), heading_level=int(token.tag[1])
                )
            case "list_item_open":
                markers.append(f"{token.info}{token.markup} " if token.info else "")
            case "list_item_close":
                markers.pop()
            case "paragraph_open":
                yield _paragraph(_inline_text(tokens[index + 1]), markers)
            case "fence" | "code_block":
                language = token.info.split(maxsplit=1)[:1]
                yield Element(
                    "CodeSnippet",
                    _ESCAPED_NOTE.sub(r"\1", token.content.rstrip("\n")),
                    metadata={"programming_language": language[0]} if language else {},
                )
            case "table_open":
                yield from _table(tokens, index)
            case "inline":
                yield from _comments(token)
            case "html_block":
                yield from _html_block(token.content)
            case "hr":
                yield None


def _comments(token: Token) -> Iterator[DroppedText]:
    for child in token.children or ():
        if child.type == "html_inline" and child.content.startswith("<!--"):
            yield _comment(child.content)


def _comment(source: str) -> DroppedText:
    return DroppedText("HTML comment", " ".join(source.removeprefix("<!--").removesuffix("-->").split()))


def _table(tokens: list[Token], index: int) -> Iterator[Element]:
    rows: list[list[str]] = []
    while tokens[index].type != "table_close":
        if tokens[index].type == "tr_open":
            rows.append([])
        elif tokens[index].type == "inline":
            rows[-1].append(_inline_text(tokens[index]))
        index += 1
    element = table_element(rows, header=True)
    if element:
        yield element


def _paragraph(text: str, markers: list[str]) -> Element:
    if not markers:
        return Element("NarrativeText", text)
    marker, markers[-1] = markers[-1], ""
    return Element("ListItem", marker + text, metadata={"depth": len(markers)} if len(markers) > 1 else {})


def _inline_text(token: Token) -> str:
    """The text of inline tokens; a hard break ends a line, a soft one does not."""
    finished: list[str] = []
    lines: list[str] = [""]
    for child in token.children or ():
        if child.type == "softbreak":
            lines.append("")
        elif child.type == "hardbreak" or (child.type == "html_inline" and _BREAK_TAG.fullmatch(child.content)):
            finished.append(join_lines(lines))
            lines = [""]
        elif child.type in ("text", "code_inline", "image"):
            lines[-1] += child.content
    return "\n".join([*finished, join_lines(lines)]).strip()


def _html_block(content: str) -> Iterator[Element | DroppedText]:
    if content.lstrip().startswith("<!--"):
        comment, _, content = content.partition("-->")
        yield _comment(comment.lstrip())
    if content.strip():
        from kb_pipeline.parsing.html.reader import html_document

        document = html_document(content)
        yield from document.dropped
        yield from document.elements

"""Plain text -> elements: paragraphs, list items, and headings that show by numbering or underlining.

Nothing else becomes a heading: a short line is not a title.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.numbering import display_width, is_numbered_heading, numbering_scheme, scheme_levels
from kb_pipeline.parsing.parsed import ParsedDocument

_BULLET = re.compile(r"[•●▪■◆◇○·‣⁃*+–-]\s+(?=\S)|[•●▪■◆◇]\s*(?=\S)")
_UNDERLINE = re.compile(r"(={3,}|-{3,}|~{3,})$")
_HARD_WRAP_COLUMNS = 60  # lines that long which end without a stop are wrapped, not separate
_SENTENCE_END = tuple("。！？；：.!?;:」”\"'）)")
_CHINESE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


def read_text(data: bytes) -> ParsedDocument:
    text, encoding = decode_text(data)
    return ParsedDocument(tuple(text_elements(text)), metadata={"encoding": encoding})


def text_elements(text: str) -> list[Element]:
    """The elements of a plain text; form feeds separate pages."""
    pages = text.split("\f")
    drafts = [
        (category, body, number if len(pages) > 1 else None)
        for number, page in enumerate(pages, start=1)
        for category, body in _blocks(page.splitlines())
    ]
    headings = [numbering_scheme(body) for category, body, _ in drafts if category == "Title"]
    levels = scheme_levels(scheme for scheme in headings if scheme)
    underlined = any(category == "Title" and numbering_scheme(body) is None for category, body, _ in drafts)
    return [
        Element(
            category,
            body,
            page_number=page,
            heading_level=_level(body, levels, underlined) if category == "Title" else None,
        )
        for category, body, page in drafts
    ]


def join_lines(lines: list[str]) -> str:
    """Lines of one paragraph as one line: no space at a line end where a Chinese character stands."""
    joined = ""
    for line in (line.strip() for line in lines):
        if joined and line and not (_CHINESE.match(joined[-1]) or _CHINESE.match(line[0])):
            joined += " "
        joined += line
    return joined


def _level(heading: str, levels: dict[str, int], underlined: bool) -> int:
    """Underlined headings are above numbered ones."""
    scheme = numbering_scheme(heading)
    return levels[scheme] + underlined if scheme else 1


def _blocks(lines: list[str]) -> Iterator[tuple[str, str]]:
    """(category, text) of each paragraph, list item and heading."""
    paragraph: list[str] = []
    for index, raw in enumerate(lines):
        line = raw.strip()
        following = lines[index + 1].strip() if index + 1 < len(lines) else ""
        if _UNDERLINE.match(line):
            continue
        if not line:
            yield from _paragraph(paragraph)
            paragraph = []
        elif is_numbered_heading(line) or (
            _UNDERLINE.match(following) and not paragraph and display_width(line) <= 100
        ):
            yield from _paragraph(paragraph)
            paragraph = []
            yield "Title", line
        else:
            if paragraph and _starts_new(paragraph[-1], raw):
                yield from _paragraph(paragraph)
                paragraph = []
            paragraph.append(raw)
    yield from _paragraph(paragraph)


def _starts_new(previous: str, line: str) -> bool:
    """Whether `line` begins a paragraph although no blank line precedes it."""
    if _BULLET.match(line.strip()) or numbering_scheme(line.strip()):
        return True
    wrapped = display_width(previous.rstrip()) >= _HARD_WRAP_COLUMNS and not previous.rstrip().endswith(
        _SENTENCE_END[:3]
    )
    return line[:1] in ("\u3000", "\t") or not wrapped


def _paragraph(lines: list[str]) -> Iterator[tuple[str, str]]:
    text = join_lines(lines)
    if not text:
        return
    bullet = _BULLET.match(text)
    if bullet:
        yield "ListItem", text[bullet.end() :]
    elif numbering_scheme(text):
        yield "ListItem", text
    else:
        yield "NarrativeText", text

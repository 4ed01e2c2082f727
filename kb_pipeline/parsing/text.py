"""Plain text -> elements: paragraphs, list items, drawn tables, headings that show by numbering or underlining.

Nothing else becomes a heading: a short line is not a title. Form feeds separate pages; lines that repeat at the
top or bottom of most pages are left out and listed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.numbering import display_width, is_numbered_heading, numbering_scheme, scheme_levels
from kb_pipeline.parsing.parsed import ParsedDocument

CHINESE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
_BULLET = re.compile(r"[•●▪■◆◇○·‣⁃*+–-]\s+(?=\S)|[•●▪■◆◇]\s*(?=\S)")
_BULLET_LINE = re.compile(r"^[ \t]*[•●▪■◆◇○·‣⁃*+–-](?=[ \t]+\S)|^[ \t]*[•●▪■◆◇](?=\S)", re.MULTILINE)
_UNDERLINE = re.compile(r"(?:={3,}|-{3,}|~{3,}|\^{3,}|#{3,})")
_RULE = re.compile(r"(?:([=\-~^#*_.+—─━])\s?)(?:\1\s?){2,}")
_TABLE_BORDER = re.compile(r"[+|┌├└╔╠╚][-=+|┬┼┴─━═╦╬╩┐┤┘╗╣╝ :]{3,}")
_TABLE_ROW = re.compile(r"[|│║].*[|│║]")
_COLUMN_GAP = re.compile(r"\S(?: {2,}|\t+)(?=\S)")
_LEAST_TABLE_LINES = 3
_LEAST_GAPS = 2  # per line, where columns are told by blanks alone
_NARROWEST_WRAP = 40  # columns; lines of a text that is wrapped are at least that wide
_WIDEST_WRAP = 160  # columns; wider lines are paragraphs
_WRAP_QUANTILE = 0.9
_WRAP_SLACK = 4  # columns that a line may lack, since no line begins with a punctuation mark
_WRAP_SHARE = 0.75  # of that width; a line so long that goes on in lower case was wrapped by a ragged setter
_LONGEST_WORD = 25  # columns; a longer one is an address, whose length says nothing about the line before
_CHINESE_STOPS = "。！？；："
_STOPS = ".!?:;。！？：；"
_LONGEST_HEADING = 100  # columns
_FURNITURE_LINES = 2  # at the top and at the bottom of a page
_LEAST_PAGES = 3
_LEAST_LEFT = 0.5  # of the text, when running lines are taken away
_MOST_PAGES_SHARE = 0.5
_PAGE_NUMBER = re.compile(
    r"\W*(?:page|第|p\.?)?\s*(?:#|[ivxlc]{1,6})\s*(?:页|頁)?\s*(?:(?:of|/|共)\s*#\s*(?:页|頁)?)?\W*", re.IGNORECASE
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{40,}={0,2}\s*")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Draft:
    """An element before the levels of headings are known. `style`: the character that underlines a heading."""

    category: str
    text: str
    page: int | None
    style: str = ""


def read_text(data: bytes) -> ParsedDocument:
    text, encoding = decode_text(data)
    document = text_document(text)
    encoded = _BASE64.fullmatch(data) and b" " not in data.strip() and len(data.strip()) % 4 == 0
    warnings = ("The text looks like base64; decode it and add what it holds.",) if encoded else ()
    return replace(document, metadata={"encoding": encoding}, warnings=warnings)


def text_document(text: str) -> ParsedDocument:
    """The elements of a plain text; form feeds separate pages."""
    pages = [page.splitlines() for page in text.split("\f")]
    if len(pages) > 1 and not any(line.strip() for line in pages[-1]):
        pages.pop()  # a form feed at the end
    paged = len(pages) > 1
    pages, dropped = _without_furniture(pages) if paged else (pages, [])
    wrap = _wrap_width(pages)
    drafts: list[_Draft] = []
    for number, lines in enumerate(pages, start=1):
        for item in _blocks(lines, wrap, number if paged else None):
            if isinstance(item, DroppedText):
                dropped.append(item)
            else:
                drafts.append(item)
    return ParsedDocument(
        tuple(_leveled(drafts)),
        tuple(dropped),
        page_count=len(pages) if paged else None,
        source_characters=visible_characters(text),
    )


def visible_characters(text: str) -> int:
    """How many characters a text holds, blanks and the marks of list items left out."""
    return len("".join(text.split())) - len(_BULLET_LINE.findall(text))


def join_lines(lines: Sequence[str]) -> str:
    """Lines of one paragraph as one line: no space at a line end where a Chinese character stands."""
    parts: list[str] = []
    last = ""
    for line in (line.strip() for line in lines):
        if line:
            if last and not (CHINESE.match(last) or CHINESE.match(line[0])):
                parts.append(" ")
            parts.append(line)
            last = line[-1]
    return "".join(parts)


def _leveled(drafts: Sequence[_Draft]) -> Iterator[Element]:
    """Underlined headings are above numbered ones; among them the character that comes first is the top."""
    titles = [draft for draft in drafts if draft.category == "Title"]
    styles = list(dict.fromkeys(draft.style for draft in titles if draft.style))
    schemes = [scheme for draft in titles if not draft.style and (scheme := numbering_scheme(draft.text))]
    levels = scheme_levels(schemes)
    for draft in drafts:
        level = None
        if draft.category == "Title":
            scheme = numbering_scheme(draft.text)
            level = styles.index(draft.style) + 1 if draft.style else levels[scheme or ""] + len(styles)
        yield Element(draft.category, draft.text, page_number=draft.page, heading_level=level)


# --- pages -----------------------------------------------------------------------------------------


def _without_furniture(pages: Sequence[list[str]]) -> tuple[list[list[str]], list[DroppedText]]:
    """The pages without their running lines and page numbers."""
    edges = [_edge_lines(lines) for lines in pages]
    counts = Counter(
        shape for lines, places in zip(pages, edges, strict=True) for shape in {_shape(lines[i]) for i in places}
    )
    least = max(_LEAST_PAGES, _MOST_PAGES_SHARE * len(pages))
    kept: list[list[str]] = []
    dropped: list[DroppedText] = []
    for number, (lines, places) in enumerate(zip(pages, edges, strict=True), start=1):
        rest = list(lines)
        for place in places:
            shape = _shape(lines[place])
            is_number = bool(_PAGE_NUMBER.fullmatch(shape)) and any(
                c.isdigit() or c in "ivxlc" for c in lines[place].lower()
            )
            if counts[shape] >= least and (is_number or len(shape) <= _LONGEST_HEADING):
                dropped.append(
                    DroppedText(
                        "page number" if is_number else "running header or footer", lines[place].strip(), number
                    )
                )
                rest[place] = ""
        kept.append(rest)
    left = sum(len(line) for lines in kept for line in lines)
    all_of_it = sum(len(line) for lines in pages for line in lines)
    if left < _LEAST_LEFT * all_of_it:
        return list(pages), []  # pages of forms or labels, not of running text
    return kept, dropped


def _edge_lines(lines: Sequence[str]) -> list[int]:
    filled = [index for index, line in enumerate(lines) if line.strip()]
    if len(filled) <= 2 * _FURNITURE_LINES:
        return filled[:1] + filled[1:][-1:]
    return [*filled[:_FURNITURE_LINES], *filled[-_FURNITURE_LINES:]]


def _shape(line: str) -> str:
    """A line without what changes from page to page."""
    return _DIGITS.sub("#", " ".join(line.split()))


def _wrap_width(pages: Sequence[Sequence[str]]) -> int | None:
    """The width at which an editor wrapped the lines; None for a text whose lines are paragraphs."""
    widths: list[int] = []
    for lines in pages:
        for line, following in pairwise(lines):
            if line.strip() and following.strip():
                widths.append(display_width(line.rstrip()))
    widths = sorted(width for width in widths if width >= _NARROWEST_WRAP)
    if not widths:
        return None
    width = widths[min(int(len(widths) * _WRAP_QUANTILE), len(widths) - 1)]
    return width if width <= _WIDEST_WRAP else None


# --- blocks ----------------------------------------------------------------------------------------


def _blocks(lines: Sequence[str], wrap: int | None, page: int | None) -> Iterator[_Draft | DroppedText]:
    """The paragraphs, list items, tables and headings of a page."""
    paragraph: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index].strip()
        table_end = _table_end(lines, index) if line else index
        underlined = _underlined(lines, index) if line and not paragraph else None
        if line and table_end == index and underlined is None and not _is_break(line):
            if paragraph and _starts_new(paragraph[-1], lines[index], wrap):
                yield from _paragraph(paragraph, page)
                paragraph = []
            paragraph.append(lines[index])
            index += 1
            continue
        yield from _paragraph(paragraph, page)
        paragraph = []
        if table_end > index:
            yield _Draft("CodeSnippet", "\n".join(lines[index:table_end]), page)
            index = table_end
        elif underlined is not None:
            yield _Draft("Title", line, page, style=underlined)
            yield DroppedText("ruling line", lines[index + 1].strip(), page)
            index += 2
        else:
            if line and _RULE.fullmatch(line):
                yield DroppedText("ruling line", line, page)
            elif line:
                yield _Draft("Title", line, page)
            index += 1
    yield from _paragraph(paragraph, page)


def _is_break(line: str) -> bool:
    """Whether a line is no part of a paragraph: a rule, or a heading by its number."""
    return bool(_RULE.fullmatch(line)) or is_numbered_heading(line)


def _underlined(lines: Sequence[str], index: int) -> str | None:
    """The character under a heading; None where the line is not underlined."""
    line = lines[index].strip()
    following = lines[index + 1].strip() if index + 1 < len(lines) else ""
    if not _UNDERLINE.fullmatch(following) or _RULE.fullmatch(line):
        return None
    width = display_width(line)
    return following[0] if width <= _LONGEST_HEADING and 2 * len(following) >= width else None


def _table_end(lines: Sequence[str], index: int) -> int:
    """Where a table drawn with characters ends; `index` itself where there is none."""
    end = index
    while end < len(lines) and (_TABLE_BORDER.match(lines[end].strip()) or _TABLE_ROW.fullmatch(lines[end].strip())):
        end += 1
    if end - index >= _LEAST_TABLE_LINES:
        return end
    end = index
    while end < len(lines) and (
        len(_COLUMN_GAP.findall(lines[end].strip())) >= _LEAST_GAPS or (end > index and _is_column_rule(lines[end]))
    ):
        end += 1
    return end if end - index >= _LEAST_TABLE_LINES else index


def _is_column_rule(line: str) -> bool:
    """`-----  ---  ----` below the names of the columns."""
    return len(line.split()) > 1 and not line.strip(" -=─\t")


def _starts_new(previous: str, line: str, wrap: int | None) -> bool:
    """Whether `line` begins a paragraph although no blank line precedes it.

    It does not where its first word would not have fit into the line before.
    """
    stripped = line.strip()
    if _BULLET.match(stripped) or numbering_scheme(stripped) or line[:1] in ("\u3000", "\t"):
        return True
    if wrap is None or previous.rstrip()[-1] in _CHINESE_STOPS:
        return True
    indented = len(line) - len(line.lstrip()) > len(previous) - len(previous.lstrip())
    if indented and not _BULLET.match(previous.strip()):
        return True
    first = stripped[:1] if CHINESE.match(stripped) else stripped.split(maxsplit=1)[0]
    if display_width(first) > _LONGEST_WORD:
        return True
    width = display_width(previous.rstrip())
    if width >= _WRAP_SHARE * wrap and first[:1].islower() and previous.rstrip()[-1] not in _STOPS:
        return False
    return width + 1 + display_width(first) + _WRAP_SLACK <= wrap


def _paragraph(lines: Sequence[str], page: int | None) -> Iterator[_Draft]:
    text = join_lines(lines)
    if not text:
        return
    bullet = _BULLET.match(text)
    if bullet:
        yield _Draft("ListItem", text[bullet.end() :], page)
    elif numbering_scheme(text):
        yield _Draft("ListItem", text, page)
    else:
        yield _Draft("NarrativeText", text, page)

"""The PDF reader: pages -> lines -> paragraphs -> elements."""

from __future__ import annotations

import itertools
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb_pipeline.errors import EmptyDocument, EncryptedDocument, LimitExceeded, MalformedDocument
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.numbering import numbering_scheme
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.pdf.furniture import contents_lines, furniture
from kb_pipeline.parsing.pdf.headings import Bookmark, Paragraph, heading_levels
from kb_pipeline.parsing.pdf.layout import Line, lines_in_reading_order, with_edges
from kb_pipeline.parsing.pdf.page import read_page
from kb_pipeline.parsing.pdf.tables import RuledTable, take_tables
from kb_pipeline.parsing.tables import table_element
from kb_pipeline.parsing.text import join_lines

_BROKEN_SHARE = 0.3  # of unmapped characters; a page with more has no usable text layer
_SAME_SIZE = 0.06  # relative difference within one paragraph
_LOOSEST_PITCH = 1.3  # times the usual distance of two lines of one size: more is a new paragraph
_CHINESE_ROOM = 2.5  # ems left free at the end of a Chinese line that another line of its paragraph follows
_CHINESE_ROOM_INSIDE = 5.0  # the same where the line ends inside a sentence
_INDENT = 0.8  # ems
_SENTENCE_END = re.compile(r"[。！？；.!?;:：][”’」』\"')）]*$")
_BULLET = re.compile(r"[•●▪■◆◇○·‣⁃\uf000-\uf0ff✓➢►▶]\s*|[-–—*]\s+")
_LABEL = re.compile(r"[^：:。，,；;]{1,14}[：:]")
_HYPHENATED = re.compile(r"(?<=[a-z])[-\xad]$")

Block = tuple[list[Line], RuledTable | None]


def read_pdf(data: bytes, *, limits: ParseLimits) -> ParsedDocument:
    """Raises EncryptedDocument, MalformedDocument, LimitExceeded, or EmptyDocument for a scan."""
    document = _open(data)
    try:
        page_count = len(document)
        if page_count > limits.pages:
            raise LimitExceeded(
                f"The file has {page_count} pages, more than the limit of {limits.pages}; "
                "raise limits.pages or split the file."
            )
        return _read(document, page_count)
    finally:
        document.close()


def _open(data: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError:
        # pypdfium2 has just read the code, which the next call of pdfium replaces.
        if pdfium_c.FPDF_GetLastError() in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY):
            raise EncryptedDocument("The file is protected by a password; save it without one.") from None
        raise MalformedDocument("The file is a damaged PDF; open it and save it again.") from None


def _read(document: pdfium.PdfDocument, page_count: int) -> ParsedDocument:
    pages: list[list[Line]] = []
    heights: list[float] = []
    dropped: list[DroppedText] = []
    without_text: list[int] = []
    unreadable: list[int] = []
    for index in range(page_count):
        try:
            page = read_page(document, index)
        except pdfium.PdfiumError:
            unreadable.append(index + 1)
            continue
        if page.unmapped_share > _BROKEN_SHARE or not page.spans:
            without_text.append(page.number)
            continue
        tables, spans = take_tables(page)
        watermark = "".join(span.text for span in spans if span.tilted)  # each character is a span of its own
        if watermark:
            dropped.append(DroppedText("tilted watermark", watermark, page.number))
        margin = "".join(span.text for span in spans if not span.tilted and span.angle)
        if margin:
            dropped.append(DroppedText("text across the reading direction", margin, page.number))
        upright = [span for span in spans if not span.tilted and not span.angle]
        pages.append(lines_in_reading_order(upright, tables, page.number))
        heights.append(page.height)
    if not pages:
        _refuse(page_count, unreadable)
    reasons = {**contents_lines(pages), **furniture(pages, heights)}
    dropped += [
        DroppedText(reasons[id(line)], line.text, line.page_number)
        for page in pages
        for line in page
        if id(line) in reasons
    ]
    body = [with_edges([line for line in page if id(line) not in reasons]) for page in pages]
    return ParsedDocument(
        tuple(_elements(list(_blocks(body)), _bookmarks(document))),
        tuple(dropped),
        page_count=page_count,
        metadata=_metadata(document),
        warnings=tuple(_warnings(without_text, unreadable)),
    )


def _refuse(page_count: int, unreadable: Sequence[int]) -> None:
    if len(unreadable) == page_count:
        raise MalformedDocument("No page of the PDF can be read; open it and save it again.")
    raise EmptyDocument("The PDF has no text layer; it is a scan, and scans need OCR, which is not there yet.")


def _warnings(without_text: Sequence[int], unreadable: Sequence[int]) -> Iterator[str]:
    if without_text:
        yield f"{len(without_text)} pages have no text layer and were not read: {_page_list(without_text)}."
    if unreadable:
        yield f"{len(unreadable)} pages are damaged and were not read: {_page_list(unreadable)}."


def _page_list(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown}, …" if len(numbers) > 10 else shown


def _metadata(document: pdfium.PdfDocument) -> dict[str, str]:
    names = {"Title": "title", "Author": "author"}
    return {
        names[name]: value for name, value in document.get_metadata_dict().items() if name in names and value.strip()
    }


def _bookmarks(document: pdfium.PdfDocument) -> list[Bookmark]:
    found = []
    for item in document.get_toc(max_depth=6):
        destination = item.get_dest()
        index = destination.get_index() if destination else None
        found.append(Bookmark(item.get_title(), item.level + 1, None if index is None else index + 1))
    return found


def _blocks(pages: Sequence[Sequence[Line]]) -> Iterator[Block]:
    """Paragraphs (the lines that belong together, also across columns and pages) and tables."""
    pitches = _line_pitches(pages)
    current: list[Line] = []
    for page in pages:
        for line in page:
            if line.table is not None:
                if current:
                    yield current, None
                current = []
                yield [line], line.table
            elif current and _continues(current, line, pitches.get(line.size, 2 * line.size)):
                current.append(line)
            else:
                if current:
                    yield current, None
                current = [line]
    if current:
        yield current, None


def _line_pitches(pages: Sequence[Sequence[Line]]) -> dict[float, float]:
    """Font size -> the usual distance between the bottoms of two neighbouring lines of that size, points."""
    distances: dict[float, list[float]] = defaultdict(list)
    for page in pages:
        for above, line in itertools.pairwise(page):
            if (
                above.size == line.size
                and above.region == line.region
                and 0 < line.bottom - above.bottom < 4 * line.size
            ):
                distances[line.size].append(line.bottom - above.bottom)
    return {size: statistics.median(found) for size, found in distances.items()}


def _continues(paragraph: Sequence[Line], line: Line, pitch: float) -> bool:
    """Whether `line` belongs to the paragraph that ends so far with the last of its lines."""
    previous = paragraph[-1]
    em = previous.size or 10.0
    if abs(line.size - previous.size) > _SAME_SIZE * em or line.bold != previous.bold:
        return False
    if _BULLET.match(line.text) or numbering_scheme(line.text):
        return False
    if _LABEL.match(line.text) and _LABEL.match(paragraph[0].text):
        return False  # a form: one field a line
    neighbours = (line.page_number, line.region) == (previous.page_number, previous.region)
    if not neighbours and _SENTENCE_END.search(previous.text):
        return False
    if neighbours and line.bottom - previous.bottom > _LOOSEST_PITCH * pitch:
        return False
    hanging = _BULLET.match(paragraph[0].text) or numbering_scheme(paragraph[0].text)
    indent = line.x0 - line.left if not neighbours else line.x0 - previous.x0
    if indent > _INDENT * em and not (hanging and neighbours):
        return False
    return _is_divided(previous.text, line.text) or _is_full(previous, line)


def _is_divided(text: str, following: str) -> bool:
    """Whether a word is divided by a hyphen at the end of `text`."""
    return bool(_HYPHENATED.search(text)) and following[:1].islower()


def _is_full(previous: Line, line: Line) -> bool:
    """Whether the first word of `line` had no room left in the line before."""
    first_word = line.text.split(" ", 1)[0]
    chinese = bool(first_word) and first_word[0] >= "\u2e80"
    share = min(1.0, len(first_word) / max(len(line.text), 1))
    chinese_room = _CHINESE_ROOM if _SENTENCE_END.search(previous.text) else _CHINESE_ROOM_INSIDE
    needed = chinese_room * line.size if chinese else share * (line.x1 - line.x0) + line.size
    return previous.x1 + needed >= previous.right


def _elements(blocks: Sequence[Block], bookmarks: Sequence[Bookmark]) -> Iterator[Element]:
    paragraphs = [_paragraph(lines) for lines, table in blocks if table is None]
    levels = heading_levels(paragraphs, bookmarks)
    index = 0
    for lines, table in blocks:
        if table is not None:
            element = table_element(table.rows, header=table.has_header, page_number=lines[0].page_number)
            if element is not None:
                yield element
            continue
        paragraph = paragraphs[index]
        if index in levels:
            yield Element("Title", paragraph.text, paragraph.page_number, heading_level=levels[index])
        elif bullet := _BULLET.match(paragraph.text):
            yield Element("ListItem", paragraph.text[bullet.end() :], paragraph.page_number)
        else:
            yield Element("NarrativeText", paragraph.text, paragraph.page_number)
        index += 1


def _paragraph(lines: Sequence[Line]) -> Paragraph:
    text = lines[0].text
    for line in lines[1:]:
        text = text[:-1] + line.text if _is_divided(text, line.text) else join_lines([text, line.text])
    last = lines[-1]
    longest = max(lines, key=lambda line: len(line.text))
    return Paragraph(
        text,
        longest.size,
        all(line.bold for line in lines),
        len(lines),
        lines[0].page_number,
        alone=last.x1 < last.right - 2 * last.size,
    )

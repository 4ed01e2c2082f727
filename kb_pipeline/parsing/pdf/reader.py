"""The PDF reader: pages -> lines -> paragraphs -> elements."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb_pipeline.errors import EmptyDocument, EncryptedDocument, LimitExceeded, MalformedDocument, UnsupportedFormat
from kb_pipeline.parsing import clock
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.numbering import numbering_scheme
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.pdf.captions import is_caption
from kb_pipeline.parsing.pdf.columns import gutters, usual_gutters
from kb_pipeline.parsing.pdf.confidence import ScannedSpans, confidence, scanned_spans
from kb_pipeline.parsing.pdf.contents import chart_scales, contents_lines
from kb_pipeline.parsing.pdf.fonts import loses_text
from kb_pipeline.parsing.pdf.furniture import TILTED, furniture
from kb_pipeline.parsing.pdf.headings import Bookmark, Paragraph, heading_levels
from kb_pipeline.parsing.pdf.layout import Line, lines_in_reading_order, with_edges
from kb_pipeline.parsing.pdf.page import Page
from kb_pipeline.parsing.pdf.page_reader import read_page
from kb_pipeline.parsing.pdf.paragraphs import (
    Block,
    Style,
    blocks,
    body_style,
    is_bullet,
    is_enumerated,
    joined_text,
    mark_notes,
)
from kb_pipeline.parsing.pdf.rows import rows_of
from kb_pipeline.parsing.pdf.tables import take_tables
from kb_pipeline.parsing.tables import rows_to_text, table_element

_BROKEN_SHARE = 0.3  # of unmapped characters; a page with more has no usable text layer
_DEEPER = 0.8  # ems between the left edges of the items of two levels of a list
_ACROSS = "text across the reading direction"


def read_pdf(data: bytes, *, limits: ParseLimits) -> ParsedDocument:
    """Raises EncryptedDocument, MalformedDocument, LimitExceeded, or EmptyDocument where no page holds text."""
    document = _open(data)
    try:
        page_count = len(document)
        if page_count > limits.pages:
            raise LimitExceeded(
                f"The file has {page_count} pages, more than the limit of {limits.pages}; "
                "raise limits.pages or split the file."
            )
        return _read(document, page_count, limits)
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


def _read(document: pdfium.PdfDocument, page_count: int, limits: ParseLimits) -> ParsedDocument:
    from kb_pipeline.parsing.ocr.pdf import is_stamped_scan, read_scans  # which needs the pages of this package

    pages: list[Page] = []
    scans: list[int] = []
    unreadable: list[int] = []
    tagged = bool(document.is_tagged())
    for index in range(page_count):
        try:
            with clock.page(limits.page_seconds):
                page = read_page(document, index, tagged=tagged)
        except pdfium.PdfiumError:
            unreadable.append(index + 1)
            continue
        if page.unmapped_share > _BROKEN_SHARE or not page.spans or is_stamped_scan(document, page):
            scans.append(index)
        else:
            pages.append(page)
    if loses_text(document, pages):
        raise UnsupportedFormat(
            "The PDF names fonts for Chinese without holding them, and this machine has none, so that its text would "
            "be lost; install one (on Debian: fonts-wqy-zenhei), then run kb failures retry."
        )
    scanned = read_scans(document, scans, limits=limits)
    pages = sorted([*pages, *scanned.pages], key=lambda page: page.number)
    if not pages:
        _refuse(page_count, unreadable)
    elements, dropped = structure(pages, _bookmarks(document))
    return ParsedDocument(
        elements,
        (*dropped, *scanned.dropped),
        page_count=page_count,
        metadata={**_metadata(document), **({"ocr_pages": len(scanned.pages)} if scanned.pages else {})},
        warnings=tuple(_warnings(scanned.without_text, unreadable)),
        source_characters=sum(page.characters for page in pages),
    )


def structure(
    pages: Sequence[Page], bookmarks: Sequence[Bookmark] = ()
) -> tuple[tuple[Element, ...], tuple[DroppedText, ...]]:
    """The elements that the spans and rules of pages make up, and what of the pages is no text of the document."""
    rows = [rows_of(page.spans) for page in pages]
    reasons = furniture(pages, rows)
    dropped: list[DroppedText] = []
    parts = []
    own = []
    for page, page_rows in zip(pages, rows, strict=True):
        dropped += _dropped_spans(page, reasons)
        body_spans = [span for span in page.spans if id(span) not in reasons and not span.angle]
        tables, spans, rules = take_tables(replace(page, spans=tuple(body_spans)), page_rows)
        parts.append((tables, spans, rules))
        numbers = {id(span) for row in page_rows if row.is_supported for span in row.spans}
        # Numbers below each other look like the text of a column.
        own.append(gutters([*(span for span in spans if id(span) not in numbers), *tables], rules))
    usual = usual_gutters(own)
    lines: list[list[Line]] = []
    for page, page_rows, (tables, spans, rules), shown in zip(pages, rows, parts, own, strict=True):
        above = lines[-1][-1].table if lines and lines[-1] else None
        lines.append(lines_in_reading_order(spans, page_rows, tables, page.number, rules, [*shown, *usual], above))
    left_out = {**contents_lines(lines), **chart_scales(lines), **_unreadable_tables(lines)}
    dropped += [
        DroppedText(left_out[id(line)], rows_to_text(line.table.rows) if line.table else line.text, line.page_number)
        for page_lines in lines
        for line in page_lines
        if id(line) in left_out
    ]
    lines = [[line for line in page_lines if id(line) not in left_out] for page_lines in lines]
    body = body_style(lines)
    ordered = [
        mark_notes(with_edges(page_lines), page.rules, body, page.height)
        for page, page_lines in zip(pages, lines, strict=True)
    ]
    found = _elements(list(blocks(ordered, body)), bookmarks, body, scanned_spans(pages))
    return tuple(found), tuple(dropped)


def _unreadable_tables(pages: Sequence[Sequence[Line]]) -> dict[int, str]:
    """id(line) -> reason, for tables whose glyphs have no Unicode values."""
    return {
        id(line): "unreadable table" for lines in pages for line in lines if line.table and line.table.is_unreadable
    }


def _dropped_spans(page: Page, reasons: Mapping[int, str]) -> Iterator[DroppedText]:
    """What of a page is no text of the document, one entry for each reason and row."""
    yield from (DroppedText("comment", text, page.number) for text in page.comments)
    dropped = [(reasons[id(span)], span) for span in page.spans if id(span) in reasons]
    dropped += [(_ACROSS, span) for span in page.spans if span.angle and id(span) not in reasons]
    whole = {TILTED, _ACROSS}  # each character is a span of its own
    for reason, group in itertools.groupby(dropped, key=lambda item: item[0]):
        spans = [span for _, span in group]
        if reason in whole:
            yield DroppedText(reason, "".join(span.text for span in spans), page.number)
        else:
            rows = itertools.groupby(spans, key=lambda span: round(span.bottom))
            yield from (DroppedText(reason, " ".join(span.text for span in row), page.number) for _, row in rows)


def _refuse(page_count: int, unreadable: Sequence[int]) -> None:
    if len(unreadable) == page_count:
        raise MalformedDocument("No page of the PDF can be read; open it and save it again.")
    raise EmptyDocument(
        "The PDF has no text layer, and no text can be recognized on its pages; scan them again with 200 dpi or more."
    )


def _warnings(without_text: Sequence[int], unreadable: Sequence[int]) -> Iterator[str]:
    if without_text:
        yield f"{len(without_text)} pages are pictures in which no text was found: {page_list(without_text)}."
    if unreadable:
        yield f"{len(unreadable)} pages are damaged and were not read: {page_list(unreadable)}."


def page_list(numbers: Sequence[int]) -> str:
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


def _elements(
    found: Sequence[Block], bookmarks: Sequence[Bookmark], body: Style, scanned: ScannedSpans
) -> Iterator[Element]:
    paragraphs = [_paragraph(lines) for lines, table in found if table is None]
    levels = heading_levels(paragraphs, bookmarks, body)
    depths = _ListDepths()
    index = 0
    for lines, table in found:
        span_of_pages = {**_page_end(lines), **confidence(lines, scanned)}
        if table is not None:
            for half in table.side_by_side():
                element = table_element(half.rows, header=half.has_header, page_number=lines[0].page_number)
                if element is not None:
                    yield replace(element, metadata=span_of_pages)
            continue
        paragraph = paragraphs[index]
        text, page = paragraph.text, paragraph.page_number
        if index in levels:
            depths.end()
            yield Element("Title", text, page, heading_level=levels[index], metadata=span_of_pages)
        elif lines[0].is_note:
            yield Element("Footnote", text, page, metadata=confidence(lines, scanned))
        elif bullet := is_bullet(text):
            metadata = {**span_of_pages, **depths.of(lines[0])}
            yield Element("ListItem", text[bullet.end() :], page, metadata=metadata)
        elif is_enumerated(text) or numbering_scheme(text) == "decimal-1":
            yield Element("ListItem", text, page, metadata={**span_of_pages, **depths.of(lines[0])})
        else:
            depths.end()
            category = "FigureCaption" if is_caption(text) else "NarrativeText"
            yield Element(category, text, page, metadata=span_of_pages)
        index += 1


def _page_end(lines: Sequence[Line]) -> dict[str, int]:
    """The last page of an element that goes over several, as metadata."""
    last = max(line.page_number for line in lines)
    return {"page_end": last} if last > lines[0].page_number else {}


class _ListDepths:
    """How deep the items of a list are nested, told by their left edges."""

    def __init__(self) -> None:
        self._edges: list[float] = []
        self._place: tuple[int, int] = (0, 0)

    def end(self) -> None:
        self._edges = []

    def of(self, line: Line) -> dict[str, int]:
        if self._edges and self._place != (line.page_number, line.region):
            self._edges = [edge + line.x0 - self._edges[-1] for edge in self._edges]
        self._place = line.page_number, line.region
        while self._edges and line.x0 < self._edges[-1] - _DEEPER * line.size:
            self._edges.pop()
        if not self._edges or line.x0 > self._edges[-1] + _DEEPER * line.size:
            self._edges.append(line.x0)
        return {"category_depth": len(self._edges) - 1} if len(self._edges) > 1 else {}


def _paragraph(lines: Sequence[Line]) -> Paragraph:
    last = lines[-1]
    longest = max(lines, key=lambda line: len(line.text))
    return Paragraph(
        joined_text(lines),
        longest.size,
        all(line.bold for line in lines),
        len(lines),
        lines[0].page_number,
        alone=last.x1 < last.right - 2 * last.size,
        role=lines[0].role,
        is_note=lines[0].is_note,
        font=longest.font if all(line.font == longest.font for line in lines) else "",
    )

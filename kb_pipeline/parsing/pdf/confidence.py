"""How sure OCR was of the text of a document, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kb_pipeline.parsing.pdf.layout import Line
from kb_pipeline.parsing.pdf.page import Page, Span

CONFIDENCE = "ocr_confidence"  # key in the metadata of an element
_DIGITS = 3  # decimals that are kept

ScannedSpans = Mapping[int, Sequence[Span]]


def scanned_spans(pages: Iterable[Page]) -> ScannedSpans:
    """Page number -> its spans, for pages that OCR has read."""
    return {page.number: page.spans for page in pages if page.spans and page.spans[0].confidence is not None}


def confidence(lines: Iterable[Line], scanned: ScannedSpans) -> dict[str, float]:
    """The mean over the characters of lines and tables, as metadata; none for text that OCR has not read."""
    weighed = [
        (span.confidence, len(span.raw))
        for line in lines
        for span in scanned.get(line.page_number, ())
        if span.confidence is not None and _stands_in(span, line)
    ]
    total = sum(count for _, count in weighed)
    return {CONFIDENCE: round(sum(value * count for value, count in weighed) / total, _DIGITS)} if total else {}


def _stands_in(span: Span, line: Line) -> bool:
    middle = (span.top + span.bottom) / 2
    return line.top <= middle <= line.bottom and span.x1 > line.x0 and span.x0 < line.x1

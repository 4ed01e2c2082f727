"""DOCX, XLSX, XLS, PPTX and ODT -> elements through unstructured.

What unstructured's English rules get wrong is mended: in slides and sheets only the title shape and the
sheet name are headings. A sheet has no pages; its name is its section.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

from kb_pipeline.errors import LimitExceeded
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.offline import prepare_unstructured
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.web import from_unstructured

_NO_LANGUAGE_DETECTION = [""]


def read_docx(data: bytes) -> ParsedDocument:
    prepare_unstructured()
    from unstructured.partition.docx import partition_docx

    found = partition_docx(file=io.BytesIO(data), languages=_NO_LANGUAGE_DETECTION)
    elements = tuple(e for e in map(from_unstructured, found) if e is not None)
    # Word notes page breaks where it last rendered them; a file that it never rendered has none.
    return ParsedDocument(elements, page_count=max((e.page_number or 0 for e in elements), default=0) or None)


def read_odt(data: bytes) -> ParsedDocument:
    prepare_unstructured()
    from unstructured.partition.odt import partition_odt

    elements = partition_odt(file=io.BytesIO(data), languages=_NO_LANGUAGE_DETECTION)
    return ParsedDocument(tuple(e for e in map(from_unstructured, elements) if e is not None))


def read_pptx(data: bytes, *, limits: ParseLimits) -> ParsedDocument:
    prepare_unstructured()
    from pptx import Presentation
    from unstructured.partition.pptx import partition_pptx

    slides = len(Presentation(io.BytesIO(data)).slides)
    if slides > limits.pages:
        raise LimitExceeded(
            f"The file has {slides} slides, more than the limit of {limits.pages}; "
            "raise limits.pages or split the file."
        )
    found = partition_pptx(file=io.BytesIO(data), include_slide_notes=True, languages=_NO_LANGUAGE_DETECTION)
    elements = [e for e in map(from_unstructured, found) if e is not None]
    return ParsedDocument(tuple(_only_title_shapes(e) for e in elements), page_count=slides)


def read_workbook(data: bytes) -> ParsedDocument:
    """XLSX or XLS."""
    prepare_unstructured()
    from unstructured.partition.xlsx import partition_xlsx

    found = partition_xlsx(file=io.BytesIO(data), languages=_NO_LANGUAGE_DETECTION)
    sheets = [source.metadata.page_name or "" for source in found]
    elements = [from_unstructured(source) for source in found]
    pairs = [(sheet, e) for sheet, e in zip(sheets, elements, strict=True) if e is not None]
    return ParsedDocument(tuple(_under_sheet_names(pairs)))


def _only_title_shapes(element: Element) -> Element:
    """unstructured gives body text that looks like a title depth 1 and more; the title shape has depth 0."""
    if element.category == "Title" and element.heading_level != 1:
        return replace(element, category="Text", heading_level=None)
    return element


def _under_sheet_names(pairs: list[tuple[str, Element]]) -> Iterator[Element]:
    current = None
    for sheet, element in pairs:
        if sheet != current and sheet:
            yield Element("Title", sheet, heading_level=1, metadata={"sheet": sheet})
        current = sheet
        category = "Text" if element.category == "Title" else element.category
        yield replace(element, category=category, heading_level=None, page_number=None, metadata={"sheet": sheet})

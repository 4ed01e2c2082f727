"""The reader `docling`: pages by its layout and table models, other formats by its own parsers.

For PDF and images its models must be on this machine (`docling-tools models download`): a parser process has no
network. `docling:no_ocr` reads the text layer alone, which takes a model less.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import UnsupportedFormat
from kb_pipeline.parsing.adapters.shared import html_table, wants_network
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.parsed import ParsedDocument

if TYPE_CHECKING:
    from kb_pipeline.parsing.readers import File

# Its labels, by what our elements call them; all others are text.
_CATEGORIES = {
    "title": "Title",
    "section_header": "Title",
    "list_item": "ListItem",
    "code": "CodeSnippet",
    "formula": "Formula",
    "caption": "FigureCaption",
    "footnote": "Footnote",
    "page_header": "Header",
    "page_footer": "Footer",
    "paragraph": "NarrativeText",
    "text": "NarrativeText",
}


def read(file: File, *, option: str = "") -> ParsedDocument:
    """`option`: "no_ocr" or nothing. Raises UnsupportedFormat for another, or where a model is not on this machine."""
    if option not in ("", "no_ocr"):
        raise UnsupportedFormat(f'docling is told {option}, which means nothing; write "docling" or "docling:no_ocr".')
    from docling.datamodel.base_models import DocumentStream

    name = PurePath(file.name).with_suffix(f".{file.format.value}").name
    try:
        converter = _converter(with_ocr=not option)
        document = converter.convert(DocumentStream(name=name, stream=io.BytesIO(file.data))).document
    except Exception as error:
        if wants_network(error):
            raise UnsupportedFormat(
                "docling's models are not on this machine; run docling-tools models download where there is a network"
                " and set DOCLING_ARTIFACTS_PATH."
            ) from None
        raise
    return ParsedDocument(
        tuple(_elements(document)),
        page_count=len(document.pages) or None,
        metadata={"reader": f"docling {option}".strip()},
    )


def _converter(*, with_ocr: bool) -> Any:
    from docling.datamodel.base_models import InputFormat
    from docling.datamodel.pipeline_options import PdfPipelineOptions
    from docling.document_converter import DocumentConverter, PdfFormatOption

    options = PdfPipelineOptions(do_ocr=with_ocr)
    return DocumentConverter(format_options={InputFormat.PDF: PdfFormatOption(pipeline_options=options)})


def _elements(document: Any) -> Iterator[Element]:
    for item, _ in document.iterate_items(with_groups=False):
        label = str(getattr(item.label, "value", item.label))
        page = item.prov[0].page_no if item.prov else None
        if label == "table":
            table = html_table(item.export_to_html(doc=document), page)
            if table is not None:
                yield table
            continue
        text = getattr(item, "text", "")
        if not text.strip():
            continue
        category = _CATEGORIES.get(label, "Text")
        level = getattr(item, "level", 0) + (label == "section_header") if category == "Title" else None
        marker = getattr(item, "marker", "") if category == "ListItem" and getattr(item, "enumerated", False) else ""
        yield Element(category, f"{marker} {text}".strip(), page, None if level is None else max(level, 1))

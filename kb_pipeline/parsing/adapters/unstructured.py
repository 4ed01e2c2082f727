"""The reader `unstructured`: the library's own `partition`, with any of its strategies.

`unstructured:hi_res` looks at the pages with a model, which must be on this machine: a parser process has no
network. The categories of its elements are ours.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import UnsupportedFormat
from kb_pipeline.parsing.adapters.shared import html_table, wants_network
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.offline import silence_unstructured
from kb_pipeline.parsing.parsed import ParsedDocument

if TYPE_CHECKING:
    from kb_pipeline.parsing.readers import File

STRATEGIES = ("auto", "fast", "hi_res", "ocr_only")


def read(file: File, *, option: str = "auto") -> ParsedDocument:
    """`option`: the strategy. Raises UnsupportedFormat for another one, or where its model is not on this machine."""
    if option not in STRATEGIES:
        raise UnsupportedFormat(f"unstructured has no strategy {option}; write one of {', '.join(STRATEGIES)}.")
    silence_unstructured()
    from unstructured.partition.auto import partition

    try:
        found = partition(file=io.BytesIO(file.data), metadata_filename=file.name, strategy=option)
    except Exception as error:
        if wants_network(error):
            raise UnsupportedFormat(
                f"unstructured's models for the strategy {option} are not on this machine; load them once outside of"
                " kb, as its documentation says, or choose fast."
            ) from None
        raise
    pages = [element.metadata.page_number for element in found if element.metadata.page_number]
    return ParsedDocument(
        tuple(_elements(found)), page_count=max(pages, default=None), metadata={"reader": f"unstructured {option}"}
    )


def _elements(found: list[Any]) -> Iterator[Element]:
    for element in found:
        metadata = element.metadata
        table = html_table(metadata.text_as_html, metadata.page_number) if metadata.text_as_html else None
        if table is not None:
            yield table
        elif element.text.strip() and element.category != "PageBreak":
            level = (metadata.category_depth or 0) + 1 if element.category == "Title" else None
            category = "Text" if element.category == "UncategorizedText" else element.category
            yield Element(category, element.text, metadata.page_number, level)

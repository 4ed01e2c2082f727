"""Jupyter notebooks -> the Markdown and the code of their cells; what the code printed is left out and listed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.markdown import markdown_document
from kb_pipeline.parsing.parsed import ParsedDocument


def read_notebook(data: bytes) -> ParsedDocument:
    """Formats 3 and 4 of nbformat. Raises MalformedDocument."""
    try:
        notebook = json.loads(decode_text(data)[0])
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        parts = [_cell(cell) for cell in cells]
        language = str(notebook.get("metadata", {}).get("language_info", {}).get("name", "python"))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise MalformedDocument("The file is no notebook although its name says so; save it again.") from None
    return ParsedDocument(
        tuple(element for part in parts for element in part.elements),
        tuple(item for part in parts for item in part.dropped),
        metadata={"programming_language": language},
        source_characters=sum(part.source_characters or 0 for part in parts),
    )


def _cell(cell: dict[str, Any]) -> ParsedDocument:
    source = _joined(cell.get("source", cell.get("input", "")))
    if cell["cell_type"] == "markdown":
        return markdown_document(source.replace("\r\n", "\n"))
    if cell["cell_type"] == "heading":  # format 3
        return ParsedDocument((Element("Title", source, heading_level=min(int(cell.get("level", 1)), 6)),))
    printed = tuple(DroppedText("notebook output", text) for text in _printed(cell.get("outputs", [])))
    characters = sum(len("".join(text.split())) for text in (source, *(item.text for item in printed)))
    code = (Element("CodeSnippet", source.strip("\n")),) if source.strip() else ()
    return ParsedDocument(code, printed, source_characters=characters)


def _printed(outputs: list[dict[str, Any]]) -> Iterator[str]:
    for output in outputs:
        text = _joined(output.get("text", output.get("data", {}).get("text/plain", "")))
        if text.strip():
            yield text


def _joined(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)

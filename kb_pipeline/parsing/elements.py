"""The plain data that parsing hands to chunking.

An *element* is one paragraph, heading, list item or table of a document, in reading order, with the
category names of unstructured. Elements are cleaned and masked before they leave the parser process.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a document.

    `category`: Title, NarrativeText, ListItem, Table, Text, CodeSnippet, …: the names of unstructured.
    `heading_level`: 1 for the top; None unless the category is Title.
    `section_path`: the headings above this element, outermost first; for a heading, itself included.
    `html`: for a Table, its cells as an HTML table; `text` then holds the cells as plain text.
    """

    category: str
    text: str
    page_number: int | None = None
    heading_level: int | None = None
    section_path: tuple[str, ...] = ()
    html: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DroppedText:
    """Text that cleaning left out, and why (running header, footer, page number, …)."""

    reason: str
    text: str
    page_number: int | None = None


@dataclass(frozen=True, slots=True)
class CleanedDocument:
    """What parsing, cleaning and masking made of one file.

    `privacy_counts`: entity type -> how many were masked. `page_count`: None where pages mean nothing.
    `warnings`: sentences for a person; they hold no document text. `coverage`: the visible characters among
    kept and dropped text, as a share of those that the file holds; None where that is not known. `seconds`:
    wall time of reading, cleaning and masking.
    """

    elements: tuple[Element, ...]
    dropped: tuple[DroppedText, ...] = ()
    page_count: int | None = None
    privacy_counts: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    coverage: float | None = None
    seconds: float = field(default=0.0, compare=False)


def pack(document: CleanedDocument) -> bytes:
    """Compressed JSON, as the ledger stores it. The JSON is UTF-8 and never holds NUL."""
    return zlib.compress(orjson.dumps(document), 6)


def unpack(payload: bytes) -> CleanedDocument:
    """The inverse of `pack`."""
    data = orjson.loads(zlib.decompress(payload))
    elements = tuple(Element(**{**e, "section_path": tuple(e["section_path"])}) for e in data.pop("elements"))
    dropped = tuple(DroppedText(**d) for d in data.pop("dropped"))
    return CleanedDocument(elements, dropped, warnings=tuple(data.pop("warnings")), **data)

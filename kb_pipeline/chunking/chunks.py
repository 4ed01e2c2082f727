"""The plain data that chunking hands to embedding and to the table.

A *chunk* is the unit that is embedded, searched and shown. Its *content* is what a reader sees; its
*embedded text* also carries the heading path, so that a passage is found by what its chapter is about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def embedded_text(section_path: Sequence[str], content: str) -> str:
    """The heading path on a line of its own, then the content."""
    return " > ".join(section_path) + "\n" + content if section_path else content


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a document.

    `chunk_key`: 32 hex digits of hash(document, text, occurrence): unchanged by edits elsewhere.
    `page_number`, `page_end`: first and last page, 1-based; None where the format has no pages.
    `section_path`: headings above, outermost first. `language`: "zh", "en" or "other".
    """

    ordinal: int
    chunk_key: str
    content: str
    page_number: int | None
    page_end: int | None
    section_path: tuple[str, ...]
    language: str
    token_count: int
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def section_title(self) -> str | None:
        return self.section_path[-1] if self.section_path else None

    @property
    def embedded_text(self) -> str:
        return embedded_text(self.section_path, self.content)

    @property
    def text_hash(self) -> bytes:
        """sha256 of the embedded text: identical text is embedded once, anywhere."""
        return hashlib.sha256(self.embedded_text.encode()).digest()

"""What a reader makes of a file's bytes, before cleaning and masking.

A *reader* is a function (bytes, options) -> ParsedDocument, one module per family of formats. It fills
`heading_level` for headings; section paths are computed later, once, for all formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kb_pipeline.parsing.elements import DroppedText, Element

_PAGE_SHARE = 10  # a page that takes more than this part of a document's time draws itself without end


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one document may cost: wall seconds, MiB of memory, pages, MiB after unzipping, pixels of an image.

    `characters`: of its text; what follows in other processes costs time and memory in proportion to them.
    `ocr_page_seconds`: wall seconds that each page read by OCR may take on top of `seconds`.
    """

    seconds: float = 300.0
    memory_mb: int = 2048
    pages: int = 5000
    unzipped_mb: int = 512
    pixels: int = 100_000_000
    ocr_page_seconds: float = 60.0
    characters: int = 10_000_000

    @property
    def page_seconds(self) -> float:
        """CPU seconds for the text layer of one page."""
        return self.seconds / _PAGE_SHARE


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as its reader understood it. `dropped` holds what the reader itself left out.

    `source_characters`: how many visible (not blank) characters the file holds, counted apart from what the
    reader understood of them; None where that cannot be counted.
    """

    elements: tuple[Element, ...]
    dropped: tuple[DroppedText, ...] = ()
    page_count: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    source_characters: int | None = None

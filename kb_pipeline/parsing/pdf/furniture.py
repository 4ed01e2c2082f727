"""Lines that are not text of the document: running headers and footers, page numbers, tables of contents.

Running lines stand at the edge of pages and repeat from page to page; a line of a table of contents ends in
a leader of dots and a page number.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

from kb_pipeline.parsing.pdf.layout import Line

_BAND = 0.12  # of the page height at the top and at the bottom
_EDGE_LINES = 3  # at most so many lines of a band can be furniture
_FEWEST_PAGES = 3  # that a text must repeat on; two where a document has no more
_DENSITY = 0.4  # of the pages between its first and its last one (left and right pages alternate)
_PAGE_NUMBER = re.compile(
    r"(?:page|p\.?)?\s*[-–—·~|]?\s*#(?:\s*(?:/|of|\||共)\s*#\s*页?)?\s*[-–—·~|]?|第\s*#\s*页(?:[,，/\s]*共\s*#\s*页)?|[ivxlc]{1,6}",
    re.IGNORECASE,
)
_CONTENTS = re.compile(r"(?:[.．…·_]\s?){4,}\s*[-–—]?\s*(?:\d+|[ivxlc]+)?\s*[-–—]?\s*$", re.IGNORECASE)
_FEWEST_CONTENTS = 3  # such lines on one page
_NUMBERS_AROUND = re.compile(r"^[\s#/|–—-]+|[\s#/|–—-]+$|\s+")
_DIGITS = re.compile(r"\d+")


def furniture(pages: Sequence[Sequence[Line]], heights: Sequence[float]) -> Mapping[int, str]:
    """id(line) -> the reason why it is furniture."""
    candidates: dict[tuple[str, str], list[tuple[int, Line]]] = defaultdict(list)
    found: dict[int, str] = {}
    for index, (lines, height) in enumerate(zip(pages, heights, strict=True)):
        ordered = sorted((line for line in lines if line.table is None), key=lambda line: line.top)
        top = [line for line in ordered[:_EDGE_LINES] if line.bottom < _BAND * height]
        bottom = [line for line in ordered[-_EDGE_LINES:] if line.top > (1 - _BAND) * height]
        for edge, band in (("page header", top), ("page footer", bottom)):
            for line in band:
                shape = _shape(line.text)
                if _PAGE_NUMBER.fullmatch(shape) and (line is ordered[0] or line is ordered[-1]):
                    found[id(line)] = "page number"
                candidates[edge, _NUMBERS_AROUND.sub("", shape) or shape].append((index, line))
    needed = min(_FEWEST_PAGES, max(2, len(pages)))
    for (edge, _), seen in candidates.items():
        indexes = {index for index, _ in seen}
        if len(indexes) >= needed and len(indexes) >= _DENSITY * (max(indexes) - min(indexes) + 1):
            found.update((id(line), edge) for _, line in seen if id(line) not in found)
    return found


def contents_lines(pages: Sequence[Sequence[Line]]) -> Mapping[int, str]:
    """id(line) -> reason, for the lines of tables of contents."""
    found: dict[int, str] = {}
    for lines in pages:
        dotted = [line for line in lines if _CONTENTS.search(line.text)]
        if len(dotted) >= _FEWEST_CONTENTS:
            found.update((id(line), "table of contents") for line in dotted)
    return found


def _shape(text: str) -> str:
    """The text with numbers replaced by #, so that page numbers and dates do not hide a repetition."""
    return _DIGITS.sub("#", unicodedata.normalize("NFKC", text)).strip()

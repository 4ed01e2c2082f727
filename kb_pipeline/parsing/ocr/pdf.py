"""The pages of a PDF that have no usable text layer, rendered and read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb_pipeline.parsing import clock
from kb_pipeline.parsing.elements import DroppedText
from kb_pipeline.parsing.ocr.pages import NOISE, PageImage, ScannedPage, as_pages, is_blank, scan
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.parsing.pdf.page import Page

_POINTS = 72  # per inch
_DPI = 200
_FEWEST_PIXELS = 1200  # of the longer side: a small page may hold the photo of a large one
_MOST_PIXELS = 16_000_000  # of a page; more show nothing more of its text
_DEPTH = 2  # forms inside forms in which images are looked for
_STAMPED = 60  # characters: a page with so few may be a scan that a program has stamped
_COVERED = 0.6  # of the page that an image covers, where it is a scan


@dataclass(frozen=True, slots=True)
class Scans:
    """`without_text`: numbers of the pages on which something is printed, but nothing that can be read."""

    pages: tuple[Page, ...]
    dropped: tuple[DroppedText, ...]
    without_text: tuple[int, ...]


def is_stamped_scan(document: pdfium.PdfDocument, page: Page) -> bool:
    """Whether a page is an image with next to no text over it, such as its number in an archive."""
    if page.characters > _STAMPED:
        return False
    raw = document[page.number - 1]
    try:
        images = raw.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=_DEPTH)
        return any(_area(image.get_bounds()) > _COVERED * page.width * page.height for image in images)
    finally:
        raw.close()


def _render(document: pdfium.PdfDocument, index: int, most_pixels: int) -> PageImage | None:
    """A picture of the page; None where it holds an image that is too large."""
    page = document[index]
    try:
        for image in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=_DEPTH):
            width, height = image.get_px_size()
            if width * height > most_pixels:
                return None
        width, height = page.get_size()
        scale = max(_DPI / _POINTS, _FEWEST_PIXELS / max(width, height))
        scale = min(scale, math.sqrt(_MOST_PIXELS / (width * height)))
        bitmap = page.render(scale=scale)
        pixels = np.array(bitmap.to_numpy()[:, :, :3])
        bitmap.close()
        return PageImage(index + 1, pixels, 1 / scale)
    finally:
        page.close()


def _area(bounds: tuple[float, float, float, float]) -> float:
    left, bottom, right, top = bounds
    return max(right - left, 0.0) * max(top - bottom, 0.0)


def read_scans(document: pdfium.PdfDocument, indexes: Sequence[int], *, limits: ParseLimits) -> Scans:
    """Read the pages with these 0-based indexes. Pages that are blank are left out without a word."""
    found: list[ScannedPage] = []
    without_text: list[int] = []
    for index in indexes:
        clock.extend(limits.ocr_page_seconds)
        picture = _render(document, index, limits.pixels)
        if picture is not None and is_blank(picture.pixels):
            continue
        read = scan(picture) if picture is not None else None
        if read is not None and read.words:
            found.append(read)
        else:
            without_text.append(index + 1)
    return Scans(
        tuple(as_pages(found)),
        tuple(DroppedText(NOISE, text, page.number) for page in found for text in page.noise),
        tuple(without_text),
    )

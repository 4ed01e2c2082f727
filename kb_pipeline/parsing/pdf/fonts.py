"""Whether this machine has a font for the Chinese text of PDFs that name one without holding it, and which do.

PDFium then takes the sizes of characters from a font of the machine. With none for Chinese the characters have no
height, and it drops those that seem to lie on others.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator

import pypdfium2 as pdfium

from kb_pipeline.parsing.numbering import is_ideograph
from kb_pipeline.parsing.pdf.objects import left_out_fonts
from kb_pipeline.parsing.pdf.page import Page

# One character, 中, in a font that is named only. Without a table of its objects, which PDFium makes again.
_PAGE = b"""%PDF-1.4
1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj
2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj
3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R /Resources <</Font <</F 5 0 R>>>>>> endobj
4 0 obj <</Length 33>> stream
BT /F 12 Tf 10 10 Td <4E2D> Tj ET
endstream endobj
5 0 obj <</Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R]>> endobj
6 0 obj <</Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /FontDescriptor 7 0 R
  /CIDSystemInfo <</Registry (Adobe) /Ordering (GB1) /Supplement 4>>>> endobj
7 0 obj <</Type /FontDescriptor /FontName /STSong-Light /Flags 6 /Ascent 859 /Descent -140 /CapHeight 683
  /ItalicAngle 0 /StemV 93 /FontBBox [-134 -254 1001 905]>> endobj
trailer <</Root 1 0 R>>
"""
_CHINESE_SHARE = 0.02  # of the characters that are left of a font for Chinese
_LATIN = re.compile(r"Arial|Times|Helvetica|Courier|Calibri|Cambria|Symbol|Zapf|Verdana|Georgia", re.IGNORECASE)
_MOST_LOST = 0.02  # pieces of text, of which most are single characters, for each character that is left
_LEAST_HEIGHT = 1.0  # points; a character of 12 points has ten times that


@functools.cache
def has_chinese_font() -> bool:
    """Whether PDFium finds one; it looks once in the life of a process."""
    document = pdfium.PdfDocument(_PAGE)
    try:
        text = document[0].get_textpage()
        if not text.count_chars():
            return False
        _, bottom, _, top = text.get_charbox(0)
    finally:
        document.close()
    return bool(top - bottom >= _LEAST_HEIGHT)


def loses_text(document: pdfium.PdfDocument, pages: Iterable[Page]) -> bool:
    """Whether much text in fonts for Chinese, which the file names without holding them, was lost on a machine that
    has none. `pages`: what is left of them shows which fonts these are."""
    if has_chinese_font():
        return False
    left: Counter[str] = Counter()
    chinese: Counter[str] = Counter()
    for span in (span for page in pages for span in page.spans if span.font):
        left[span.font] += len(span.raw)
        chinese[span.font] += sum(map(is_ideograph, span.raw))
    latin = {font for font, length in left.items() if chinese[font] < _CHINESE_SHARE * length}
    # Those are no fonts for Chinese, and what is lost in them is no more than blanks.
    lost = Counter(name for name in _lost_texts(document) if name not in latin and not _LATIN.match(name))
    return lost.total() > _MOST_LOST * sum(left[name] for name in left.keys() - latin)


def _lost_texts(document: pdfium.PdfDocument) -> Iterator[str]:
    """Of each text that a page lost: its font."""
    for index in range(len(document)):
        page = document[index]
        text = page.get_textpage()
        yield from left_out_fonts(page.raw, text.raw)
        text.close()
        page.close()

"""Whether this machine has a font for the Chinese text of PDFs that name one without holding it.

PDFium then takes the sizes of characters from a font of the machine. With none for Chinese the characters have no
height, and it drops those that seem to lie on others.
"""

from __future__ import annotations

import pypdfium2 as pdfium

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
_LEAST_HEIGHT = 1.0  # points; a character of 12 points has ten times that


def has_chinese_font() -> bool:
    """Whether PDFium finds one."""
    document = pdfium.PdfDocument(_PAGE)
    try:
        text = document[0].get_textpage()
        if not text.count_chars():
            return False
        _, bottom, _, top = text.get_charbox(0)
    finally:
        document.close()
    return bool(top - bottom >= _LEAST_HEIGHT)

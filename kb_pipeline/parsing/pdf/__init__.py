"""PDF -> elements, from the text layer itself.

Terms
  span        characters of one style that follow each other on one baseline without a wide gap.
  line        the spans of one baseline within one column.
  rule        a straight horizontal or vertical stroke, or the edge of a thin or framed rectangle.
  furniture   running headers, footers and page numbers.

The order of work: `page` reads spans and rules with pdfium, `tables` takes the spans that stand in ruled
grids, `layout` orders the rest into columns and lines, `furniture` finds what repeats, `reader` joins lines to
paragraphs, `headings` decides which of them are headings of which level. All but `page` are pure functions.
"""

from kb_pipeline.parsing.pdf.reader import read_pdf

__all__ = ["read_pdf"]

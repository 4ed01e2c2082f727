"""PDF -> elements, from the text layer itself.

Terms
  span        characters of one style that follow each other on one baseline without a wide gap.
  line        the spans of one baseline within one column.
  rule        a straight horizontal or vertical stroke, or the edge of a thin or framed rectangle.
  furniture   running headers, footers and page numbers.

The order of work: `page_reader` reads spans and rules with pdfium (`characters`, `objects`, `annotations`), and with
`tags` what a tagged file says of them; `rows` are the cells of one baseline over the whole width; `furniture` finds
what repeats, what is a watermark, and what is a table of contents; `tables` takes the spans that stand in ruled grids;
`numeric` finds the tables that numbers show; `columns` puts the rest into regions and `layout` those into lines, in
which `aligned` finds tables of texts; `paragraphs` joins lines and tables over columns and pages; `headings` decides
which paragraphs are headings of which level; `reader` does all this. All but `page_reader` and what it calls are pure
functions.
"""

from kb_pipeline.parsing.pdf.reader import read_pdf

__all__ = ["read_pdf"]

"""One page of a PDF, read with pdfium."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pypdfium2 as pdfium

from kb_pipeline.parsing.pdf.annotations import tick_box, with_annotations
from kb_pipeline.parsing.pdf.characters import read_spans
from kb_pipeline.parsing.pdf.objects import RULE_THICKNESS, Objects, drawn_edges, objects_of, printed_twice
from kb_pipeline.parsing.pdf.overprints import without_overprints
from kb_pipeline.parsing.pdf.page import Page, Rule, Span, visible
from kb_pipeline.parsing.pdf.raised import with_scripts
from kb_pipeline.parsing.pdf.tags import PageTags
from kb_pipeline.parsing.pdf.vertical import set_upright
from kb_pipeline.parsing.pdf.view import View

_LATIN_1_SHARE = 0.4  # of the letters above ASCII; no language writes so, but fonts without a mapping look so
_SHORTEST_RULE = 6.0  # points


def read_page(document: pdfium.PdfDocument, index: int, *, tagged: bool = False) -> Page:
    """The page with the 0-based `index`. `tagged`: the document says which text has which role."""
    page, boxes, comments = with_annotations(document, index)
    try:
        left, bottom, right, top = page.get_bbox()
        view = View(left, bottom, right, top, page.get_rotation())
        tags = PageTags.read(page) if tagged else None
        objects = objects_of(page.raw)
        twice = printed_twice(objects)
        textpage = page.get_textpage()
        try:
            spans, unmapped = read_spans(textpage, view, tags, twice)
            turned = _usual_angle(spans)
            if turned:  # a wide table that was printed sideways: read the page as one would hold it
                view = replace(view, rotation=(view.rotation + turned) % 360)
                spans, unmapped = read_spans(textpage, view, tags, twice)
            characters = visible(textpage.get_text_range()) if spans else 0
            spans = (*spans, *(tick_box(view, *box) for box in boxes))
            characters += len(boxes) + sum(map(visible, comments))
        finally:
            textpage.close()
        if _latin_1_share(spans) > _LATIN_1_SHARE:
            unmapped = 1.0
        rules = tuple(_read_rules(objects, view)) if spans else ()
        spans, overprinted = without_overprints(spans)
        spans = tuple(with_scripts(spans))
        found = Page(
            index + 1,
            view.width,
            view.height,
            spans,
            rules,
            unmapped,
            max(0, characters - overprinted),
            tuple(comments),
        )
        return set_upright(found)
    finally:
        page.close()


def _latin_1_share(spans: Sequence[Span]) -> float:
    letters = Counter("".join(span.raw for span in spans))
    latin_1 = sum(count for letter, count in letters.items() if "\x80" <= letter <= "\xff")
    return latin_1 / letters.total() if letters else 0.0


def _usual_angle(spans: tuple[Span, ...]) -> int:
    """The angle of most characters, degrees."""
    counts: Counter[int] = Counter()
    for span in spans:
        counts[span.angle] += 0 if span.tilted else len(span.raw)
    return counts.most_common(1)[0][0] if counts else 0


def _read_rules(objects: Objects, view: View) -> Iterator[Rule]:
    for x0, y0, x1, y1 in drawn_edges(objects):
        left, top, right, bottom = view.box(x0, y0, x1, y1)
        if bottom - top <= RULE_THICKNESS and right - left >= _SHORTEST_RULE:
            middle = (top + bottom) / 2
            yield Rule(left, middle, right, middle)
        elif right - left <= RULE_THICKNESS and bottom - top >= _SHORTEST_RULE:
            middle = (left + right) / 2
            yield Rule(middle, top, middle, bottom)

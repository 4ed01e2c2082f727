"""Text that is no text of the document: running headers and footers, page numbers, watermarks.

Running text stands at the edge of pages and repeats from page to page; a watermark is tilted, or faint.

Terms
  band   the part of a page at its top and its bottom where running text stands.
  shape  a text with its numbers replaced, so that page numbers and dates do not hide a repetition.
"""

from __future__ import annotations

import itertools
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from kb_pipeline.parsing.numbering import display_width
from kb_pipeline.parsing.pdf.page import Page, Rule, Span
from kb_pipeline.parsing.pdf.rows import Row, among
from kb_pipeline.parsing.pdf.tags import ARTIFACT

TILTED = "tilted watermark"
_BAND = 0.12  # of the page height at the top and at the bottom
_MARGIN = 0.07  # of the longer side of a page; what stands alone there is no body
_FOOTNOTE = re.compile(r"[\d*†‡①-⑳]{1,3}\s*[^\d\s/|]")
_WIDE_BAND = 0.25  # the same where a text repeats unchanged on one and the same height
_EDGE_ROWS = 4  # at most so many rows of a band can be furniture
_OUTER_ROWS = 2  # on either edge, where the band is wide
_PLACE_SHARE = 0.3  # of the pages that a text in the wide band must be on
_MOST_IN_ROW = 3  # texts of a running row: left, middle and right
_SAME_HEIGHT = 3.0  # points
_FEWEST_PAGES = 3  # that a text must repeat on; two where a document has few
_FEW_PAGES = 4
_DENSITY = 0.4  # of the pages between its first and its last one (left and right pages alternate)
_USUAL_SHARE = 0.6  # of the pages have a small row on one height, apart from the body: it is running text
_APART = 0.8  # ems that running text stands away from the body at least
_APART_GAPS = 1.5  # times the usual gap between the rows of its page
_FEW_ROWS = 4
_PARTED_GAPS = 1.3  # times the usual gap between the rows of a page, at least, between running text and text inside
_LONG_RULE = 100.0  # points
_TELLING_WIDTH = 12  # columns of a text that repeats on one place by no chance
_LARGE = 1.8  # times the body size; a faint text of that size is a stamp
_STAMP_SHARE = 0.5  # of the pages that a stamp is on
_TILES = 4  # times a faint text stands on one page: it is tiled over it
_MOST_ARTIFACTS = 0.3  # of the characters; a document that calls more of itself decoration does not know
_LONGEST_STAMP = 60  # characters
_PAGE_NUMBER = re.compile(
    r"(?:page|p\.?)?\s*[-–—·~|]?\s*#(?:\s*(?:/|of|\||共)\s*#\s*页?)?\s*[-–—·~|]?|第\s*#\s*页(?:[,，/\s]*共\s*#\s*页)?|[ivxlc]{1,6}",
    re.IGNORECASE,
)
_NUMBERS_AROUND = re.compile(
    r"^[\s#/|–—-]+|[\s#/|–—-]+$|\s+|(?:page|第)\s*#(?:\s*(?:of|/)\s*#)?\s*页?|共\s*#\s*页", re.IGNORECASE
)
_STOPS = (".", "。", "；", ";", "：", ":", "，", ",")  # running text hardly ever ends with one
_ABBREVIATED = re.compile(r"\b[A-Z][a-z]{0,3}\.$")  # Inc., Ltd., Co.
_NAME_AND_NUMBER = re.compile(r"(\d{1,4})\s*[|·•]\s*\S.*|.*\S\s*[|·•]\s*(\d{1,4})")
_DIGITS = re.compile(r"\d+")


def furniture(pages: Sequence[Page], rows: Sequence[Sequence[Row]]) -> Mapping[int, str]:
    """id(span) -> the reason why it is no text of the document. `rows`: those of each page."""
    body = _body_size(pages)
    found: dict[int, str] = {}
    found.update(_artifacts(pages))
    found.update(_watermarks(pages, body))
    found.update((id(span), TILTED) for page in pages for span in page.spans if span.tilted)
    body_rows = [
        among(page_rows, (span for span in page.spans if id(span) not in found))
        for page, page_rows in zip(pages, rows, strict=True)
    ]
    found.update(_running_text(pages, body_rows, body))
    return found


def _artifacts(pages: Sequence[Page]) -> Iterator[tuple[int, str]]:
    """What a tagged document calls decoration itself."""
    total = sum(len(span.raw) for page in pages for span in page.spans)
    marked = [(page, span) for page in pages for span in page.spans if span.role == ARTIFACT]
    if sum(len(span.raw) for _, span in marked) > _MOST_ARTIFACTS * total:
        return
    for page, span in marked:
        if span.bottom < _WIDE_BAND * page.height:
            yield id(span), "page header"
        elif span.top > (1 - _WIDE_BAND) * page.height:
            yield id(span), "page footer"
        else:
            yield id(span), "artifact"


def _watermarks(pages: Sequence[Page], body: float) -> Iterator[tuple[int, str]]:
    """Stamps: faint and large, or faint and repeated."""
    places: dict[tuple[str, int, int], dict[int, int]] = defaultdict(dict)
    for index, page in enumerate(pages):
        faint = [span for span in page.spans if span.faint and not span.angle and len(span.text) <= _LONGEST_STAMP]
        tiles = Counter(span.text for span in faint)
        for span in faint:
            if span.size >= _LARGE * body or tiles[span.text] >= _TILES:
                yield id(span), "watermark"
            places[span.text, round(span.x0 / _SAME_HEIGHT), round(span.top / _SAME_HEIGHT)][id(span)] = index
    if len(pages) > 1:
        needed = max(min(_FEWEST_PAGES, len(pages)), _STAMP_SHARE * len(pages))
        for seen in places.values():
            if len(set(seen.values())) >= needed:
                yield from ((span, "watermark") for span in seen)


def _body_size(pages: Sequence[Page]) -> float:
    """The font size of most characters, points."""
    weights: Counter[float] = Counter()
    for page in pages:
        for span in page.spans:
            weights[span.size] += len(span.raw)
    return weights.most_common(1)[0][0] if weights else 0.0


def _text(row: Row) -> str:
    return " ".join(span.text for span in row.spans)


def _running_text(pages: Sequence[Page], rows: Sequence[Sequence[Row]], body: float) -> dict[int, str]:
    set_off = [_set_off(page_rows, page.rules) for page, page_rows in zip(pages, rows, strict=True)]
    found: dict[int, str] = {}
    for page, page_rows in zip(pages, rows, strict=True):
        for edge, row in _edge_rows(page_rows, page.height, _BAND):
            if row is page_rows[0] or row is page_rows[-1]:
                found.update(_numbered_row(row, edge, page.number, body))
    found.update(_counted(pages, rows, set_off))
    for edge, seen in _repeated(pages, rows, set_off):
        _mark(found, edge, seen)
    for row in _usual_heights(pages, rows, body):
        _mark(found, "page header", row.spans)
    for page, page_rows in zip(pages, rows, strict=True):
        for edge, row in _in_margin(page, page_rows, body):
            for span in row.spans:
                found.setdefault(id(span), edge)
    return found


def _repeated(
    pages: Sequence[Page], rows: Sequence[Sequence[Row]], set_off: Sequence[set[int]]
) -> Iterator[tuple[str, list[Span]]]:
    """Texts that repeat in the band but for their numbers, and those that repeat on one place of a wider band.

    `set_off`: for each page what `_set_off` finds.
    """
    by_shape: dict[tuple[str, str, float], list[tuple[int, Span]]] = defaultdict(list)
    by_place: dict[tuple[str, str, int, float], list[tuple[int, Span]]] = defaultdict(list)
    first_alike: dict[str, int] = {}
    for number, (page, page_rows) in enumerate(zip(pages, rows, strict=True)):
        # A page that is in the file twice says nothing about what repeats.
        index = first_alike.setdefault("\n".join(_text(row) for row in page_rows), number)
        outer = {id(row) for row in (*page_rows[:_OUTER_ROWS], *page_rows[-_OUTER_ROWS:])}
        for edge, row in _edge_rows(page_rows, page.height, _WIDE_BAND):
            in_band = row.bottom < _BAND * page.height or row.top > (1 - _BAND) * page.height
            for span in row.spans:
                if _is_in_grid(span, page):
                    continue
                shape = _shape(span.text)
                apart = id(row) in set_off[number]
                if in_band and apart:
                    by_shape[edge, _NUMBERS_AROUND.sub("", shape) or shape, span.size].append((index, span))
                share = _PLACE_SHARE if apart else _USUAL_SHARE
                if id(row) in outer and _tells(span, set_off=apart):
                    by_place[edge, span.text, round(span.top / _SAME_HEIGHT), share].append((index, span))
    needed = _FEWEST_PAGES if len(pages) > _FEW_PAGES else 2
    for (edge, _, _), seen in by_shape.items():
        indexes = {index for index, _ in seen}
        if len(indexes) >= needed and len(indexes) >= _DENSITY * (max(indexes) - min(indexes) + 1):
            yield edge, [span for _, span in seen]
    for (edge, _, _, share), seen in by_place.items():
        indexes = {index for index, _ in seen}
        if len(indexes) >= max(_FEWEST_PAGES, share * len(pages)):
            yield edge, [span for _, span in seen]


def _tells(span: Span, *, set_off: bool) -> bool:
    """Whether a text that repeats on one place does so by no chance."""
    return (set_off or display_width(span.text) >= _TELLING_WIDTH) and not _ends_sentence(span.text)


def _ends_sentence(text: str) -> bool:
    """Whether a text ends as running text hardly ever does; the name of a company may end in an abbreviation."""
    return text.endswith(_STOPS) and _ABBREVIATED.search(text) is None


def _in_margin(page: Page, rows: Sequence[Row], body: float) -> Iterator[tuple[str, Row]]:
    """Small rows that stand alone in the upper or lower margin, for documents too short to repeat them.

    The first page may begin with small text of its own: a number, a date.
    """
    for edge, end in (("page header", 0), ("page footer", -1)):
        if (
            not rows
            or (end == 0 and page.number == 1)
            or not _is_apart(rows, end, page.height)
            or rows[end].is_supported
        ):
            continue
        row = rows[end]
        margin = _MARGIN * max(page.width, page.height)  # that of a page turned on its side is no narrower
        inside = row.bottom >= margin if end == 0 else row.top <= page.height - margin
        # A number beside it tells nothing: in a scan that is too short to be measured, and may have been misread.
        texts = [span for span in row.spans if not _is_page_number(span.text)] or row.spans
        if inside or len(row.spans) > _MOST_IN_ROW - 1 or any(span.size >= body for span in texts):
            continue
        # A header may name a numbered chapter, which looks like a footnote.
        is_text = _ends_sentence(_text(row)) or (end == -1 and _FOOTNOTE.match(_text(row)))
        if not is_text and not any(_is_in_grid(span, page) for span in row.spans):
            yield edge, row


def _is_in_grid(span: Span, page: Page) -> bool:
    """Whether vertical rules stand on both sides: the head of a table that is repeated on each of its pages."""
    beside = [
        rule for rule in page.rules if rule.x0 == rule.x1 and rule.top <= (span.top + span.bottom) / 2 <= rule.bottom
    ]
    return any(rule.x0 <= span.x0 for rule in beside) and any(rule.x0 >= span.x1 for rule in beside)


def _set_off(rows: Sequence[Row], rules: Sequence[Rule]) -> set[int]:
    """id(row) of the rows at the edges of a page that a gap, a rule or another size parts from the text inside."""
    usual = statistics.median(b.top - a.bottom for a, b in itertools.pairwise(rows)) if len(rows) > _FEW_ROWS else 0.0
    found: set[int] = set()
    for ordered in (rows, rows[::-1]):
        for count, (row, inner) in enumerate(itertools.pairwise(ordered[: _EDGE_ROWS + 1]), start=1):
            if _is_parted(row, inner, rules, usual):
                found.update(id(outer) for outer in ordered[:count])
    return found or {id(row) for row in rows[:1] if len(rows) == 1}


def _is_parted(row: Row, inner: Row, rules: Sequence[Rule], usual: float) -> bool:
    """Whether running text could end with `row`, before `inner` begins."""
    upper, lower = (row, inner) if row.top < inner.top else (inner, row)
    resized = abs(row.spans[0].size - inner.spans[0].size) >= 0.5
    if resized or lower.top - upper.bottom >= _PARTED_GAPS * usual:
        return True
    return any(
        rule.top == rule.bottom
        and rule.x1 - rule.x0 > _LONG_RULE
        and upper.bottom - _SAME_HEIGHT < rule.top < lower.top + _SAME_HEIGHT
        for rule in rules
    )


def _edge_rows(rows: Sequence[Row], height: float, band: float) -> Iterator[tuple[str, Row]]:
    """The rows at the edges of a page that may be running text: none that is a row of a table, or behind one."""
    for edge, ordered in (("page header", rows), ("page footer", rows[::-1])):
        for row in itertools.takewhile(lambda row: not row.is_supported, ordered[:_EDGE_ROWS]):
            if (row.bottom < band * height) if edge == "page header" else (row.top > (1 - band) * height):
                yield edge, row


def _numbered_row(row: Row, edge: str, number: int, body: float) -> Iterator[tuple[int, str]]:
    """The outermost row of a page where it is a page number, or small text with the number of this very page in it."""
    if _is_page_number(_text(row)):
        yield from ((id(span), "page number") for span in row.spans)
    elif len(row.spans) <= _MOST_IN_ROW and all(span.size < body for span in row.spans):
        numbered = {id(span) for span in row.spans if _page_number_in(span.text) == number}
        if numbered:
            yield from ((id(span), "page number" if id(span) in numbered else edge) for span in row.spans)


def _page_number_in(text: str) -> int | None:
    """The first number of a text that has the form of a page number, or of a name and a page number."""
    plain = unicodedata.normalize("NFKC", text)
    if (named := _NAME_AND_NUMBER.fullmatch(plain.strip())) is not None:
        return int(named[1] or named[2])
    digits = _DIGITS.search(plain)
    return int(digits[0]) if digits and _PAGE_NUMBER.fullmatch(_shape(plain)) else None


def _counted(
    pages: Sequence[Page], rows: Sequence[Sequence[Row]], set_off: Sequence[set[int]]
) -> Iterator[tuple[int, str]]:
    """Page numbers: those that grow with the pages, in an edge row or alone in the first or last row of a page."""
    seen: dict[tuple[str, int], list[Span]] = defaultdict(list)
    for page, page_rows, apart in zip(pages, rows, set_off, strict=True):
        spans = [span for _, row in _edge_rows(page_rows, page.height, _BAND) for span in row.spans if id(row) in apart]
        spans += [row.spans[0] for row in (*page_rows[:1], *page_rows[-1:]) if len(row.spans) == 1]
        for span in {id(span): span for span in spans}.values():
            number = _page_number_in(span.text)
            if number is not None:
                seen[_shape(span.text), number - page.number].append(span)
    for spans in seen.values():
        if len(spans) > 1:
            yield from ((id(span), "page number") for span in spans)


def _mark(found: dict[int, str], edge: str, seen: Sequence[Span]) -> None:
    for span in seen:
        found.setdefault(id(span), "page number" if _is_page_number(span.text) else edge)


def _is_page_number(text: str) -> bool:
    return _PAGE_NUMBER.fullmatch(_shape(text)) is not None


def _usual_heights(pages: Sequence[Page], rows: Sequence[Sequence[Row]], body: float) -> Iterator[Row]:
    """The first rows of pages where running text stands: a header that names the chapter repeats on few pages only."""
    apart = [
        page_rows[0]
        for page, page_rows in zip(pages, rows, strict=True)
        if page_rows
        and not page_rows[0].is_supported
        and _is_apart(page_rows, 0, page.height)
        and not any(_is_in_grid(span, page) for span in page_rows[0].spans)
    ]
    heights = Counter(_height(row) for row in apart)
    for row in apart:
        near = sum(heights[_height(row) + step] for step in (-1, 0, 1))
        if row.spans[0].size <= body and near >= max(2, _USUAL_SHARE * len(pages)):
            yield row


def _is_apart(rows: Sequence[Row], end: int, height: float) -> bool:
    """Whether the first (`end` 0) or last (-1) row of a page stands in the band, farther off than rows usually do."""
    row = rows[end]
    if row.bottom >= _BAND * height and row.top <= (1 - _BAND) * height:
        return False
    gaps = [below.top - above.bottom for above, below in itertools.pairwise(rows)]
    if not gaps:
        return True
    usual = statistics.median(gaps) if len(gaps) > _FEW_ROWS else 0.0
    return gaps[end] >= max(_APART * row.spans[0].size, _APART_GAPS * usual)


def _height(row: Row) -> int:
    return round(row.bottom / _SAME_HEIGHT)


def _shape(text: str) -> str:
    """The text with numbers replaced by #."""
    return _DIGITS.sub("#", unicodedata.normalize("NFKC", text)).strip()

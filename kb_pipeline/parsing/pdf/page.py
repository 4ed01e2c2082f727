"""One page of a PDF as spans and rules, read with pdfium. Coordinates are points from the top left."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb_pipeline.parsing.cleaning import RADICALS

_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(r"bold|black|heavy|simhei|heiti|黑", re.IGNORECASE)
_SPAN_GAP = 1.0  # ems between two characters that begin a new span
_BACK_GAP = 0.6  # ems that a character may stand left of the end of the one before
_BASELINE_SHIFT = 0.45  # of the height: more is another line
_SAME_PLACE = 0.25  # of its width: a character that near to an equal one is the same one
_LIGATURE_LETTERS = frozenset("filt")  # pdfium gives each letter of a ligature the box of the whole
_TILT = 3.0  # degrees; text tilted by more against the axes is a watermark
_SPACE = 0x20
_LINE_ENDS = frozenset({0x0A, 0x0D})
_LINE_END_HYPHEN = 0x02  # pdfium's sign for a hyphen at which a word was divided
_UNMAPPED = frozenset({0, 0xFFFD, 0xFFFE, 0xFFFF})
_RULE_THICKNESS = 2.5  # points
_SHORTEST_RULE = 6.0  # points
_FEWEST_PATHS = 4  # fewer cannot rule a table
_MOST_PATHS = 20_000  # a page with more is a drawing
_MOST_SEGMENTS = 400  # of one path; a path with more is a curve
_CHINESE_OR_WIDE = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f]"
_GENERATED = "\u200a"  # stands for a space that is not in the file: pdfium saw a gap
_GAP_BETWEEN_WIDE = re.compile(f"(?<={_CHINESE_OR_WIDE}){_GENERATED}(?={_CHINESE_OR_WIDE})")
_SPACED_OUT = re.compile(f"{_CHINESE_OR_WIDE}(?:[ \u3000]+{_CHINESE_OR_WIDE})+")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of one style on one baseline. `centres`: the middle of each character of `raw`, x.

    `angle`: degrees by which the baseline is turned against most text of the page; 0 for a watermark too,
    which is `tilted`: neither horizontal nor vertical.
    """

    raw: str
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    bold: bool
    tilted: bool = False
    angle: int = 0
    centres: tuple[float, ...] = field(default=(), repr=False)

    @property
    def text(self) -> str:
        return tidy(self.raw)


def tidy(raw: str) -> str:
    """Without the gaps that justification leaves between Chinese characters, and not spaced out over a line."""
    text = _GAP_BETWEEN_WIDE.sub("", raw.strip()).replace(_GENERATED, " ")
    return "".join(text.split()) if _SPACED_OUT.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal (top == bottom) or vertical (x0 == x1) line."""

    x0: float
    top: float
    x1: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    width: float
    height: float
    spans: tuple[Span, ...]
    rules: tuple[Rule, ...]
    unmapped_share: float
    """Share of characters that have no Unicode value: a broken text layer."""


def read_page(document: pdfium.PdfDocument, index: int) -> Page:
    """The page with the 0-based `index`."""
    page = document[index]
    try:
        left, bottom, right, top = page.get_bbox()
        view = _View(left, bottom, right, top, page.get_rotation())
        textpage = page.get_textpage()
        try:
            spans, unmapped = _read_spans(textpage, view)
            turned = _usual_angle(spans)
            if turned:  # a wide table that was printed sideways: read the page as one would hold it
                view = replace(view, rotation=(view.rotation + turned) % 360)
                spans, unmapped = _read_spans(textpage, view)
        finally:
            textpage.close()
        rules = tuple(_read_rules(page, view)) if spans else ()
        return Page(index + 1, view.width, view.height, spans, rules, unmapped)
    finally:
        page.close()


def _usual_angle(spans: tuple[Span, ...]) -> int:
    """The angle of most characters, degrees."""
    counts: Counter[int] = Counter()
    for span in spans:
        counts[span.angle] += 0 if span.tilted else len(span.raw)
    return counts.most_common(1)[0][0] if counts else 0


@dataclass(frozen=True, slots=True)
class _View:
    """From PDF user space (origin at the bottom left, unrotated) to points from the top left as displayed."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    @property
    def width(self) -> float:
        return self.top - self.bottom if self.rotation in (90, 270) else self.right - self.left

    @property
    def height(self) -> float:
        return self.right - self.left if self.rotation in (90, 270) else self.top - self.bottom

    def point(self, x: float, y: float) -> tuple[float, float]:
        match self.rotation:
            case 90:
                return y - self.bottom, x - self.left
            case 180:
                return self.right - x, y - self.bottom
            case 270:
                return self.top - y, self.right - x
            case _:
                return x - self.left, self.top - y

    def box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        ax, ay = self.point(x0, y0)
        bx, by = self.point(x1, y1)
        return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)


def _read_spans(textpage: pdfium.PdfTextPage, view: _View) -> tuple[tuple[Span, ...], float]:
    """The spans in the order of the content stream, and the share of characters without a Unicode value."""
    raw = textpage.raw
    rect = pdfium_c.FS_RECTF()
    rect_pointer = ctypes.byref(rect)
    unicode_of, box_of = pdfium_c.FPDFText_GetUnicode, pdfium_c.FPDFText_GetLooseCharBox
    builder = _SpanBuilder(raw, view.rotation)
    unmapped = visible = 0
    for index in range(pdfium_c.FPDFText_CountChars(raw)):
        code = unicode_of(raw, index)
        if code in _LINE_ENDS:
            continue
        if code == _SPACE:
            builder.add_space(_GENERATED if pdfium_c.FPDFText_IsGenerated(raw, index) == 1 else " ")
            continue
        if not box_of(raw, index, rect_pointer):
            continue
        visible += 1
        if code in _UNMAPPED or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            unmapped += 1
            continue
        character = "-" if code == _LINE_END_HYPHEN else RADICALS.get(code) or chr(code)
        builder.add(index, character, view.box(rect.left, rect.bottom, rect.right, rect.top))
    builder.finish()
    return tuple(builder.spans), unmapped / visible if visible else 0.0


class _SpanBuilder:
    """Puts characters together to spans: a new one begins at a new baseline, after a wide gap, or on the way back."""

    def __init__(self, raw: pdfium_c.FPDF_TEXTPAGE, rotation: int) -> None:
        self.spans: list[Span] = []
        self._rotation = rotation
        self._raw = raw
        self._start()

    def _start(self) -> None:
        self._characters: list[str] = []
        self._centres: list[float] = []
        self._first = self._last = 0
        self._box = (0.0, 0.0, 0.0, 0.0)
        self._end = 0.0  # right edge of the last character

    def add_space(self, space: str) -> None:
        if self._characters and self._characters[-1] not in (" ", _GENERATED):
            self._characters.append(space)
            self._centres.append(self._end)

    def add(self, index: int, character: str, box: tuple[float, float, float, float]) -> None:
        """`box`: left, top, right, bottom."""
        left, top, right, bottom = box
        if self._characters:
            _, span_top, _, span_bottom = self._box
            em = max(bottom - top, 1.0)
            shifted = abs(top + bottom - span_top - span_bottom) / 2 > _BASELINE_SHIFT * max(em, span_bottom - span_top)
            gap = left - self._end
            in_place = not shifted and abs(right - self._end) < _SAME_PLACE * (right - left)
            if in_place and character == self._characters[-1] and character not in _LIGATURE_LETTERS:
                return  # the same character printed again to look bold
            if not in_place and (shifted or gap > _SPAN_GAP * em or gap < -_BACK_GAP * em):
                self.finish()
        if self._characters:
            x0, y0, x1, y1 = self._box
            self._box = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
        else:
            self._first, self._box = index, box
        self._characters.append(character)
        self._centres.append((left + right) / 2)
        self._last, self._end = index, right

    def finish(self) -> None:
        text = "".join(self._characters)
        if text.strip():
            self.spans.append(
                _span(self._raw, self._first, self._last, text, self._box, tuple(self._centres), self._rotation)
            )
        self._start()


def _span(
    raw: pdfium_c.FPDF_TEXTPAGE,
    first: int,
    last: int,
    text: str,
    box: tuple[float, float, float, float],
    centres: tuple[float, ...],
    rotation: int,
) -> Span:
    """The style is that of the first, the middle and the last character: bold only where all are."""
    samples = sorted({first, (first + last) // 2, last})
    sizes = sorted(_font_size(raw, index) for index in samples)
    bold = all(_is_bold(raw, index) for index in samples)
    degrees = _baseline_angle(raw, first)
    upright = round(degrees / 90) * 90
    return Span(
        text,
        *box,
        size=sizes[len(sizes) // 2],
        bold=bold,
        tilted=abs(degrees - upright) > _TILT,
        angle=(upright - rotation) % 360,
        centres=centres,
    )


def _baseline_angle(raw: pdfium_c.FPDF_TEXTPAGE, index: int) -> float:
    """Degrees counter-clockwise in page space. Slanted letters on a straight line have none."""
    matrix = pdfium_c.FS_MATRIX()
    if not pdfium_c.FPDFText_GetMatrix(raw, index, ctypes.byref(matrix)):
        return 0.0
    return math.degrees(math.atan2(matrix.b, matrix.a))


def _font_size(raw: pdfium_c.FPDF_TEXTPAGE, index: int) -> float:
    """Points as displayed: the font size times the scale of the text matrix."""
    matrix = pdfium_c.FS_MATRIX()
    size = float(pdfium_c.FPDFText_GetFontSize(raw, index))
    if pdfium_c.FPDFText_GetMatrix(raw, index, ctypes.byref(matrix)):
        size *= math.hypot(matrix.c, matrix.d)
    return round(size * 2) / 2


def _is_bold(raw: pdfium_c.FPDF_TEXTPAGE, index: int) -> bool:
    if pdfium_c.FPDFText_GetFontWeight(raw, index) >= _BOLD_WEIGHT:
        return True
    buffer = ctypes.create_string_buffer(128)
    flags = ctypes.c_int()
    length = pdfium_c.FPDFText_GetFontInfo(raw, index, buffer, len(buffer), ctypes.byref(flags))
    if 0 < length <= len(buffer) and _BOLD_NAME.search(buffer.value.decode("utf-8", "replace")):
        return True
    text_object = pdfium_c.FPDFText_GetTextObject(raw, index)
    return bool(text_object) and (
        pdfium_c.FPDFTextObj_GetTextRenderMode(text_object) == pdfium_c.FPDF_TEXTRENDERMODE_FILL_STROKE
    )


def _read_rules(page: pdfium.PdfPage, view: _View) -> Iterator[Rule]:
    paths = [
        item for item in _top_objects(page.raw) if pdfium_c.FPDFPageObj_GetType(item) == pdfium_c.FPDF_PAGEOBJ_PATH
    ]
    if not _FEWEST_PATHS <= len(paths) <= _MOST_PATHS:
        return
    for path in paths:
        for x0, y0, x1, y1 in _path_edges(path):
            left, top, right, bottom = view.box(x0, y0, x1, y1)
            if bottom - top <= _RULE_THICKNESS and right - left >= _SHORTEST_RULE:
                middle = (top + bottom) / 2
                yield Rule(left, middle, right, middle)
            elif right - left <= _RULE_THICKNESS and bottom - top >= _SHORTEST_RULE:
                middle = (left + right) / 2
                yield Rule(middle, top, middle, bottom)


def _top_objects(raw_page: pdfium_c.FPDF_PAGE) -> Iterator[pdfium_c.FPDF_PAGEOBJECT]:
    for index in range(pdfium_c.FPDFPage_CountObjects(raw_page)):
        yield pdfium_c.FPDFPage_GetObject(raw_page, index)


def _path_edges(path: pdfium_c.FPDF_PAGEOBJECT) -> Iterator[tuple[float, float, float, float]]:
    """The straight pieces of a path in page space; a thin filled rectangle counts as one piece."""
    count = pdfium_c.FPDFPath_CountSegments(path)
    if not 2 <= count <= _MOST_SEGMENTS:
        return
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDFPath_GetDrawMode(path, ctypes.byref(fill), ctypes.byref(stroke))
    if not fill.value and not stroke.value:
        return  # a clipping path shows nothing
    x0, y0, x1, y1 = (ctypes.c_float() for _ in range(4))
    if pdfium_c.FPDFPageObj_GetBounds(path, *map(ctypes.byref, (x0, y0, x1, y1))):
        box = x0.value, y0.value, x1.value, y1.value
        if min(box[2] - box[0], box[3] - box[1]) <= _RULE_THICKNESS:
            yield box
            return
    if not stroke.value and count > 6:
        return  # a filled shape that is no rectangle
    matrix = pdfium_c.FS_MATRIX()
    pdfium_c.FPDFPageObj_GetMatrix(path, ctypes.byref(matrix))
    a, b, c, d, e, f = matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f
    px, py = ctypes.c_float(), ctypes.c_float()
    start = current = None
    for index in range(count):
        segment = pdfium_c.FPDFPath_GetPathSegment(path, index)
        pdfium_c.FPDFPathSegment_GetPoint(segment, ctypes.byref(px), ctypes.byref(py))
        point = a * px.value + c * py.value + e, b * px.value + d * py.value + f
        kind = pdfium_c.FPDFPathSegment_GetType(segment)
        if kind == pdfium_c.FPDF_SEGMENT_LINETO and current is not None:
            yield (*current, *point)
        elif kind == pdfium_c.FPDF_SEGMENT_MOVETO:
            start = point
        current = point
        if pdfium_c.FPDFPathSegment_GetClose(segment) and start is not None:
            yield (*current, *start)

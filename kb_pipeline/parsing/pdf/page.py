"""One page of a PDF as spans and rules, read with pdfium. Coordinates are points from the top left."""

from __future__ import annotations

import ctypes
import math
import re
import sys
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb_pipeline.parsing.cleaning import RADICALS
from kb_pipeline.parsing.pdf.objects import RULE_THICKNESS, address_of, drawn_edges, printed_twice
from kb_pipeline.parsing.pdf.tags import PageTags
from kb_pipeline.parsing.scripts_notation import subscript, superscript

_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(r"bold|black|heavy|simhei|heiti|黑", re.IGNORECASE)
_FONT_NAME_BYTES = 128
_SPAN_GAP = 1.0  # ems between two characters that begin a new span
_WORD_GAP = 0.4  # ems between two characters that are a blank although none is written
_LATIN_GAP = 0.18  # the same between Latin letters
_BACK_GAP = 0.6  # ems that a character may stand left of the end of the one before
_BASELINE_SHIFT = 0.45  # of the height: more is another line
_SMALLER = 0.9  # times the height of the characters before: raised or lowered ones are set smaller
_RAISED, _LOWERED = 0.2, 0.1  # ems above and below the baseline of the text that it belongs to, at least
_MOST_RAISED = 0.7  # ems
_LONGEST_SCRIPT = 12  # characters that are raised or lowered
_SAME_PLACE = 0.25  # of its width: a character that near to an equal one is the same one
_LIGATURE_LETTERS = frozenset("filt")  # pdfium gives each letter of a ligature the box of the whole
_DOUBLED_SHARE = 0.25  # of the characters of a span are printed again where all of a part of it are
_NARROWEST_LIGATURE = 0.38  # times the height of its box
# Single characters that stand for several letters, as fonts write them.
_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
_ASCENT, _DESCENT = 0.86, 0.2  # ems above and below the baseline; the boxes that fonts declare differ too much
_LEAST_BOX, _LARGEST_BOX = 0.3, 3.0  # times the font size; outside, the font size is not that of the letters
_FAINT_ALPHA = 0.6  # of 1; text that lets more of the page through is a stamp
_FAINT_GREY = 0.72  # luminance of 1 from which on text on white paper is hard to read
_OVERPRINT = 0.3  # of its height: a text that near to an equal one is the same, printed again to look bold
_SQUARE = 8.0  # points
_NEAR_SPANS = 3  # before a span that may hold the beginning of its text already
_LATIN_1_SHARE = 0.4  # of the letters above ASCII; no language writes so, but fonts without a mapping look so
_FEWEST_VERTICAL = 0.6  # of the characters stand below each other where a page is written vertically
_TILT = 3.0  # degrees; text tilted by more against the axes is a watermark
_SPACE = 0x20
_LINE_ENDS = frozenset({0x0A, 0x0D})
_LINE_END_HYPHEN = 0x02  # pdfium's sign for a hyphen at which a word was divided
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs"})  # Unicode categories
_UNMAPPED = frozenset({0, 0xFFFD, 0xFFFE, 0xFFFF})
_SHORTEST_RULE = 6.0  # points
_COMMENTS = frozenset({pdfium_c.FPDF_ANNOT_TEXT, pdfium_c.FPDF_ANNOT_HIGHLIGHT, pdfium_c.FPDF_ANNOT_POPUP})
_TEXT_ANNOTATIONS = frozenset({pdfium_c.FPDF_ANNOT_WIDGET, pdfium_c.FPDF_ANNOT_FREETEXT, pdfium_c.FPDF_ANNOT_STAMP})
_CHINESE_OR_WIDE = "[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"
GENERATED = "\u200a"  # stands for a space that is not in the file: pdfium saw a gap
WIDE_GAP = "\u2002"  # the same for a gap that parts words of Chinese, too
_PHRASE_GAP = 0.55  # ems of such a gap
_GAP_BETWEEN_WIDE = re.compile(f"(?<={_CHINESE_OR_WIDE}){GENERATED}(?={_CHINESE_OR_WIDE})")
_SPACED_OUT = re.compile(f"{_CHINESE_OR_WIDE}(?:[ \u3000]+{_CHINESE_OR_WIDE})+")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of one style on one baseline. `centres`: the middle of each character of `raw`, x.

    `angle`: degrees by which the baseline is turned against most text of the page; 0 for a watermark too,
    which is `tilted`: neither horizontal nor vertical. `baseline`: y. `faint`: transparent or light grey.
    `role`: the structure type of a tagged PDF (H1, P, TD, …), or Artifact. `confidence`:
    of OCR, 0 to 1; None in a text layer.
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
    centres: Sequence[float] = field(default=(), repr=False)
    baseline: float = 0.0
    faint: bool = False
    role: str | None = None
    font: str = ""
    confidence: float | None = None

    @property
    def text(self) -> str:
        return tidy(self.raw)


def tidy(raw: str) -> str:
    """Without the gaps that justification leaves between Chinese characters, and not spaced out over a line."""
    text = _GAP_BETWEEN_WIDE.sub("", raw.strip()).replace(GENERATED, " ").replace(WIDE_GAP, " ")
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
    """`unmapped_share`: of its characters, those that have no Unicode value: a broken text layer.

    `comments`: those that readers left on it. `characters`: the visible ones of these and of the text layer as
    pdfium's own text extraction gives it, without overprinting.
    """

    number: int
    width: float
    height: float
    spans: tuple[Span, ...]
    rules: tuple[Rule, ...]
    unmapped_share: float
    characters: int = 0
    comments: tuple[str, ...] = ()


def read_page(document: pdfium.PdfDocument, index: int, *, tagged: bool = False) -> Page:
    """The page with the 0-based `index`. `tagged`: the document says which text has which role."""
    page, boxes, comments = _with_annotations(document, index)
    try:
        left, bottom, right, top = page.get_bbox()
        view = _View(left, bottom, right, top, page.get_rotation())
        tags = PageTags.read(page) if tagged else None
        twice = printed_twice(page.raw)
        textpage = page.get_textpage()
        try:
            spans, unmapped = _read_spans(textpage, view, tags, twice)
            turned = _usual_angle(spans)
            if turned:  # a wide table that was printed sideways: read the page as one would hold it
                view = replace(view, rotation=(view.rotation + turned) % 360)
                spans, unmapped = _read_spans(textpage, view, tags, twice)
            characters = _visible(textpage.get_text_range()) if spans else 0
            spans = (*spans, *(_tick_box(view, *box) for box in boxes))
            characters += len(boxes) + sum(map(_visible, comments))
        finally:
            textpage.close()
        if _latin_1_share(spans) > _LATIN_1_SHARE:
            unmapped = 1.0
        rules = tuple(_read_rules(page, view)) if spans else ()
        spans, overprinted = _without_overprints(spans)
        spans = tuple(_with_scripts(spans))
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
        return _set_upright(found)
    finally:
        page.close()


_Box = tuple[tuple[float, float, float, float], bool]  # left, bottom, right, top; whether it is ticked


def _with_annotations(document: pdfium.PdfDocument, index: int) -> tuple[pdfium.PdfPage, list[_Box], list[str]]:
    """The page with what is filled into its forms, typed or stamped on it as a part of its text; its boxes to tick; the
    comments on it."""
    page = document[index]
    boxes: list[_Box] = []
    comments: list[str] = []
    holds_text = False
    for number in range(pdfium_c.FPDFPage_GetAnnotCount(page.raw)):
        annotation = pdfium_c.FPDFPage_GetAnnot(page.raw, number)
        kind = pdfium_c.FPDFAnnot_GetSubtype(annotation)
        holds_text = holds_text or kind in _TEXT_ANNOTATIONS
        state, rect = _string(annotation, b"AS"), pdfium_c.FS_RECTF()
        if kind == pdfium_c.FPDF_ANNOT_WIDGET and state and pdfium_c.FPDFAnnot_GetRect(annotation, ctypes.byref(rect)):
            boxes.append(((rect.left, rect.bottom, rect.right, rect.top), state != "Off"))
        if kind in _COMMENTS and (text := _string(annotation, b"Contents")):
            comments.append(text)
        pdfium_c.FPDFPage_CloseAnnot(annotation)
    if holds_text:
        pdfium_c.FPDFPage_Flatten(page.raw, pdfium_c.FLAT_NORMALDISPLAY)
        page.close()
        page = document[index]
    return page, boxes, comments


def _string(annotation: pdfium_c.FPDF_ANNOTATION, key: bytes) -> str:
    length = pdfium_c.FPDFAnnot_GetStringValue(annotation, key, None, 0)  # bytes, with the two that end it
    buffer = (pdfium_c.FPDF_WCHAR * (length // 2 + 1))()
    pdfium_c.FPDFAnnot_GetStringValue(annotation, key, buffer, length)
    return bytes(buffer)[: max(0, length - 2)].decode("utf-16-le", "replace")


def _tick_box(view: _View, box: tuple[float, float, float, float], ticked: bool) -> Span:
    """A box to tick as text: the sign for it."""
    left, top, right, bottom = view.box(*box)
    size = bottom - top
    baseline = bottom - _DESCENT * size
    return Span(
        "☑" if ticked else "☐",
        left,
        top,
        right,
        bottom,
        size,
        bold=False,
        centres=((left + right) / 2,),
        baseline=baseline,
    )


def _visible(text: str) -> int:
    """How many characters a reader sees: no blanks, controls, private glyphs or unmapped ones."""
    return sum(not character.isspace() and unicodedata.category(character) not in _UNSEEN for character in text)


def _latin_1_share(spans: Sequence[Span]) -> float:
    letters = "".join(span.raw for span in spans)
    return sum("\x80" <= letter <= "\xff" for letter in letters) / len(letters) if letters else 0.0


def _without_overprints(spans: Sequence[Span]) -> tuple[tuple[Span, ...], int]:
    """The spans without those printed again on the same place, which then are bold, and how many characters went."""
    seen: dict[tuple[str, int, int], list[int]] = {}  # text and square of the page -> indexes of `kept`
    kept: list[Span] = []
    dropped = 0
    for span in spans:
        text, near = span.raw.strip(), _OVERPRINT * max(span.size, 1.0)
        column, row = int(span.x0 // _SQUARE), int(span.top // _SQUARE)
        squares = [(text, column + dx, row + dy) for dx in (0, -1, 1) for dy in (0, -1, 1)]
        places = (index for square in squares for index in seen.get(square, ()))
        twin = next(
            (i for i in places if abs(kept[i].x0 - span.x0) < near and abs(kept[i].top - span.top) < near), None
        )
        if twin is not None:
            kept[twin] = replace(kept[twin], bold=True)
            dropped += _visible(span.raw)
            continue
        repeated = max((_repeated(before, span) for before in kept[-_NEAR_SPANS:]), default=0)
        if repeated:
            dropped += _visible(span.raw[:repeated])
            if not span.raw[repeated:].strip():
                continue
        seen.setdefault(squares[0], []).append(len(kept))
        kept.append(_without_beginning(span, repeated) if repeated else span)
    return tuple(kept), dropped


def _without_beginning(span: Span, count: int) -> Span:
    """The span without its first `count` characters."""
    first = span.centres[count] - span.size * (0.5 if span.raw[count] >= "\u2e80" else 0.25)
    return replace(span, raw=span.raw[count:], centres=span.centres[count:], x0=max(span.x0, first))


def _repeated(before: Span, span: Span) -> int:
    """How many characters `span` begins with that stand on the same places at the end of the span before."""
    if abs(before.bottom - span.bottom) > _OVERPRINT * span.size or not before.x0 <= span.x0 < before.x1:
        return 0
    near = _OVERPRINT * max(span.size, 1.0)
    printed = list(zip(before.raw, before.centres, strict=True))
    for index, (character, centre) in enumerate(zip(span.raw, span.centres, strict=True)):
        if not any(character == other and abs(centre - place) < near for other, place in printed):
            return index if not character.isspace() else index + 1
    return len(span.raw)


def _with_scripts(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans with raised and lowered ones in the text before them, in their notation."""
    before: Span | None = None
    for span in spans:
        if before is not None and _stands_after(before, span):
            raised = before.baseline - span.baseline
            small = span.size < _SMALLER * before.size and len(span.raw) <= _LONGEST_SCRIPT
            least = (_RAISED if raised > 0 else _LOWERED) * before.size
            if small and least < abs(raised) < _MOST_RAISED * before.size:
                before = _joined(before, span, superscript(span.raw) if raised > 0 else subscript(span.raw))
                continue
            if span.size == before.size and span.bold == before.bold and not raised:
                before = _joined(before, span, span.raw)
                continue
        if before is not None:
            yield before
        before = span
    if before is not None:
        yield before


def _stands_after(before: Span, span: Span) -> bool:
    """Whether a span begins where the one before ends, and may be raised or lowered against it."""
    upright = not (before.tilted or span.tilted or before.angle or span.angle)
    near = -_LATIN_GAP * before.size < span.x0 - before.x1 < _WORD_GAP * before.size
    return upright and near and bool(before.baseline and span.baseline)


def _joined(before: Span, span: Span, raw: str) -> Span:
    """The span before with the text `raw` of the next one on its baseline."""
    added = len(raw) - len(span.raw)  # signs around it
    own = list(span.centres)
    centres = own[:1] * (added - added // 2) + own + own[-1:] * (added // 2)
    return replace(
        before, raw=before.raw + raw, x1=max(before.x1, span.x1), centres=array("f", [*before.centres, *centres])
    )


def _set_upright(page: Page) -> Page:
    """A page of Chinese or Japanese written in columns from top to bottom, turned so that its columns are lines."""
    columns = _vertical_columns(page.spans)
    below = sum(len(column) for column in columns)
    if below < _FEWEST_VERTICAL * sum(len(span.raw.strip()) for span in page.spans) or below < 2:
        return page
    spans = []
    for column in columns:
        first = column[0]
        left, right = min(span.x0 for span in column), max(span.x1 for span in column)
        spans.append(
            replace(
                first,
                raw="".join(span.raw.strip() for span in column),
                x0=first.top,
                x1=column[-1].bottom,
                top=page.width - right,
                bottom=page.width - left,
                baseline=page.width - left,
                bold=all(span.bold for span in column),
                centres=array("f", [(span.top + span.bottom) / 2 for span in column]),
            )
        )
    gathered = {id(span) for column in columns for span in column}
    spans += [
        replace(
            span,
            x0=span.top,
            x1=span.bottom,
            top=page.width - span.x1,
            bottom=page.width - span.x0,
            baseline=page.width - span.x0,
            centres=array("f", [(span.top + span.bottom) / 2] * len(span.raw)),
        )
        for span in page.spans
        if id(span) not in gathered
    ]
    return replace(page, width=page.height, height=page.width, spans=tuple(spans), rules=())


def _vertical_columns(spans: Sequence[Span]) -> list[list[Span]]:
    """Single characters that follow each other downwards."""
    columns: list[list[Span]] = []
    for span in spans:
        if len(span.raw.strip()) != 1 or span.tilted or span.angle:
            continue
        above = columns[-1][-1] if columns else None
        if (
            above is not None
            and abs(above.x0 + above.x1 - span.x0 - span.x1) < above.size * 0.8
            and 0.5 * span.size < span.top - above.top < 2.2 * span.size
        ):
            columns[-1].append(span)
        else:
            columns.append([span])
    return [column for column in columns if len(column) > 1]


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


def _read_spans(
    textpage: pdfium.PdfTextPage, view: _View, tags: PageTags | None, twice: Set[int]
) -> tuple[tuple[Span, ...], float]:
    """The spans in the order of the content stream, and the share of characters without a Unicode value. `twice`:
    addresses of the texts that are printed twice."""
    raw = textpage.raw
    rect = pdfium_c.FS_RECTF()
    rect_pointer = ctypes.byref(rect)
    unicode_of, box_of = pdfium_c.FPDFText_GetUnicode, pdfium_c.FPDFText_GetLooseCharBox
    builder = _SpanBuilder(raw, view, tags, twice)
    unmapped = visible = 0
    for index in range(pdfium_c.FPDFText_CountChars(raw)):
        code = unicode_of(raw, index)
        if code in _LINE_ENDS:
            continue
        if code == _SPACE:
            builder.add_space(GENERATED if pdfium_c.FPDFText_IsGenerated(raw, index) == 1 else " ")
            continue
        if not box_of(raw, index, rect_pointer):
            continue
        visible += 1
        if code in _UNMAPPED or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            unmapped += 1
            continue
        character = "-" if code == _LINE_END_HYPHEN else RADICALS.get(code) or _LIGATURES.get(code) or chr(code)
        builder.add(index, character, view.box(rect.left, rect.bottom, rect.right, rect.top))
    builder.finish()
    return tuple(builder.spans), unmapped / visible if visible else 0.0


class _SpanBuilder:
    """Puts characters together to spans: a new one begins at a new baseline, after a wide gap, or on the way back."""

    def __init__(self, raw: pdfium_c.FPDF_TEXTPAGE, view: _View, tags: PageTags | None, twice: Set[int]) -> None:
        self.spans: list[Span] = []
        self._view = view
        self._tags = tags
        self._twice = twice
        self._raw = raw
        self._start()

    def _start(self) -> None:
        self._characters: list[str] = []
        self._centres = array("f")
        self._indexes: list[int] = []  # of the characters that are printed; blanks may have no font
        self._box = (0.0, 0.0, 0.0, 0.0)
        self._end = 0.0  # right edge of the last character
        self._printed_again = 0  # characters
        self._is_doubled = False  # whether the last letter that is in no ligature is printed twice

    def add_space(self, space: str) -> None:
        if self._characters and self._characters[-1] not in (" ", GENERATED, WIDE_GAP):
            self._characters.append(space)
            self._centres.append(self._end)

    def add(self, index: int, character: str, box: tuple[float, float, float, float]) -> None:
        """`box`: left, top, right, bottom."""
        left, top, right, bottom = box
        if self._characters:
            _, span_top, _, span_bottom = self._box
            em = max(bottom - top, 1.0)
            shifted = abs(top + bottom - span_top - span_bottom) / 2 > _BASELINE_SHIFT * max(em, span_bottom - span_top)
            height = span_bottom - span_top
            if not shifted and (em < _SMALLER * height or height < _SMALLER * em):
                shifted = abs(_baseline(self._raw, index, self._view) - self._first_baseline()) > _LOWERED * em
            gap = left - self._end
            in_place = not shifted and abs(right - self._end) < _SAME_PLACE * (right - left)
            if in_place and character == self._characters[-1] and self._is_printed_again(character, box):
                self._printed_again += 1
                return
            if not in_place and (shifted or gap > _SPAN_GAP * em or gap < -_BACK_GAP * em):
                self.finish()
            elif self._characters[-1] == GENERATED and gap > _PHRASE_GAP * em:
                self._characters[-1] = WIDE_GAP
            elif not in_place and gap > em * (_LATIN_GAP if _is_latin(character, self._characters[-1]) else _WORD_GAP):
                self.add_space(GENERATED)
        if self._characters:
            x0, y0, x1, y1 = self._box
            self._box = min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)
        else:
            self._box = box
        self._is_doubled = self._is_doubled and character in _LIGATURE_LETTERS
        for letter in character:
            self._characters.append(letter)
            self._centres.append((left + right) / 2)
        self._indexes.append(index)
        self._end = right

    def _first_baseline(self) -> float:
        return _baseline(self._raw, self._indexes[0], self._view)

    def _is_printed_again(self, character: str, box: tuple[float, float, float, float]) -> bool:
        """Whether a character on the place of an equal one is printed again to look bold, and no part of a ligature.

        A ligature is wide, and the letters before it are printed once.
        """
        left, top, right, bottom = box
        if character not in _LIGATURE_LETTERS:
            self._is_doubled = True
        return self._is_doubled or right - left < _NARROWEST_LIGATURE * (bottom - top)

    def finish(self) -> None:
        if self._printed_again > _DOUBLED_SHARE * len(self._indexes):
            self._leave_doubles_out()
        text = "".join(self._characters)
        if text.strip():
            self.spans.append(self._span(text))
        self._start()

    def _leave_doubles_out(self) -> None:
        """Take those letters out that are printed again, where the first ones looked like a ligature."""
        pairs = list(zip(self._characters, self._centres, strict=True))
        kept = [pair for before, pair in zip([None, *pairs], pairs, strict=False) if pair != before]
        self._characters = [character for character, _ in kept]
        self._centres = array("f", (centre for _, centre in kept))

    def _span(self, text: str) -> Span:
        """The style is that of the first, the middle and the last character: bold only where all are."""
        raw, view = self._raw, self._view
        left, top, right, bottom = self._box
        first, last = self._indexes[0], self._indexes[-1]
        samples = sorted({first, self._indexes[len(self._indexes) // 2], last})
        size = sorted(_font_size(raw, index) for index in samples)[len(samples) // 2]
        fonts = [_font_name(raw, index) for index in samples]
        degrees = _baseline_angle(raw, first)
        upright = round(degrees / 90) * 90
        tilted = abs(degrees - upright) > _TILT
        angle = (upright - view.rotation) % 360
        baseline = bottom
        if not tilted and not angle and _LEAST_BOX * size < bottom - top < _LARGEST_BOX * size:
            baseline = _baseline(raw, first, view)
            top, bottom = baseline - _ASCENT * size, baseline + _DESCENT * size
        return Span(
            text,
            left,
            top,
            right,
            bottom,
            size=size,
            bold=2 * self._printed_again > len(self._indexes)
            or all(self._is_bold(index, font) for index, font in zip(samples, fonts, strict=True)),
            tilted=tilted,
            angle=angle,
            centres=self._centres,
            baseline=baseline,
            faint=_is_faint(raw, first),
            role=_role(raw, first, self._tags),
            font=fonts[0] if len(set(fonts)) == 1 else "",
        )

    def _is_bold(self, index: int, font: str) -> bool:
        if pdfium_c.FPDFText_GetFontWeight(self._raw, index) >= _BOLD_WEIGHT or _BOLD_NAME.search(font):
            return True
        text = pdfium_c.FPDFText_GetTextObject(self._raw, index)
        if not text:
            return False
        mode = pdfium_c.FPDFTextObj_GetTextRenderMode(text)
        return mode == pdfium_c.FPDF_TEXTRENDERMODE_FILL_STROKE or address_of(text) in self._twice


def _is_latin(*characters: str) -> bool:
    return all(character.isalpha() and character < "\u0250" for character in characters)


def _baseline(raw: pdfium_c.FPDF_TEXTPAGE, index: int, view: _View) -> float:
    x, y = ctypes.c_double(), ctypes.c_double()
    pdfium_c.FPDFText_GetCharOrigin(raw, index, ctypes.byref(x), ctypes.byref(y))
    return view.point(x.value, y.value)[1]


def _is_faint(raw: pdfium_c.FPDF_TEXTPAGE, index: int) -> bool:
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    if not pdfium_c.FPDFText_GetFillColor(raw, index, *map(ctypes.byref, (red, green, blue, alpha))):
        return False
    shades = red.value, green.value, blue.value
    grey = max(shades) - min(shades) < 40  # of 255; coloured text is meant to be read
    luminance = (0.299 * shades[0] + 0.587 * shades[1] + 0.114 * shades[2]) / 255  # ITU-R BT.601
    return alpha.value < _FAINT_ALPHA * 255 or (grey and luminance > _FAINT_GREY)


def _role(raw: pdfium_c.FPDF_TEXTPAGE, index: int, tags: PageTags | None) -> str | None:
    if tags is None:
        return None
    text_object = pdfium_c.FPDFText_GetTextObject(raw, index)
    return tags.role(text_object) if text_object else None


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


def _font_name(raw: pdfium_c.FPDF_TEXTPAGE, index: int) -> str:
    """Without the six letters that mark a font of which only some glyphs are in the file."""
    buffer = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    flags = ctypes.c_int()
    length = pdfium_c.FPDFText_GetFontInfo(raw, index, buffer, len(buffer), ctypes.byref(flags))
    name = buffer.value.decode("utf-8", "replace") if 0 < length <= len(buffer) else ""
    return sys.intern(name[7:] if name[6:7] == "+" else name)


def _read_rules(page: pdfium.PdfPage, view: _View) -> Iterator[Rule]:
    for x0, y0, x1, y1 in drawn_edges(page.raw):
        left, top, right, bottom = view.box(x0, y0, x1, y1)
        if bottom - top <= RULE_THICKNESS and right - left >= _SHORTEST_RULE:
            middle = (top + bottom) / 2
            yield Rule(left, middle, right, middle)
        elif right - left <= RULE_THICKNESS and bottom - top >= _SHORTEST_RULE:
            middle = (left + right) / 2
            yield Rule(middle, top, middle, bottom)

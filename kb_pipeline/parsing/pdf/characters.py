"""The characters of a page, read with pdfium and put together to spans."""

from __future__ import annotations

import ctypes
import math
import re
import sys
import unicodedata
from array import array
from collections.abc import Set
from functools import lru_cache

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from kb_pipeline.parsing.cleaning import RADICALS
from kb_pipeline.parsing.pdf.objects import address_of
from kb_pipeline.parsing.pdf.page import GENERATED, WIDE_GAP, Span
from kb_pipeline.parsing.pdf.tags import PageTags
from kb_pipeline.parsing.pdf.view import View

_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(r"bold|black|heavy|simhei|heiti|黑", re.IGNORECASE)
_FONT_NAME_BYTES = 128
_SPAN_GAP = 1.0  # ems between two characters that begin a new span
_WORD_GAP = 0.4  # ems between two characters that are a blank although none is written
_LATIN_GAP = 0.18  # the same between Latin letters
_PHRASE_GAP = 0.55  # ems of such a gap
_BACK_GAP = 0.6  # ems that a character may stand left of the end of the one before
_BASELINE_SHIFT = 0.45  # of the height: more is another line
_SMALLER = 0.9  # times the height of the characters before: raised or lowered ones are set smaller
_LOWERED = 0.1  # ems above or below the baseline before: smaller characters there are raised or lowered
_SAME_PLACE = 0.25  # of its width: a character that near to an equal one is the same one
_LIGATURE_LETTERS = frozenset("filt")  # pdfium gives each letter of a ligature the box of the whole
_DOUBLED_SHARE = 0.25  # of the characters of a span are printed again where all of a part of it are
_NARROWEST_LIGATURE = 0.38  # times the height of its box
# Single characters that stand for several letters, as fonts write them.
_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
ASCENT, DESCENT = 0.86, 0.2  # ems above and below the baseline; the boxes that fonts declare differ too much
_LEAST_BOX, _LARGEST_BOX = 0.3, 3.0  # times the font size; outside, the font size is not that of the letters
_FAINT_ALPHA = 0.6  # of 1; text that lets more of the page through is a stamp
_FAINT_GREY = 0.72  # luminance of 1 from which on text on white paper is hard to read
_TILT = 3.0  # degrees; text tilted by more against the axes is a watermark
_SPACE = 0x20
_LINE_ENDS = frozenset({0x0A, 0x0D})
_LINE_END_HYPHEN = 0x02  # pdfium's sign for a hyphen at which a word was divided
_UNMAPPED = frozenset({0, 0xFFFD, 0xFFFE, 0xFFFF})


def read_spans(
    textpage: pdfium.PdfTextPage, view: View, tags: PageTags | None, twice: Set[int]
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
        character = _character(code)
        if character is None:
            unmapped += 1
            continue
        builder.add(index, character, view.box(rect.left, rect.bottom, rect.right, rect.top))
    builder.finish()
    return tuple(builder.spans), unmapped / visible if visible else 0.0


@lru_cache(maxsize=4096)
def _character(code: int) -> str | None:
    """What pdfium's code of a character stands for; None for one without a Unicode value."""
    if code in _UNMAPPED or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        return None
    return "-" if code == _LINE_END_HYPHEN else RADICALS.get(code) or _LIGATURES.get(code) or chr(code)


class _SpanBuilder:
    """Puts characters together to spans: a new one begins at a new baseline, after a wide gap, or on the way back."""

    def __init__(self, raw: pdfium_c.FPDF_TEXTPAGE, view: View, tags: PageTags | None, twice: Set[int]) -> None:
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
        if self._characters and not self._follows_closely(left, top, right, bottom):
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
            self._box = (
                min(left, x0),
                min(top, y0),
                max(right, x1),
                max(bottom, y1),
            )
        else:
            self._box = box
        self._is_doubled = self._is_doubled and character in _LIGATURE_LETTERS
        for letter in character:
            self._characters.append(letter)
            self._centres.append((left + right) / 2)
        self._indexes.append(index)
        self._end = right

    def _follows_closely(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether a box is as high as those before and right behind them, as that of nearly each character is: then
        nothing else is to be asked."""
        _, span_top, _, span_bottom = self._box
        if top != span_top or bottom != span_bottom or self._characters[-1] == GENERATED:
            return False
        gap = left - self._end
        return -_SAME_PLACE * (right - left) < gap <= _LATIN_GAP * (bottom - top)

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
            top, bottom = baseline - ASCENT * size, baseline + DESCENT * size
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


def _baseline(raw: pdfium_c.FPDF_TEXTPAGE, index: int, view: View) -> float:
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

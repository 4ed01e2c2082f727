"""Pictures of pages -> pages of spans and rules, as if they had a text layer.

A page is turned upright and straightened first: what the detector finds tells the skew, and which way up the
page is by how sure the recognizer is of a few of its lines. Sizes are measured line by line and then made the
same throughout the document, so that the text has one size and its headings stand out.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kb_pipeline.parsing.numbering import is_ideograph
from kb_pipeline.parsing.ocr.engine import Image, Quads, Recognized, detect, recognize
from kb_pipeline.parsing.ocr.geometry import (
    crop,
    line_height,
    rotated,
    runs_vertically,
    sizes,
    skew,
    straightened,
    tilted,
)
from kb_pipeline.parsing.ocr.ink import Ink, Reach, measure
from kb_pipeline.parsing.ocr.rules import find_rules
from kb_pipeline.parsing.ocr.styles import Measure, styles
from kb_pipeline.parsing.pdf.page import WIDE_GAP, Page, Rule, Span

_DETECTED_SIDE = 1440  # pixels of the longer side that the detector sees
_LARGEST_SCALE = 2.0  # by which small images are made larger for the detector
_SMALL_LINES = 18.0  # pixels; lines that are lower for the detector are looked for again in a larger image
_GOOD_LINES = 26.0  # pixels
_MOST_DETECTED = 4_000_000  # pixels that the detector may see at once: 800 MB
_GRID = 32  # the detector takes multiples of it
_LONGEST_STRIP = 2.0  # times its width; a longer image is read in strips
_CUT_WITHIN = 0.1  # of a strip's height: where it is cut, between lines
_SAMPLES = 6  # lines that tell which way up a page is
_SAMPLE_LENGTH = 14  # times its height: so much of each
_SURE = 0.85  # confidence from which on a page is the right way up
_BETTER = 0.1  # more confidence that the other way up must give
_LEAST_CONFIDENCE = 0.6  # a line with less is noise
_LEAST_OF_SHORT = 0.75  # the same for a letter or two
_SHORT = 2  # characters
_GAP = 1.2  # ems between two characters that begin a new span
_CELL_GAP = 0.45  # ems between two characters: cells of a table may meet there
_LATIN_CELL_GAP = 0.75  # the same where a blank was read; one between words is half as wide
_WIDE_LETTERS = frozenset("mwMW%@")
_ASCENT, _DESCENT = 0.86, 0.2  # ems above and below the baseline, as in pages with a text layer
_PITCH = 1.8  # ems between the baselines of neighbouring lines of a paragraph
_ALIKE = 1.2  # times the size of its neighbours: a line inside a paragraph that differs by less was measured badly
_USUAL_BODY = 10.5  # points; pages of unknown resolution are taken to be printed in this size
_BLANK_CONTRAST = 40  # grey levels between the paper and the darkest of its ink
_BLANK_SHARE = 0.0001  # of the pixels of a page are ink at least
NOISE = "low OCR confidence"
_LIKELY_BODY = 5.0, 30.0  # points; a resolution that gives the text another size is not the true one


@dataclass(frozen=True, slots=True)
class PageImage:
    """A picture of a page: blue, green and red. `points_per_pixel`: None where the resolution is not known."""

    number: int
    pixels: Image
    points_per_pixel: float | None = None


@dataclass(frozen=True, slots=True)
class _Word:
    """A piece of a line as measured, in pixels of the straightened page. `em`, `stroke`, `reaches`: see Ink."""

    text: str
    centres: tuple[float, ...]
    x0: float
    x1: float
    baseline: float
    em: float
    stroke: float
    is_cjk: bool
    confidence: float
    angle: int = 0
    is_tilted: bool = False
    reaches: tuple[tuple[Reach, float], ...] = ()


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """What was read on a page. `noise`: the texts that were not taken, since the recognizer was unsure."""

    number: int
    width: float
    height: float
    words: tuple[_Word, ...]
    rules: tuple[Rule, ...]
    noise: tuple[str, ...]
    points_per_pixel: float


def scan(picture: PageImage) -> ScannedPage:
    """Read the text of a picture."""
    pixels = picture.pixels
    quads = _find_text(pixels)
    turned = _turned(pixels, quads)
    if turned:
        pixels = np.ascontiguousarray(np.rot90(pixels, -turned // 90))
        quads = _find_text(pixels)
    height, width = pixels.shape[:2]
    angle = skew(quads)
    words, noise = _read(pixels, quads, angle)
    if not any(character.isalnum() for word in words for character in word.text):
        words = []  # shapes that look like a box or a dash
    points = _points_per_pixel(picture, words)
    return ScannedPage(
        picture.number,
        width * points,
        height * points,
        tuple(words),
        _rules(pixels, words, angle, points),
        tuple(noise),
        points,
    )


def as_pages(scans: Sequence[ScannedPage]) -> list[Page]:
    """The pages of one document, with sizes and weights that are the same throughout."""
    found = styles([[_measured(word, page.points_per_pixel) for word in page.words] for page in scans])
    return [
        Page(
            page.number,
            page.width,
            page.height,
            _like_neighbours(
                [
                    _span(word, page.points_per_pixel, size, bold=bold)
                    for word, (size, bold) in zip(page.words, own, strict=True)
                ]
            ),
            page.rules,
            unmapped_share=0.0,
            characters=sum(len("".join(text.split())) for text in (*(word.text for word in page.words), *page.noise)),
        )
        for page, own in zip(scans, found, strict=True)
    ]


def _measured(word: _Word, points: float) -> Measure:
    """The word in points. `points`: per pixel."""
    return Measure(
        len(word.text), word.x0 * points, word.x1 * points, word.baseline * points, word.em * points, word.stroke,
        word.is_cjk, word.reaches,
    )  # fmt: skip


def _like_neighbours(spans: Sequence[Span]) -> tuple[Span, ...]:
    """A line inside a paragraph has the style of the lines above and below it, whatever was measured."""
    found = list(spans)
    for index, span in enumerate(spans):
        beside = [
            other
            for other in spans
            if other is not span
            and abs(other.x0 - span.x0) < span.size
            and abs(other.x1 - span.x1) < span.size
            and abs(other.baseline - span.baseline) < _PITCH * span.size
        ]
        styles = {(other.size, other.bold) for other in beside}
        if len(styles) != 1 or len({other.baseline > span.baseline for other in beside}) != 2:
            continue
        size, bold = styles.pop()
        if 1 / _ALIKE < size / span.size < _ALIKE:
            found[index] = replace(span, size=size, bold=bold)
    return tuple(found)


def is_blank(pixels: Image) -> bool:
    """Whether a page shows nothing: next to none of its pixels differ from most."""
    import cv2

    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    grey = np.asarray(cv2.blur(grey, (3, 3)))[::2, ::2].astype(np.int16)
    return bool((np.abs(grey - np.median(grey)) > _BLANK_CONTRAST).mean() < _BLANK_SHARE)


def _span(word: _Word, points: float, size: float, *, bold: bool) -> Span:
    baseline = word.baseline * points
    return Span(
        word.text,
        word.x0 * points,
        baseline - _ASCENT * size,
        word.x1 * points,
        baseline + _DESCENT * size,
        size,
        bold,
        tilted=word.is_tilted,
        angle=word.angle,
        centres=tuple(centre * points for centre in word.centres),
        baseline=baseline,
        confidence=word.confidence,
    )


def _find_text(pixels: Image) -> Quads:
    """Where text is, in pixels of the image."""
    height, width = pixels.shape[:2]
    if height <= _LONGEST_STRIP * width:
        return _find_in(pixels)
    found = []
    for top, bottom in itertools.pairwise(_cuts(pixels)):
        found.append(_find_in(pixels[top:bottom]) + np.array([0, top], np.float32))
    return np.concatenate(found)


def _cuts(pixels: Image) -> list[int]:
    """Rows at which a long image is cut, between its lines of text: where neighbouring pixels differ least."""
    height, width = pixels.shape[:2]
    strip = round(_LONGEST_STRIP * width / 2)
    reach = round(_CUT_WITHIN * strip)
    cuts = [0]
    while height - cuts[-1] > strip + reach:
        target = cuts[-1] + strip
        rows = pixels[target - reach : target + reach].astype(np.int16)
        cuts.append(target - reach + int(np.abs(np.diff(rows, axis=1)).sum(axis=(1, 2)).argmin()))
    return [*cuts, height]


def _find_in(pixels: Image) -> Quads:
    scale = min(_LARGEST_SCALE, _DETECTED_SIDE / max(pixels.shape[:2]))
    quads = _detect_at(pixels, scale)
    lines = line_height(quads) * scale
    largest = math.sqrt(_MOST_DETECTED / (pixels.shape[0] * pixels.shape[1]))
    better = min(scale * _GOOD_LINES / lines, _LARGEST_SCALE, largest) if lines else scale
    return _detect_at(pixels, better) if lines < _SMALL_LINES and better > 1.2 * scale else quads


def _detect_at(pixels: Image, scale: float) -> Quads:
    import cv2

    height, width = pixels.shape[:2]
    to = (_on_grid(width * scale), _on_grid(height * scale))
    scaled = cv2.resize(pixels, to, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return detect(np.asarray(scaled, np.uint8)) * np.array([width / to[0], height / to[1]], np.float32)


def _on_grid(side: float) -> int:
    return max(1, round(side / _GRID)) * _GRID


def _turned(pixels: Image, quads: Quads) -> int:
    """Degrees clockwise by which the page must be turned to be upright: 0, 90, 180 or 270."""
    if not len(quads):
        return 0
    lengths = np.maximum(*sizes(quads))
    vertical = runs_vertically(quads)
    sideways = bool(lengths[vertical].sum() > lengths.sum() / 2)
    chosen = quads[vertical == sideways]
    chosen = chosen[np.argsort(np.maximum(*sizes(chosen)))[::-1][:_SAMPLES]]
    samples = [crop(pixels, quad, turn=sideways) for quad in chosen]
    samples = [sample[:, : _SAMPLE_LENGTH * sample.shape[0]] for sample in samples]
    first = _confidence(recognize(samples))
    if first >= _SURE:
        return 90 if sideways else 0
    second = _confidence(recognize([np.ascontiguousarray(np.rot90(sample, 2)) for sample in samples]))
    if sideways:
        return 270 if second > first else 90
    return 180 if second > first + _BETTER else 0


def _confidence(found: Sequence[Recognized]) -> float:
    characters = sum(len(one.text) for one in found)
    return sum(one.confidence * len(one.text) for one in found) / characters if characters else 0.0


def _read(pixels: Image, quads: Quads, angle: float) -> tuple[list[_Word], list[str]]:
    """The words in the quads, and the texts that are too unsure to be words."""
    height, width = pixels.shape[:2]
    straight = rotated(quads, angle, width, height)
    vertical = runs_vertically(quads)
    crops = [crop(pixels, quad, turn=bool(turn)) for quad, turn in zip(quads, vertical, strict=True)]
    words: list[_Word] = []
    noise: list[str] = []
    for image, found, quad, turn, tilt in zip(
        crops, recognize(crops), straight, vertical, tilted(straight), strict=True
    ):
        if not found.text.strip():
            continue
        if found.confidence < (_LEAST_OF_SHORT if len(found.text) <= _SHORT else _LEAST_CONFIDENCE):
            noise.append(found.text)
            continue
        ink = measure(image, found)
        if turn or tilt:
            words.append(_apart(found, ink, quad, is_tilted=bool(tilt)))
        else:
            words.extend(_words(found, ink, quad))
    return words, noise


def _apart(found: Recognized, ink: Ink, quad: np.ndarray, *, is_tilted: bool) -> _Word:
    """Text across the reading direction, or a watermark: only its place on the page matters."""
    left, bottom = float(quad[:, 0].min()), float(quad[:, 1].max())
    right, height = float(quad[:, 0].max()), bottom - float(quad[:, 1].min())
    centres = tuple(np.linspace(left, right, len(found.text)).tolist())
    em = ink.em if is_tilted else min(ink.em, height)
    angle = 0 if is_tilted else 90
    return _Word(found.text, centres, left, right, bottom, em, 0.0, ink.is_cjk, found.confidence, angle, is_tilted)


def _words(found: Recognized, ink: Ink, quad: np.ndarray) -> Iterator[_Word]:
    """A line cut where there are wide gaps, with the lesser ones marked. `quad`: on the straightened page."""
    left, top = float(quad[[0, 3], 0].mean()), float(quad[[0, 1], 1].mean())
    right = float(quad[[1, 2], 0].mean())
    centres = [left + centre * (right - left) for centre in found.centres]
    em = ink.em
    starts = [0]
    starts += [
        index
        for index in range(1, len(centres))
        if not found.text[index].isspace()
        and centres[index] - centres[index - 1] - (_half(found.text[index]) + _half(found.text[index - 1])) * em
        > _GAP * em
    ]
    for start, end in itertools.pairwise([*starts, len(centres)]):
        last = start + len(found.text[start:end].rstrip())
        text, places = _with_gaps(found.text[start:last], centres[start:last], em)
        yield _Word(
            text,
            places,
            left + ink.left if start == 0 else centres[start] - _half(found.text[start]) * em,
            left + ink.right if end == len(centres) else centres[last - 1] + _half(found.text[last - 1]) * em,
            top + ink.baseline,
            em,
            ink.stroke,
            ink.is_cjk,
            found.confidence,
            reaches=ink.words,
        )


def _with_gaps(text: str, centres: Sequence[float], em: float) -> tuple[str, tuple[float, ...]]:
    """The text and its centres with a gap instead of blanks that are wide, and where the recognizer, which hardly
    knows blanks beside ideographs, gave none."""
    characters: list[str] = []
    places: list[float] = []
    blank = False
    for character, centre in zip(text, centres, strict=True):
        if character.isspace():
            blank = True
            continue
        if characters:
            before, place = characters[-1], places[-1]
            latin = not is_ideograph(before) and not is_ideograph(character)
            gap = centre - place - (_half(before) + _half(character)) * em
            apart = gap > (_LATIN_CELL_GAP if latin else _CELL_GAP) * em
            if blank or (apart and _may_lack_blank(before, character)):
                characters.append(WIDE_GAP if apart else " ")
                places.append(place)
        characters.append(character)
        places.append(centre)
        blank = False
    return "".join(characters), tuple(places)


def _may_lack_blank(before: str, character: str) -> bool:
    """Whether one is an ideograph and the other an ASCII letter or figure, which fills its place unlike punctuation."""
    return any(
        is_ideograph(one) and other.isascii() and (other.isalnum() or other == "%")
        for one, other in ((before, character), (character, before))
    )


def _half(character: str) -> float:
    """Half the width of a character, ems."""
    return 0.5 if is_ideograph(character) else 0.42 if character in _WIDE_LETTERS else 0.25


def _points_per_pixel(picture: PageImage, words: Sequence[_Word]) -> float:
    """By the resolution of the picture, or by the size of its text where that is unknown or unlikely."""
    given = picture.points_per_pixel
    if not words:
        return given or 1.0
    body = statistics.median(word.em for word in words for _ in word.text)
    smallest, largest = _LIKELY_BODY
    return given if given and smallest <= body * given <= largest else _USUAL_BODY / body


def _rules(pixels: Image, words: Sequence[_Word], angle: float, points: float) -> tuple[Rule, ...]:
    import cv2

    grey = straightened(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)), angle)
    letters = np.array(
        [(word.x0, word.baseline - word.em, word.x1, word.baseline + _DESCENT * word.em) for word in words], np.float32
    ).reshape(-1, 4)
    return find_rules(grey, letters, points_per_pixel=points)
